"""Errors that a person can act on, and the checks of values that raise them."""

import reprlib
from collections.abc import Collection
from typing import Any


class UserError(Exception):
    """An error that its message explains. Command lines and the page show the message; every other
    error is a fault of the program, and keeps its traceback."""


class InputError(UserError, ValueError):
    """What was given cannot be used; the message says what was wrong and what is allowed."""


def check_number(name: str, value: Any, low: float, high: float) -> int | float:
    """value as a number of Python's own; raises InputError unless it is a real number in
    [low, high]: of Python, NumPy or PyTorch, but no bool and no NaN."""
    number = _number(value)
    if number is None or not low <= number <= high:  # false for NaN too
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, not {shown(value)}.")
    return number


def check_whole(name: str, value: Any, low: int, high: int) -> int:
    """value as an int; raises InputError unless it is a whole number in [low, high]: of Python,
    NumPy or PyTorch, but no bool and no float."""
    number = _number(value)
    if not isinstance(number, int) or not low <= number <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {shown(value)}.")
    return number


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """value; raises InputError unless it is one of the strings in choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {shown(value)}.")
    return value


def shown(value: Any) -> str:
    """A value as an error message shows it: short, whatever it is."""
    return "empty" if value is None else reprlib.repr(value)


def _number(value: Any) -> int | float | None:
    """A number of Python, NumPy or PyTorch as Python's own; None for all else, bools among it."""
    if getattr(value, "ndim", None) == 0:  # a scalar of NumPy or PyTorch
        value = value.item()
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number else None
