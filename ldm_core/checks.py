"""Errors that a person can act on, and the checks of values that raise them."""

import reprlib
from collections.abc import Collection
from typing import Any


class UserError(Exception):
    """An error that its message explains. Command lines and the page show the message; every other
    error is a fault of the program, and keeps its traceback."""


class InputError(UserError, ValueError):
    """What was given cannot be used; the message says what was wrong and what is allowed."""


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise InputError unless value is a real number (no bool, no NaN) in [low, high]."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # false for NaN too
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, not {shown(value)}.")


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raise InputError unless value is an int (no bool) in [low, high]."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {shown(value)}.")


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raise InputError unless value is one of the strings in choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {shown(value)}.")


def shown(value: Any) -> str:
    """A value as an error message shows it: short, whatever it is."""
    return "empty" if value is None else reprlib.repr(value)
