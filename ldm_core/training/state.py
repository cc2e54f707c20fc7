"""The state of an unfinished training stage, on disk: what `--resume` goes on from.

A state file is also the sign of an unfinished run: it exists from the first step of a stage until
the next stage has one, or the run is complete.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import InputError
from ..files.checkpoint import CheckpointError, read_checkpoint, save_checkpoint
from .processes import ALONE, Processes

SAVE_SECONDS = 30.0  # a kill loses this much work, or more where saving is slow
SAVE_SHARE = 0.02  # of the time, at most, is spent on saving


class Clock:
    """Seconds that a run has taken, with those before it was stopped and resumed."""

    def __init__(self):
        self.origin = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self.origin

    def resume_at(self, seconds: float) -> None:
        self.origin = time.monotonic() - seconds


class StateFile:
    """Where and how often a stage keeps its state.

    settings: what must be the same for the run to go on. environment: what may change, but then the
    result is no longer the same to the bit. every: seconds between saves; None: SAVE_SECONDS, or
    more where saving would take more than SAVE_SHARE of the time. replaces: state files of the
    stages before, removed as soon as this one exists.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        environment: Mapping[str, Any],
        clock: Clock,
        *,
        resume: bool,
        every: float | None = None,
        replaces: tuple[Path, ...] = (),
        processes: Processes = ALONE,
    ):
        self.path, self.settings, self.environment = path, settings, environment
        self.clock, self.resume, self.replaces = clock, resume, replaces
        self.processes, self.loaded = processes, None
        self.every, self.next_save = every, time.monotonic() + (every or SAVE_SECONDS)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """(tensors, about) of the last save, or None where there is nothing to resume.

        Raises InputError naming each setting that differs, CheckpointError for a damaged file.
        """
        if self.resume and self.loaded is None:
            self.loaded = self.processes.from_first(self._read)
            if self.loaded:
                self.clock.resume_at(self.loaded[1]["elapsed"])
        return self.loaded

    def _read(self):
        if not self.path.exists():
            return None
        remedy = "Start anew with --force."
        tensors, about = read_checkpoint(self.path, "training state", remedy)
        check_settings(self.path, about["settings"], self.settings)
        if changed := differences(about["environment"], self.environment):
            self.processes.say(
                f"{self.path}: was made elsewhere ({'; '.join(changed)}): "
                "the result will be as good, but not the same to the bit."
            )
        return tensors, about

    def due(self) -> bool:
        return self.processes.first and time.monotonic() >= self.next_save

    def save(self, tensors: Mapping[str, Tensor], **about: Any) -> None:
        """Replace what was saved, in the first process."""
        if not self.processes.first:
            return
        started = time.monotonic()
        about |= {"settings": self.settings, "environment": self.environment}
        about["elapsed"] = self.clock.seconds()
        save_checkpoint(self.path, "training state", tensors, about)
        for path in self.replaces:
            path.unlink(missing_ok=True)
        now = time.monotonic()
        self.next_save = now + (self.every or max(SAVE_SECONDS, (now - started) / SAVE_SHARE))


def state_tensors(
    module: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    average: list[Tensor],
    losses: list[Tensor],
) -> dict[str, Tensor]:
    """All that a step changes. Data order and noise are functions of the step and need no state."""
    tensors = {"losses": torch.stack(losses)}
    for (name, parameter), mean in zip(module.named_parameters(), average):
        tensors[f"parameter.{name}"], tensors[f"average.{name}"] = parameter.data, mean
    for i, optimiser in enumerate(optimisers):
        for index, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{index}.{key}": value for key, value in values.items()}
    return tensors


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    average: list[Tensor],
) -> list[Tensor]:
    """Put `state_tensors` back where they came from; returns the losses, one per step done.

    Raises CheckpointError where names or shapes do not fit.
    """
    losses = list(tensors["losses"].to(average[0].device).unbind())
    if not losses:  # saved before the first step: nothing has changed since it was built
        return losses
    try:
        for (name, parameter), mean in zip(module.named_parameters(), average):
            for kind, target in (("parameter", parameter), ("average", mean)):
                if tensors[f"{kind}.{name}"].shape != target.shape:
                    raise InputError(f"{name} has another shape")
                target.copy_(tensors[f"{kind}.{name}"])
        states: list[dict] = [{} for _ in optimisers]
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, i, index, key = name.split(".")
                states[int(i)].setdefault(int(index), {})[key] = tensor
        for optimiser, state in zip(optimisers, states):
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"The saved state does not fit this version of the code ({error}). Start anew with "
            "--force."
        ) from error
    return losses


def check_settings(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise InputError naming each setting in which a run differs from the one to go on with."""
    if changed := differences(old, new):
        raise InputError(
            f"{path} was made with other settings than this run's: {'; '.join(changed)}. Resume "
            "with the old ones, start anew with --force, or write to another folder with --out."
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
