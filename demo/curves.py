"""A curve as a drawing in SVG: no library, and its colours follow the page."""

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 40  # what is left around the curve, for the numbers
MANY_TIMES = 20  # a curve that falls to less than this part of its highest value: powers of ten


def curve(points: Sequence[tuple[float, float]], says: str) -> str:
    """An SVG of (step, loss), at least one of them. says: for those who cannot see it. A loss that
    falls far has a scale of powers of ten."""
    losses = [loss for _, loss in points]
    low, high = min(losses), max(losses)
    far = 0 < MANY_TIMES * low < high
    ticks = _powers(low, high) if far else _even(low, high)
    scale = math.log10 if far else float
    bottom, top = scale(min(ticks)), scale(max(ticks))
    last = max(step for step, _ in points) or 1

    def at(step: float, loss: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        y = TOP + (HEIGHT - TOP - BOTTOM) * (top - scale(loss)) / (top - bottom)
        return round(x, 1), round(y, 1)

    lines = []
    for tick in ticks:
        x, y = at(0, tick)
        lines.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        lines.append(f'<text x="{x - 8}" y="{y + 5}" text-anchor="end">{tick:g}</text>')
    below = HEIGHT - BOTTOM + 20
    for step in _even(0, last):
        if step <= last:
            x, _ = at(step, losses[0])
            anchor = "end" if x > WIDTH - LEFT else "middle"
            lines.append(f'<text x="{x}" y="{below}" text-anchor="{anchor}">{step:,.0f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 2}" text-anchor="middle">steps</text>')
    path = " ".join(f"{x},{y}" for x, y in (at(*point) for point in points))
    return (
        f'<svg class="loss-curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(says)}">'
        f'{"".join(lines)}<polyline points="{path}"/></svg>'
    )


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten around low and high."""
    return [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def _even(low: float, high: float) -> list[float]:
    """Three to six round numbers in equal distances, around low and high."""
    span = (high - low) or abs(high) or 1.0
    unit = 10.0 ** math.floor(math.log10(span))
    each = next(unit * k for k in (0.2, 0.5, 1, 2, 5) if span / (unit * k) <= 4)
    first, last = math.floor(low / each), math.ceil(high / each)
    if first == last:
        first, last = first - 1, last + 1
    return [round(k * each, 10) for k in range(first, last + 1)]
