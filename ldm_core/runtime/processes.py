"""Several processes that work together, as `torchrun --nproc-per-node=N` starts them.

In training, each computes the loss of its part of every batch; DistributedDataParallel averages the
gradients, so that all hold the same weights at every step. In sampling and evaluation, each makes
other images. A single process pays nothing for any of this.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..checks import InputError, UserError
from .devices import choose_device

Key, Value = TypeVar("Key"), TypeVar("Value")

TIMEOUT = timedelta(minutes=60)  # the others wait while the first loads data or draws samples


@dataclass(frozen=True)
class Processes:
    """This process among `count`. Only the first, of rank 0, writes files and prints."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # among those of its machine

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def silent(self) -> bool | None:
        """`disable` of tqdm: one progress bar, and none if nobody sees it."""
        return None if self.first else True

    def part(self, batch: int) -> slice:
        """This process's examples of a batch; InputError if the batch cannot be divided evenly."""
        if batch % self.count:
            raise InputError(
                f"A batch of {batch} cannot be divided among {self.count} processes: start a "
                f"number of them that divides {batch}."
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def shared_loss(
        self, module: nn.Module, loss_at: Callable[[int], Tensor]
    ) -> Callable[[int], Tensor]:
        """loss_at, such that its gradients for `module` are the mean over all processes."""
        return loss_at if self.count == 1 else DistributedDataParallel(_Loss(module, loss_at))

    def mean(self, loss: Tensor) -> Tensor:
        """The mean of a number on the device over all processes; does not wait for the device."""
        if self.count == 1:
            return loss
        total = loss.clone()
        dist.all_reduce(total)
        return total / self.count

    def agree(self, share: float, stop: bool) -> tuple[float, bool]:
        """The largest share, and whether any process wants to stop; exchanged at every step.

        Both lie in main memory and travel by gloo, so this waits for the other processes but for
        no GPU: what has been launched there goes on meanwhile. The exchange takes a fraction of a
        millisecond on one machine.
        """
        if self.count == 1:
            return share, stop
        both = torch.tensor([share, float(stop)], dtype=torch.float64)
        dist.all_reduce(both, op=dist.ReduceOp.MAX)
        return both[0].item(), bool(both[1])

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What make() returns in the first process. If it raises there, the others are lost."""
        if self.count == 1:
            return make()
        sent = [make() if self.first else None]
        dist.broadcast_object_list(sent, src=0, device=torch.device("cpu"))
        return sent[0]

    def in_turn(self, make: Callable[[], Value]) -> Value:
        """make() in every process; first in one of each machine, which may download files."""
        if self.count == 1:
            return make()
        value = make() if self.local_rank == 0 else None
        dist.barrier()
        return value if self.local_rank == 0 else make()

    def union(self, part: dict[Key, Value]) -> dict[Key, Value]:
        """The parts of all processes together, in every process."""
        if self.count == 1:
            return part
        parts: list[dict] = [{}] * self.count
        dist.all_gather_object(parts, part)
        return {key: value for part in parts for key, value in part.items()}

    def say(self, text: str) -> None:
        """Print in the first process."""
        if self.first:
            print(text, flush=True)


ALONE = Processes()


@contextmanager
def joined(device: str, remedy: str) -> Iterator[Processes]:
    """The processes that torchrun started, connected until the block ends; ALONE without it.

    device: as for `choose_device`. remedy: what to do if one of them ends.
    """
    count = int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1
    if count == 1:
        yield ALONE
        return
    # NCCL connects GPUs only; gloo carries what lies in main memory: flags, settings, weights.
    backend = "cpu:gloo,cuda:nccl" if choose_device(device).type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield Processes(dist.get_rank(), count, int(os.environ["LOCAL_RANK"]))
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error).lower():
            raise UserError(f"another process ended, so this one cannot go on. {remedy}") from error
        raise
    finally:
        dist.destroy_process_group()


def device_of(name: str, processes: Processes) -> torch.device:
    """The device of this process; under torchrun each process has another GPU.

    Raises InputError where there is none.
    """
    if processes.count > 1 and choose_device(name).type == "cuda":
        if ":" in name:
            raise InputError(f"--device {name} is one GPU for all processes; use --device cuda.")
        name = f"cuda:{processes.local_rank}"
    device = choose_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


class _Loss(nn.Module):
    """A loss as a module, which is what DistributedDataParallel can wrap."""

    def __init__(self, module: nn.Module, loss_at: Callable[[int], Tensor]):
        super().__init__()
        self.module, self.loss_at = module, loss_at

    def forward(self, step: int) -> Tensor:
        return self.loss_at(step)
