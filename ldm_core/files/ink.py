"""Find the ink of one digit on a drawing, scan or photograph, without whatever else is on it."""

from typing import NamedTuple

import numpy as np

from ..checks import InputError

FAINT = 0.2  # share of full ink below which a pixel is paper
MIN_CONTRAST = 24  # of 255, between ink and paper
FITS = 4  # of the paper, each without the pixels that stood out in the fit before
ROUNDS = 5  # of removing pieces at the border, which hide fainter ones
SOFT = 2  # pixels around a removed piece that are its blurred edge
SLIGHTLY = 0.25  # of its length: by less, a piece touches the border as the end of a stroke does
# Lengths are shares of the longer side of the largest piece, areas shares of its area.
SPECK = 0.04  # area of a piece that is no stroke
BLOT = 0.2  # area of a piece that may be left out if it is far away
TOUCHING = 0.03  # gap within a broken stroke
NEAR = 0.12  # gap between two strokes side by side, as in an open 4
FAR = 0.3  # gap between two strokes, one above the other, as in a 5
HIGH = 1.7  # times as high as wide: two digits, one above the other
LOW, TALL = 0.3, 0.75  # of the height of both: the shorter one is a bar, or as tall as a digit
SMALL = 0.15  # of the picture: shorter things beside something at the border are no digit
FLAT = 2  # times as wide as high: no digit, but the bar of a 5 whose rest touches the border
FULL_BOX = 0.78  # of a box that is filled: an area such as a sheet. At most 0.75 in MNIST
TURNS = np.radians(np.arange(0, 90, 5))  # in which boxes are tried

BLANK = "The picture is blank, or too faint: no digit stands out on it."
AT_BORDER = (
    "What stands out touches the border of the picture: leave some paper around the digit, or crop "
    "to it."
)
SEVERAL = (
    "More than one thing stands out on the picture, or a filled area: crop it to one digit that is "
    "drawn in lines."
)


class Ink(NamedTuple):
    """amount: of ink on each pixel, float (H, W) in [0, 1]. left_out: what is no part of the digit,
    in words; "" for nothing."""

    amount: np.ndarray
    left_out: str


def ink_of(grey: np.ndarray) -> Ink:
    """Find the ink of a digit in greys uint8 (H, W), which is either darker or lighter than paper.

    Pieces at the border are left out, and pieces that are small, or far from the largest.
    Raises InputError where nothing stands out, or more than one thing.
    """
    apart = _without_paper(grey.astype(float))
    noise = _deviation(apart)
    sign = 1 if (apart**3).sum() > 0 else -1
    try:
        return _digit(sign * apart, noise)
    except InputError as error:
        if str(error) != AT_BORDER:
            raise
        try:  # perhaps the table was lighter than the paper, and the digit is darker
            return _digit(-sign * apart, noise)
        except InputError:
            raise error from None


def _without_paper(grey: np.ndarray) -> np.ndarray:
    """Subtract the paper, a plane of greys, because light falls on it from one side. The plane is
    fitted to the pixels near it, several times."""
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    plane = np.stack([np.ones(grey.size), x.ravel(), y.ravel()], axis=1)
    flat = grey.ravel()
    apart = flat - np.median(flat)
    for _ in range(FITS):
        paper = np.abs(apart) <= 3 * _deviation(apart)
        apart = flat - plane @ np.linalg.lstsq(plane[paper], flat[paper], rcond=None)[0]
    return apart.reshape(grey.shape)


def _deviation(apart: np.ndarray) -> float:
    """The standard deviation of the paper's noise, from the median; at least half a grey, because
    drawings have no noise."""
    return max(1.4826 * float(np.median(np.abs(apart))), 0.5)


def _digit(apart: np.ndarray, noise: float) -> Ink:
    """The ink that is above the paper."""
    at_border = np.zeros(apart.shape, bool)
    for _ in range(ROUNDS):
        faint, full = _levels(apart, noise)
        if full < max(MIN_CONTRAST, 2 * faint):
            raise InputError(AT_BORDER if at_border.any() else BLANK)
        pieces = _pieces(apart > faint)
        outer = [piece for piece in pieces if _lies_at_border(piece, apart.shape)]
        if not outer:
            break
        removed = _mask(outer, apart.shape)
        at_border |= removed
        apart = np.where(_grown(removed, SOFT), 0, apart)
    else:
        raise InputError(AT_BORDER)
    kept, n_specks = _strokes(pieces, apart.shape)
    width, height = _box(kept)
    side = max(width, height)
    if at_border.any() and (side < SMALL * max(apart.shape) or width > FLAT * height):
        raise InputError(AT_BORDER)
    if (_grown(kept, round(NEAR * side)) & at_border).any() or _fullness(kept) > FULL_BOX:
        raise InputError(SEVERAL)
    if at_border.any() or n_specks:
        apart = np.where(_grown(kept, SOFT), apart, 0)
        faint, full = _levels(apart, noise)
    left_out = ["what lies at the border"] if at_border.any() else []
    left_out += [f"{n_specks} small mark{'s'[: n_specks > 1]}"] if n_specks else []
    return Ink(((apart - faint) / (full - faint)).clip(0, 1), " and ".join(left_out))


def _levels(apart: np.ndarray, noise: float) -> tuple[float, float]:
    """The levels at which ink begins, and is full."""
    full = float(np.percentile(apart[apart >= apart.max() / 2], 75))
    return max(FAINT * full, 4 * noise), full


def _strokes(pieces: list[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """The pieces that make one digit, as a mask (H, W), and how many were left out. Raises
    InputError where there are several digits."""
    pieces = sorted(pieces, key=len, reverse=True)
    size, kept = len(pieces[0]), _mask(pieces[:1], shape)
    side, rest = max(_box(kept)), pieces[1:]
    while rest:
        rest, before = [], rest
        reach = [_grown(kept, round(share * side)).ravel() for share in (TOUCHING, NEAR, FAR)]
        for piece in before:
            touches, is_near, is_in_reach = (bool(mask[piece].any()) for mask in reach)
            is_large = len(piece) >= (SPECK if is_in_reach else BLOT) * size
            together = _is_one_digit(kept, _mask([piece], shape), is_near) if is_large else False
            if touches or (is_in_reach and together):
                kept |= _mask([piece], shape)
            else:
                rest.append(piece)
        if len(rest) == len(before):
            break
    reach = _grown(kept, round(FAR * side)).ravel()
    if any(len(p) >= (SPECK if reach[p].any() else BLOT) * size for p in rest):
        raise InputError(SEVERAL)
    return kept, len(rest)


def _is_one_digit(one: np.ndarray, other: np.ndarray, is_near: bool) -> bool:
    """Whether two strokes can be of one digit, by their boxes."""
    width, height = _box(one | other)
    (w, h), (v, k) = _box(one), _box(other)
    shorter = min(h, k) / height
    if w + v - width >= min(w, v) / 2:  # one above the other: the bar of a 5, or a broken 7
        return shorter < LOW or height <= HIGH * width
    return is_near and LOW < shorter < TALL  # an open 4: of two digits, both are tall


def _box(mask: np.ndarray) -> tuple[int, int]:
    """(width, height) of the box around a mask."""
    return tuple(int(np.ptp(np.flatnonzero(mask.any(axis=axis)))) + 1 for axis in (0, 1))


def _fullness(mask: np.ndarray) -> float:
    """The share that a mask fills of a box around it, turned so that it fills most of it. Narrow
    boxes do not count: a 1 fills its own."""
    y, x = np.nonzero(mask)
    best = 0.0
    for turn in TURNS:
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        short, long = sorted((np.ptp(u) + 1, np.ptp(v) + 1))
        if short >= long / 2:
            best = max(best, len(x) / (short * long))
    return best


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    """The connected pieces of a mask, each as indices of the flat picture; pixels that meet at a
    corner are connected."""
    width = mask.shape[1] + 2  # with a margin, so that no neighbour is on the next row
    steps = [dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    left, found = set(np.flatnonzero(np.pad(mask, 1)).tolist()), []
    while left:
        piece = [left.pop()]
        for at in piece:  # it grows as it is read
            new = left.intersection([at + step for step in steps])
            left -= new
            piece += new
        y, x = np.divmod(np.array(piece), width)
        found.append((y - 1) * mask.shape[1] + x - 1)
    return found


def _lies_at_border(piece: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether a piece touches the border as a table or a line does: at two sides, or at one by more
    than the end of a stroke."""
    y, x = np.divmod(piece, shape[1])
    ends = (y == 0, y == shape[0] - 1, x == 0, x == shape[1] - 1)
    touching = [count for count in map(np.count_nonzero, ends) if count]
    length = max(np.ptp(y), np.ptp(x)) + 1
    return len(touching) > 1 or sum(touching) > SLIGHTLY * length


def _mask(pieces: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for piece in pieces:
        mask.flat[piece] = True
    return mask


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """All pixels within a distance of a mask, along each axis."""
    for axis in (0, 1):
        ends = [(by + 1, by) if axis == a else (0, 0) for a in (0, 1)]
        count = np.pad(mask, ends).cumsum(axis=axis)
        n = mask.shape[axis]
        mask = np.take(count, range(2 * by + 1, 2 * by + 1 + n), axis) > np.take(
            count, range(n), axis
        )
    return mask
