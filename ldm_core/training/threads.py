"""How many threads compute a step: all, or one where several only wait for each other."""

import statistics
from collections.abc import Sequence

import torch

# Of the first steps, these are compared: some with all threads, then as many with one.
FIRST, MIDDLE, LAST = 10, 20, 30


class Threads:
    """Chooses by the times of the first steps, where `may_choose` is true.

    Threads meet at every layer. Where another program takes one of two cores, steps of the U-Net
    took 2.8 to 4 times as long with two threads as on an idle machine, and 1.7 times with one. With
    more programs still it was 12 times, and 1.8 times. On an idle machine the comparison costs two
    seconds. The weights of a run depend on the choice to the bit.
    """

    def __init__(self, may_choose: bool):
        self.all = torch.get_num_threads()
        self.may_choose = may_choose and self.all > 1

    @property
    def several(self) -> bool:
        """Whether there are threads to give up."""
        return self.may_choose and torch.get_num_threads() > 1

    def after_step(self, seconds: Sequence[float]) -> None:
        """seconds: of all steps so far."""
        if not self.may_choose:
            return
        if len(seconds) == MIDDLE:
            torch.set_num_threads(1)
        elif len(seconds) == LAST:
            with_all, with_one = seconds[FIRST:MIDDLE], seconds[MIDDLE:LAST]
            if statistics.median(with_all) <= statistics.median(with_one):
                self.restore()

    def give_up(self) -> None:
        torch.set_num_threads(1)

    def restore(self) -> None:
        torch.set_num_threads(self.all)
