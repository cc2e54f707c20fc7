"""Figures of a report, and how its tables show them."""

from collections.abc import Sequence

from torch import Tensor


def share(right: Tensor) -> float | None:
    """The share of true values among bool (N,); None of no values."""
    return right.double().mean().item() if len(right) else None


def shown(value: float | None, digits: int = 4) -> str:
    """A figure as a table shows it; a dash where there is nothing to tell."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, after an empty one."""
    lines = [head, ["---"] * len(head), *rows]
    return ["", *("|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines)]
