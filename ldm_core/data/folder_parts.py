"""Tells classes from parts: is `test` what to test with, or something to draw?

Three layouts are known: `CLASS`, `train/CLASS` with `test/CLASS` (or `val/CLASS`), and
`CLASS/train` with `CLASS/test`. What is neither of them is refused rather than guessed.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..checks import InputError
from .file_kinds import printable
from .folder_walk import Walk, listed

TRAIN, TEST, VALIDATION = "training", "testing", "validation"
PART_OF = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("test", "testing", "testset"), TEST),
    **dict.fromkeys(("val", "valid", "validation", "valset", "dev", "eval"), VALIDATION),
}


class Source(NamedTuple):
    """A folder of pictures of one class; part None: some of them are kept for testing."""

    path: Path
    name: str
    part: str | None


class Inside(NamedTuple):
    """What is directly in a folder."""

    folders: list[Path]
    files: list[str]


def sources_in(tops: Sequence[Path], walk: Walk) -> tuple[list[Source], list[str]]:
    """The sources of pictures in the folders at the top, and what to say of the layout."""
    inside = {top: look_into(top) for top in tops}
    parts = {top: part for top in tops if (part := part_named(top.name))}
    divided = len(set(parts.values())) > 1 and TRAIN in parts.values()
    if divided and all(inside[top].folders for top in parts):
        return parts_first(tops, parts, walk)
    if len(tops) > 1 and all(top.name.lower() in PART_OF for top in tops):
        raise InputError(
            f"{printable(walk.root)} holds {listed(top.name for top in tops)}, which look like "
            "parts of a data set, but not `train` and `test` with a folder for each class in both: "
            "make these, or give the folders other names if they are the classes."
        )
    within = {top: parts_within(inside[top].folders) for top in tops}
    if any(within.values()):
        return classes_first(within, inside, walk)
    return [Source(top, top.name, None) for top in tops], []


def parts_first(
    tops: Sequence[Path], parts: dict[Path, str], walk: Walk
) -> tuple[list[Source], list[str]]:
    """`train/CLASS`, `test/CLASS`."""
    root = printable(walk.root)
    for top in tops:
        if top in parts:
            continue
        if Walk(walk.root).files_below([top])[top]:
            raise InputError(
                f"{root} holds {listed(t.name for t in parts)} and also {printable(top.name)}: "
                "move away what is for neither training nor testing."
            )
        walk.empty.append(walk.name(top))
    by_part: dict[str, Path] = {}
    for top, part in parts.items():
        if part in by_part:
            raise InputError(
                f"{root} holds {listed([by_part[part].name, top.name])}, which are both for "
                f"{part}: keep one of them."
            )
        by_part[part] = top
    used = {by_part[TRAIN]: TRAIN, by_part.get(TEST) or by_part[VALIDATION]: TEST}
    sources = [
        Source(path, path.name, part) for top, part in used.items() for path in walk.folders_in(top)
    ]
    names = [printable(top.name) for top in used]
    notes = [f"The folder {names[0]} is for training and {names[1]} for testing."]
    notes += [f"The folder {printable(t.name)} is not used." for t in parts if t not in used]
    return sources, notes


def classes_first(
    within: dict[Path, dict[str, Path]], inside: dict[Path, Inside], walk: Walk
) -> tuple[list[Source], list[str]]:
    """`CLASS/train`, `CLASS/test`."""
    sources, unused = [], []
    for top, parts in within.items():
        folders, files = inside[top]
        if not parts and not folders and not files:
            sources.append(Source(top, top.name, TRAIN))  # left empty, as others may be
        elif len(parts) < max(2, len(folders)) or files:
            raise InputError(
                f"{printable(top)} is not divided into the folders `train` and `test`, as other "
                "classes are, or holds something beside them: divide all classes, or none."
            )
        else:
            test = TEST if TEST in parts else VALIDATION
            sources += [Source(parts[TRAIN], top.name, TRAIN), Source(parts[test], top.name, TEST)]
            unused += [walk.name(path) for part, path in parts.items() if part not in (TRAIN, test)]
    notes = ["The folders in those of the classes say what is for training and what for testing."]
    return sources, notes + ([f"Not used: {listed(unused)}."] if unused else [])


def look_into(folder: Path) -> Inside:
    peek = Walk(folder)  # of its own, so that nothing is counted twice
    folders = peek.folders_in(folder)
    return Inside(folders, peek.loose.get(folder, []))


def parts_within(folders: Iterable[Path]) -> dict[str, Path]:
    """The parts among a class's folders; {} unless there are one for training and another."""
    found = {PART_OF[p.name.lower()]: p for p in folders if p.name.lower() in PART_OF}
    return found if TRAIN in found and len(found) > 1 else {}


def part_named(name: str) -> str | None:
    """What a folder is for by its name, in which that may be one word: `training_set`."""
    parts = {PART_OF[word] for word in re.split(r"[\W\d_]+", name.lower()) if word in PART_OF}
    return parts.pop() if len(parts) == 1 else None
