"""Which files of a folder belong to which class, and which of them are for testing."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..checks import InputError
from .file_kinds import printable
from .folder_parts import TEST, TRAIN, Source, look_into, sources_in
from .folder_walk import Walk, identity

TEST_EVERY = 10  # every tenth picture of a class is for testing
NAME_BYTES = 100  # of a class: it stands in files' names, links and menus
REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # names that read otherwise


class Listing(NamedTuple):
    """files: (path, label, whether it is for testing), in order; skipped: (what and why, the
    same); notes: sentences about all of it."""

    files: list[tuple[Path, int, bool]]
    class_names: tuple[str, ...]
    skipped: list[tuple[str, bool]]
    notes: list[str]


def list_folder(folder: Path) -> Listing:
    """Every picture's file, its class and its part.

    Folders within class folders are searched too, linked ones among them; hidden files are not
    pictures. Raises InputError for what is not a folder of classes.
    """
    try:
        walk = Walk(folder)
        sources, notes = sources_in(walk.folders_in(folder), walk)
        check_different([source.path for source in sources])
        files = walk.files_below([source.path for source in sources])
    except OSError as error:
        raise InputError(f"{printable(folder)} cannot be read: {printable(error)}") from error
    sources = without_empty(sources, files, walk)
    check_same_classes(folder, sources, files)
    names = sorted({source.name for source in sources}, key=Path)
    check_names(folder, names, walk)
    placed = []
    for label, name in enumerate(names):
        for source in sources:
            if source.name == name:
                placed += [(path, label, test) for path, test in parted(source, files[source.path])]
    test_folders = {source.path for source in sources if source.part == TEST}
    skipped = [(text, not test_folders.isdisjoint(path.parents)) for path, text in walk.skipped]
    return Listing(placed, tuple(names), skipped, [*notes, *walk.notes(), *look_alikes(names)])


def parted(source: Source, files: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Each file of a source, with whether it is for testing."""
    if source.part is not None:
        return [(path, source.part == TEST) for path in files]
    check_count(source.path, len(files), "file")
    # The first of a class is a test picture, so that classes of two have one of each.
    return [(path, i % TEST_EVERY == 0) for i, path in enumerate(files)]


def without_empty(
    sources: Sequence[Source], files: dict[Path, list[Path]], walk: Walk
) -> list[Source]:
    """Without classes in whose folders there is nothing, if two others are left."""
    unread = {folder for path, _ in walk.skipped for folder in path.parents}
    filled = {s.name for s in sources if files[s.path] or s.path in unread}
    if len(filled) < 2:
        return list(sources)
    walk.empty += [walk.name(s.path) for s in sources if s.name not in filled]
    return [source for source in sources if source.name in filled]


def check_different(paths: Sequence[Path]) -> None:
    """Raise InputError where two folders are one, which a link makes."""
    seen: dict[tuple[int, int], Path] = {}
    for path in paths:
        other = seen.setdefault(identity(path), path)
        if other != path:
            raise InputError(
                f"{printable(other)} and {printable(path)} are one folder, by a link: remove one."
            )


def check_same_classes(
    folder: Path, sources: Sequence[Source], files: dict[Path, list[Path]]
) -> None:
    """Raise InputError where the parts of a data set have different classes."""
    train, test = (
        {s.name for s in sources if s.part == part and files[s.path]} for part in (TRAIN, TEST)
    )
    lacks = [
        f"there is nothing for {part} in {', '.join(map(ascii, sorted(missing)))}"
        for part, missing in ((TRAIN, test - train), (TEST, train - test))
        if missing
    ]
    if lacks and any(source.part for source in sources):
        raise InputError(
            f"The parts of {printable(folder)} hold different classes: {' and '.join(lacks)}. "
            "Give all parts the same folders."
        )


def check_names(folder: Path, names: Sequence[str], walk: Walk) -> None:
    """Raise InputError for fewer than two classes, and for names that cannot be used."""
    if len(names) < 2:
        found = f"only {printable(names[0])}" if names else "none"
        text = (
            f"{printable(folder)} must hold at least two folders of pictures, one for each class: "
            f"there is {found}."
        )
        if loose := walk.loose.get(folder):
            text += f" {len(loose)} files lie directly in it: give each class a folder of its own."
        if names and len(look_into(folder / names[0]).folders) > 1:
            text += f" If the classes are the folders in that, pass {printable(folder / names[0])}."
        raise InputError(text)
    for name in names:
        if problem := problem_of(name):
            shown = printable(name if len(name) <= NAME_BYTES else f"{name[:40]}...")
            raise InputError(
                f'The folder "{shown}" in {printable(folder)} would be the name of a class, but it '
                f"{problem}: rename it."
            )


def problem_of(name: str) -> str:
    """Why a class cannot be called so; "" if it can."""
    if any("\udc80" <= c <= "\udcff" for c in name):  # bytes as Python keeps them
        return "is not UTF-8"
    unprintable = {"Cc", "Cs", "Zl", "Zp"}
    if any(unicodedata.category(c) in unprintable or c in REORDERING for c in name):
        return "holds characters that cannot be printed"
    if not name.strip():
        return "is blank"
    size = len(os.fsencode(name))
    return f"has {size} bytes, of at most {NAME_BYTES}" if size > NAME_BYTES else ""


def check_count(path: Path, count: int, what: str) -> None:
    """Raise InputError where a class is too small to have one to learn from and one to test."""
    if count < 2:
        raise InputError(
            f"{printable(path)} needs at least two {what}s, one of them for testing, not {count}."
        )


def look_alikes(names: Sequence[str]) -> list[str]:
    """Names that a person takes for one are still different classes."""
    groups: dict[str, list[str]] = {}
    for name in names:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(key, []).append(name)
    return [
        f"{' and '.join(ascii(name) for name in group)} are different classes, though their names "
        "differ only in case, spaces or Unicode form."
        for group in groups.values()
        if len(group) > 1
    ]
