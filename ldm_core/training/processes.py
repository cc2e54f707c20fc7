"""Several processes that train one model together: `torchrun --nproc-per-node=N train.py`.

Each computes the loss of its part of every batch; DistributedDataParallel averages the gradients,
so that all hold the same weights at every step. A single process pays nothing for any of this.
"""

import os
import pickle
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
from ..runtime.devices import choose_device, device_type

Value = TypeVar("Value")

TIMEOUT = timedelta(minutes=60)  # the others wait while the first loads data or draws samples


class ProcessLost(UserError, RuntimeError):
    """Another of the processes has ended, so that this one cannot go on."""


@dataclass(frozen=True)
class Processes:
    """This process among `count`. Only the first, of rank 0, writes files and prints."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # among those of its machine

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """Which examples of a batch are this process's; InputError where it cannot be divided."""
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
        if self.count == 1:
            return loss_at
        return DistributedDataParallel(_Loss(module, loss_at))

    def mean(self, loss: Tensor) -> Tensor:
        """The mean of a number on the device over all processes; does not wait for the device."""
        if self.count == 1:
            return loss
        total = loss.clone()
        dist.all_reduce(total)
        return total / self.count

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; they exchange it at every step.

        It lies in main memory and travels by gloo, so this waits for the other processes but for
        no GPU: what has been launched there goes on meanwhile. The exchange takes a fraction of a
        millisecond on one machine. (A flag on the GPU, beside the loss, would cost nothing to send
        and a wait for the whole step to read.)
        """
        if self.count == 1:
            return flag
        flags = torch.tensor(int(flag))
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags)

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What make() returns in the first process, or the error that it raises there."""
        if self.count == 1:
            return make()
        outcome = [None, None]
        if self.first:
            try:
                outcome[0] = make()
            except Exception as error:
                outcome[1] = _portable(error)
        dist.broadcast_object_list(outcome, src=0, device=torch.device("cpu"))
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def in_turn(self, make: Callable[[], Value]) -> Value:
        """make() in every process; first in one of each machine, which may download files."""
        if self.count == 1:
            return make()
        value = make() if self.local_rank == 0 else None
        dist.barrier()
        return value if self.local_rank == 0 else make()

    def check_same(self, name: str, value: str) -> None:
        """Raise InputError unless all processes have the same value."""
        values = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value)
        if len(set(values)) > 1:
            shown = "; ".join(f"process {i}: {v}" for i, v in enumerate(values))
            raise InputError(f"The processes have different {name}: {shown}")

    def say(self, text: str) -> None:
        """Print in the first process."""
        if self.first:
            print(text, flush=True)


ALONE = Processes()


def launched() -> Processes:
    """This process among those that torchrun started, as its environment variables say.

    Raises InputError where one of them is missing or no number.
    """
    count = _variable("WORLD_SIZE", "1")
    if count < 2:
        return ALONE
    return Processes(_variable("RANK"), count, _variable("LOCAL_RANK"))


def _variable(name: str, default: str = "") -> int:
    text = os.environ.get(name) or default
    if not text.isdecimal():
        raise InputError(
            f"The environment variable {name} must be a number, not {text!r}. Start several "
            "processes with torchrun, which sets it; start one process without WORLD_SIZE."
        )
    return int(text)


@contextmanager
def joined(device_type: str) -> Iterator[Processes]:
    """The processes that torchrun started, connected until the block ends; ALONE without it."""
    processes = launched()
    if processes.count == 1:
        yield processes
        return
    # NCCL connects GPUs only; gloo carries what lies in main memory: flags, settings, weights.
    backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield processes
    except RuntimeError as error:
        if _is_lost_connection(error):
            raise ProcessLost(
                "another process ended, so this one cannot go on. --resume goes on from the last "
                "save, also with another number of processes."
            ) from error
        raise
    finally:
        dist.destroy_process_group()


def device_of(name: str, processes: Processes) -> torch.device:
    """The device of this process: under torchrun, each has a GPU of its own.

    Raises InputError where there is none.
    """
    if processes.count > 1 and device_type(name) == "cuda":
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


def _is_lost_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an error that cannot travel is told by what it says
        return RuntimeError(str(error))
    return error
