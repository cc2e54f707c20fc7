"""The models that a page serves: one, or those in the sub-folders of a folder."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ldm_core import InputError, UserError

from .run import Runner

FILES = ("vae.safetensors", "unet.safetensors")
MAX_LOADED = 8  # of several models; the one that was used longest ago gives way

Load = Callable[[Path, str], Runner]  # from a folder and the name of a model


class Models:
    """Loads models when they are asked for. A model whose files have changed is loaded again."""

    def __init__(self, folder: Path, load: Load):
        """folder: of a model, or of several. Loads the first by name that can be used, `first`.

        `left_out`: why others before it cannot be. Raises UserError if there is none.
        """
        self.folder, self.load = folder, load
        self.left_out: dict[str, str] = {}
        self._loaded: dict[str, tuple[tuple, Runner]] = {}  # the one that was used last comes last
        self._lock = threading.Lock()  # a model is loaded once, also if several ask for it
        self.several = not _has_files(folder) and any(map(_has_files, _folders(folder)))
        if not self.several:
            self.first = load(folder, "")
            return
        for entry in self.menu():
            problem = entry["problem"]
            try:
                self.first = self._newest(entry["name"])
                return
            except (UserError, OSError) as error:
                self.left_out[entry["name"]] = problem or str(error)
        reasons = " ".join(f"{name}: {problem}" for name, problem in self.left_out.items())
        raise UserError(f"No model in {folder} can be used. {reasons}")

    def menu(self) -> list[dict[str, str]]:
        """The name of each model that is there now, and what is wrong with it; empty for one."""
        if not self.several:
            return []
        there = [path for path in _folders(self.folder) if _has_files(path)]
        return [{"name": path.name, "problem": _problem(path)} for path in there]

    def runner(self, name: str | None) -> Runner:
        """The model of this name, loaded; the first if it is None or empty.

        Raises InputError if there is no such model, UserError if it cannot be used.
        """
        if not name or name == self.first.name:
            return self.first
        if name not in [entry["name"] for entry in self.menu()]:
            raise InputError(f"There is no model {name!r:.80} here.")
        return self._newest(name)

    def close(self) -> None:
        """End what runs, see `Runner.close`."""
        for runner in (self.first, *(runner for _, runner in self._loaded.values())):
            runner.close()

    def _newest(self, name: str) -> Runner:
        path = self.folder / name
        if problem := _problem(path):
            raise UserError(f"{name} cannot be used. {problem}")
        with self._lock:
            stamp = _stamp(path)
            known, runner = self._loaded.pop(name, (None, None))
            if known != stamp:
                runner = self.load(path, name)
            self._loaded[name] = stamp, runner
            for oldest in list(self._loaded)[:-MAX_LOADED]:
                del self._loaded[oldest]
        return runner


def _problem(path: Path) -> str:
    missing = [name for name in FILES if not (path / name).is_file()]
    return f"{missing[0]} is missing. Maybe its training has not ended." if missing else ""


def _folders(folder: Path) -> list[Path]:
    """Its sub-folders, by name; but not those whose name cannot stand in an address."""
    try:
        paths = [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
    return sorted(path for path in paths if path.name.isprintable() and path.name[0] != ".")


def _has_files(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in FILES)  # no error where it is not ours


def _stamp(folder: Path) -> tuple:
    """What changes when a file is replaced."""
    stats = [(folder / name).stat() for name in FILES]
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)
