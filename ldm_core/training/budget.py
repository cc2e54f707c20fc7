"""How long to train, and how many steps a time comes to."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

LATE = 1.25  # times the budget: what a machine that others share loses now and then stays below
LEAST_STEPS = 20  # by which the speed is judged again
PROGRESS_GRIDS = 10  # drawn in equal distances while a stage trains; one more before its first step


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or as many as fit into seconds. One of the two."""

    steps: int | None = None
    seconds: float | None = None


class SpeedTest:
    """Turns a budget of seconds into a number of steps, from the times of the first steps.

    The seconds begin when this is made. `end_of_step` is called after each of the first steps, and
    then `steps_that_fit` gives the number of all steps, the first ones included.
    """

    def __init__(self, seconds: float):
        self.seconds, self.grid_seconds = seconds, 0.0
        self.marks = [time.perf_counter()]  # the beginning, then the end of each step

    def draw_again(self, draw: Callable[[], object]) -> None:
        """Measure what a progress grid costs, and throw this one away.

        It must not be the first grid: that one also pays for what is loaded, chosen and allocated
        once, and PROGRESS_GRIDS times that price could take most of the budget.
        """
        begin = time.perf_counter()
        draw()
        self.grid_seconds = time.perf_counter() - begin

    def end_of_step(self) -> None:
        self.marks.append(time.perf_counter())

    def durations(self) -> list[float]:
        """Seconds of each of the first steps."""
        return _durations(self.marks)

    def steps_that_fit(self) -> int:
        self.watch_from(len(self.marks) - 1)
        return steps_that_fit(self.seconds - PROGRESS_GRIDS * self.grid_seconds, self.marks)

    def watch_from(self, done: int) -> None:
        """Judge the speed by the steps after the first `done` ones."""
        self.watched_from, self.watched_since = done, time.perf_counter()

    def slowdown(self, done: int) -> float | None:
        """The mean time of the steps that are watched, as a multiple of the median of the first
        ones; None while they are too few."""
        steps = done - self.watched_from
        if steps < LEAST_STEPS:
            return None
        mean = (time.perf_counter() - self.watched_since) / steps
        return mean / statistics.median(self.durations())

    def late(self, done: int, total: int) -> float | None:
        """Seconds that the training will take, where they are far more than the budget; else None.

        At the speed of the steps that are watched, by `total` steps of which `done` are.
        """
        if (slowdown := self.slowdown(done)) is None:
            return None
        left = (total - done) * slowdown * statistics.median(self.durations())
        seconds = time.perf_counter() - self.marks[0] + left
        return seconds if seconds > LATE * self.seconds else None


def _durations(marks: list[float]) -> list[float]:
    return [end - begin for begin, end in zip(marks, marks[1:])]


def steps_that_fit(seconds: float, marks: list[float]) -> int:
    """Steps in `seconds` from the first mark; the other marks are the ends of the steps so far.

    The steps to come are counted at the median speed of those so far: a slow start, or a moment in
    which the machine had other work, must not shorten the whole run. Never fewer than those done.
    """
    durations = _durations(marks)
    left = seconds - (marks[-1] - marks[0])
    return len(durations) + max(0, int(left / statistics.median(durations)))


def completes_a_part(done: int, total: int) -> bool:
    """Whether `done` of `total` steps complete another of PROGRESS_GRIDS equal parts."""
    return done * PROGRESS_GRIDS // total > (done - 1) * PROGRESS_GRIDS // total
