"""The state of a training: all that a step changes, and the file that `--resume` goes on from."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import InputError
from ..files.checkpoint import CheckpointError, load_tensors, read_checkpoint, save_checkpoint
from .optimisers import Average, Optimisers


class Learner:
    """A module that learns, and all that its steps change.

    loss_at(step) -> scalar loss of step 0, 1, ..., the mean over this process's part of `batch`
    examples (see `Processes.part`). ema_width: see `Average`. losses: one for each step done.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        loss_at: Callable[[int], Tensor],
        batch: int,
        optimisers: Optimisers,
        ema_width: float,
    ):
        self.name, self.module, self.loss_at, self.batch = name, module, loss_at, batch
        self.optimisers, self.average = optimisers, Average(module, ema_width)
        self.losses: list[Tensor] = []

    @property
    def done(self) -> int:
        """The number of steps done."""
        return len(self.losses)

    def tensors(self) -> dict[str, Tensor]:
        """All that steps have changed. Data order and noise are functions of the step: no state."""
        if not self.losses:
            return {"losses": torch.zeros(0)}
        tensors = {"losses": torch.stack(self.losses), **self._weights().state_dict()}
        for i, optimiser in enumerate(self.optimisers.each):
            for index, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{i}.{index}.{key}": value for key, value in values.items()}
        return tensors

    def restore(self, path: Path, tensors: dict[str, Tensor]) -> None:
        """Go on from what `tensors` returned; raises CheckpointError, which names the file at
        `path`, if names or shapes differ."""
        device = next(self.module.parameters()).device
        self.losses = list(tensors.pop("losses").to(device).unbind())
        self.average.updates = self.done
        if not self.losses:
            return
        states: list[dict] = [{} for _ in self.optimisers.each]
        for name in [name for name in tensors if name.startswith("optimiser.")]:
            _, i, index, key = name.split(".")
            states[int(i)].setdefault(int(index), {})[key] = tensors.pop(name)
        load_tensors(path, self._weights(), tensors)
        for optimiser, state in zip(self.optimisers.each, states):
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})

    def _weights(self) -> nn.Module:
        return nn.ModuleDict({"module": self.module, "average": self.average.module})


@dataclass(frozen=True)
class StateFile:
    """The file of a stage's last save. It is also the sign of an unfinished run: it exists from the
    first step of a stage until the next stage has one, or the run is complete.

    settings: must be the same for the run to go on. environment: may change, but then the result is
    no longer the same to the bit.
    """

    path: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]

    def save(self, learner: Learner, **times: float) -> None:
        """Replace the last save as a whole; what was saved stays where that fails."""
        about = {"settings": self.settings, "environment": self.environment, **times}
        save_checkpoint(self.path, "training state", learner.tensors(), about)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """(tensors, times) of the last save; None where there is none.

        Raises InputError naming each setting that differs, CheckpointError for a damaged file. Says
        so where the environment differs.
        """
        if not self.path.exists():
            return None
        remedy = "Start over with --force."
        tensors, about = read_checkpoint(self.path, "training state", remedy)
        needed = {"losses", "settings", "environment", "begin", "elapsed"}
        if missing := sorted(needed - tensors.keys() - about.keys()):
            raise CheckpointError(f"{self.path} has no {', '.join(missing)}. {remedy}")
        check_settings(self.path, about.pop("settings"), self.settings)
        if changed := differences(about.pop("environment"), self.environment):
            print(
                f"{self.path}: was made elsewhere ({'; '.join(changed)}): "
                "the result will be as good, but not the same to the bit.",
                flush=True,
            )
        return tensors, about


def check_settings(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise InputError naming each setting in which a run differs from the one to go on with."""
    if changed := differences(old, new):
        raise InputError(
            f"{path} was made with other settings than this run's: {'; '.join(changed)}. Resume "
            "with the old ones, start over with --force, or write to another folder with --out."
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Each entry of two nested dictionaries that differs, as "name: old, now new"."""
    found = []
    new = json.loads(json.dumps(new))  # tuples are lists in a file
    for key in old.keys() | new.keys():
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}: {a}, now {b}")
    return sorted(found)
