"""What is black and what is white in pictures deeper than 8 bits.

Their files say how many bits a number takes, and seldom how many of these are used: 12 bits of a
camera lie in 16, a mask of 0 and 1 in 32. So the data set as a whole decides, never a single
picture: a dim picture stays dim.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..checks import InputError
from .file_kinds import printable

DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # bits that pictures are made with


class Values(NamedTuple):
    """The numbers of a picture, and what its file says of them."""

    array: np.ndarray | None  # (H, W)
    kind: str  # pictures of one kind have one range
    top: int | None  # the highest number that the file could hold; None for floating-point ones
    lowest: float = 0.0
    highest: float = 0.0
    fixed: bool = False  # the file says that 0 to top is the range
    claim: tuple[float, float] | None = None  # a range noted in the file; many of these are wrong
    cut: bool = False  # numbers were cut to a byte, which is right if top is the highest in use
    white_is_zero: bool = False
    alpha: np.ndarray | None = None


class Ranges:
    """The ranges of the kinds of pictures in a data set, found when the first deep one is met."""

    def __init__(self, paths: Sequence[Path], read_values: Callable[[Path], Values | None]):
        self.paths, self.read_values = paths, read_values
        self.notes: list[str] = []
        self._found: dict[str, tuple[float, float]] | None = None

    def of(self, values: Values) -> tuple[float, float]:
        """The values of black and white; raises InputError where that stays unclear."""
        if values.fixed:
            return 0, values.top
        if self._found is None:
            self._found = self._survey()
        return self._found[values.kind]

    def _survey(self) -> dict[str, tuple[float, float]]:
        seen: dict[str, list[tuple[Path, Values]]] = {}
        for path in tqdm(self.paths, "reading ranges", unit="file", disable=None, delay=2):
            try:
                values = self.read_values(path)
            except Exception:  # named where all are read
                continue
            if values is not None and not values.fixed:
                light = values._replace(array=None, alpha=None)
                seen.setdefault(values.kind, []).append((path, light))
        found = {}
        for kind, members in seen.items():
            # What is furthest out: one damaged picture of many is then the one that is named.
            low = min(members, key=lambda member: member[1].lowest)
            far = low if low[1].lowest < 0 else max(members, key=lambda member: member[1].highest)
            found[kind], note = range_of([values for _, values in members], printable(far[0]))
            self.notes += [note] if note else []
        return found


def range_of(members: Sequence[Values], example: str) -> tuple[tuple[float, float], str]:
    """The range of all pictures of a kind, and what was assumed ("" for nothing).

    Raises InputError, which names the example, where nothing can be assumed.
    """
    lowest, highest = min(v.lowest for v in members), max(v.highest for v in members)
    top, cut = members[0].top, members[0].cut
    held = f"values from {lowest:g} to {highest:g}"
    about = f"{len(members)} {members[0].kind} hold {held}"
    claims = {v.claim for v in members}
    claim = claims.pop() if len(claims) == 1 else None
    if claim and claim[0] <= lowest and highest <= claim[1] and claim[0] < claim[1]:
        return claim, f"{about}: the files say that black is {claim[0]:g} and white {claim[1]:g}."
    found = usual_range(lowest, highest, top)
    if found and found[1] == top:
        return found, ""
    if found is None or cut:
        white = "black is 0 and white is 1" if top is None else f"white is {top}"
        raise InputError(
            f"It is unclear which value is white in {example} and its like "
            f"({len(members)} {members[0].kind}, {held}): save them with 8 bits, or so "
            f"that {white}."
        )
    return found, f"{about}: it is assumed that black is {found[0]:g} and white {found[1]:g}."


def usual_range(
    lowest: float, highest: float, top: int | None = None
) -> tuple[float, float] | None:
    """The smallest range in use, up to top, that holds all values; None where they fill less than
    a quarter of it, or fit none."""
    if lowest < 0:
        fits = -1 <= lowest <= -0.25 and 0.25 <= highest <= 1
        return (-1, 1) if fits and top is None else None
    tops = [1, *(2**bits - 1 for bits in DEPTHS)]
    if top is not None:
        tops = [t for t in tops if t < top] + [top]
    white = next((t for t in tops if highest <= t), None)
    return (0, white) if white is not None and highest >= white / 4 else None
