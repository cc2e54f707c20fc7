"""Walks through folders of pictures, and keeps account of what it passes over."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .file_kinds import printable

LEFTOVERS = {  # of unpacking, of file managers and of other tools, in lower case
    *("__macosx", "@eadir", "__pycache__", "lost+found", "$recycle.bin", "icon\r"),
    *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
}
SHOWN = 5


class Walk:
    """One reading of a folder: what is there, and what is not read for which reason."""

    def __init__(self, root: Path):
        self.root = root
        self.skipped: list[tuple[Path, str]] = []  # what should have been a picture
        self.passed: list[str] = []  # what tools leave behind
        self.empty: list[str] = []  # folders that could be classes, and hold nothing
        self.again: list[str] = []  # links to what is read already
        self.loose: dict[Path, list[str]] = {}  # files where only folders belong
        self._links: set[Path] = set()

    def name(self, path: Path) -> str:
        return printable(path.relative_to(self.root))

    def folders_in(self, folder: Path) -> list[Path]:
        """The folders directly in it, sorted; files there belong to nothing."""
        folders, files = self._look(folder)
        if files:
            self.loose[folder] = [path.name for path in files]
        return folders

    def files_below(self, tops: Sequence[Path]) -> dict[Path, list[Path]]:
        """All files below each of the folders, sorted."""
        seen = {identity(self.root), *map(identity, tops)}
        found: dict[Path, list[Path]] = {top: [] for top in tops}
        linked: list[tuple[Path, Path]] = []
        for top in found:
            self._descend(top, top, seen, found, linked)
        # What is linked comes last: a link to a folder that is read anyway adds nothing.
        while linked:
            top, path = linked.pop(0)
            if identity(path) in seen:
                self.again.append(self.name(path))
            else:
                self._descend(top, path, seen, found, linked)
        return {top: self._once(sorted(paths)) for top, paths in found.items()}

    def _descend(self, top: Path, start: Path, seen: set, found: dict, linked: list) -> None:
        to_read = [start]
        while to_read:
            here = to_read.pop()
            seen.add(identity(here))
            folders, files = self._look(here)
            found[top] += files
            for path in folders:
                if path in self._links:
                    linked.append((top, path))
                else:
                    to_read.append(path)

    def _look(self, folder: Path) -> tuple[list[Path], list[Path]]:
        folders, files = [], []
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                is_link = entry.is_symlink()
                # os.path, unlike the entry, answers False for links in a circle.
                is_folder = os.path.isdir(path) if is_link else entry.is_dir()
                if is_link:
                    self._links.add(path)
                if entry.name.startswith(".") or entry.name.lower() in LEFTOVERS:
                    self.passed += [self.name(path)] if is_folder else []
                elif is_folder:
                    folders.append(path)
                elif os.path.isfile(path) if is_link else entry.is_file():
                    files.append(path)
                else:
                    what = "a broken link" if is_link else "no ordinary file"
                    self.skipped.append((path, f"{self.name(path)} ({what})"))
        return sorted(folders), sorted(files)

    def _once(self, paths: list[Path]) -> list[Path]:
        """Without links to files that are there themselves."""
        links = [path for path in paths if path in self._links]
        if not links:
            return paths
        seen = {os.path.realpath(path) for path in paths if path not in self._links}
        twice = set()
        for path in links:
            target = os.path.realpath(path)
            if target in seen:
                twice.add(path)
                self.again.append(self.name(path))
            seen.add(target)
        return [path for path in paths if path not in twice]

    def notes(self) -> list[str]:
        """What is passed over, in sentences."""
        notes = [
            f"{len(names)} {'file lies' if len(names) == 1 else 'files lie'} directly in "
            f"{printable(folder)}, in the folder of no class, and are passed over: {listed(names)}."
            for folder, names in self.loose.items()
        ]
        for why, names in (
            ("nothing is in it", self.empty),
            ("tools made it and no class is in it", self.passed),
            ("it links to what is read already", self.again),
        ):
            notes += [f"Passed over, since {why}: {listed(names)}."] if names else []
        return notes


def listed(names: Iterable[str]) -> str:
    """The first of many."""
    names = [printable(name) for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def identity(path: Path) -> tuple[int, int]:
    """The same for a folder and for links to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
