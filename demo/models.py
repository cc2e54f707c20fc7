"""A folder of several models: which there are, and which of them can be used."""

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from ldm_core import LatentDiffusion, UserError

FILES = ("vae.safetensors", "unet.safetensors")
FAULT = "It cannot be loaded. The server's log says why."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """A model in the folder. stamp: changes with its files. problem: why it cannot be used."""

    name: str
    folder: Path
    stamp: tuple
    problem: str = ""


def holds_several(folder: str | Path) -> bool:
    """Whether models lie in sub-folders of this one, and no files of a model in itself."""
    return not _has_files(Path(folder)) and any(_has_files(path) for path in _folders(folder))


class ModelFolder:
    """The models in the sub-folders of a folder, which may come and go at any time."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._known: dict[str, Found] = {}
        self._lock = threading.Lock()  # so that no model is looked at twice at the same time

    def look(self) -> list[Found]:
        """All models that there are now, by name. One is loaded to see whether it can be, unless it
        was already and is the same still."""
        with self._lock:
            there = [self._looked_at(path) for path in _folders(self.folder) if _has_files(path)]
            self._known = {model.name: model for model in there}
        return there

    def find(self, name: str) -> Found | None:
        return next((model for model in self.look() if model.name == name), None)

    def first(self) -> Found:
        """The first by name that can be used. Raises UserError if there is none."""
        there = self.look()
        for model in there:
            if not model.problem:
                return model
        reasons = " ".join(f"{model.name}: {model.problem}" for model in there)
        raise UserError(f"No model in {self.folder} can be used. {reasons}")

    def _looked_at(self, path: Path) -> Found:
        stamp = _stamp(path)
        known = self._known.get(path.name)
        return known if known and known.stamp == stamp else self._tried(path, stamp)

    def _tried(self, path: Path, stamp: tuple) -> Found:
        missing = [name for name in FILES if not os.path.isfile(path / name)]
        if missing:
            problem = f"{missing[0]} is missing. Maybe its training has not ended."
        else:
            problem = _problem(path)
        return Found(path.name, path, stamp, problem)


def _problem(path: Path) -> str:
    try:
        LatentDiffusion.load(path, "cpu", "torch")
    except (UserError, OSError) as error:
        return str(error).replace(f"{path}{os.sep}", "")  # visitors need not know where it lies
    except Exception:  # one model, whatever is wrong with it, must not keep others from the menu
        log.exception("%s cannot be loaded", path)
        return FAULT
    return ""


def _folders(folder: str | Path) -> list[Path]:
    """Its sub-folders, by name; but not those whose name cannot stand in an address."""
    try:
        paths = [path for path in Path(folder).iterdir() if os.path.isdir(path)]
    except OSError:
        return []
    return sorted(path for path in paths if path.name.isprintable() and path.name[0] != ".")


def _has_files(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in FILES)  # no error where it is not ours


def _stamp(folder: Path) -> tuple:
    """What changes when a file is replaced."""
    stamp = []
    for name in FILES:
        try:
            stat = (folder / name).stat()
            stamp.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            stamp.append(None)
    return tuple(stamp)
