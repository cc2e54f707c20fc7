"""Errors that a person can act on, and the checks of values that raise them."""

import importlib.util
import reprlib
from collections.abc import Collection
from typing import Any


class UserError(Exception):
    """An error whose message tells the user what to do. Command lines and the page show the
    message; every other error is a fault of the program, and keeps its traceback."""


class InputError(UserError, ValueError):
    """A value that cannot be used; the message says what was wrong and what is allowed."""


def check_number(name: str, value: Any, low: float, high: float) -> int | float:
    """Return value as a Python number; raises InputError unless it is a number in [low, high].

    It may come from Python, NumPy or PyTorch; bool and NaN are refused.
    """
    number = _number(value)
    if number is None or not low <= number <= high:  # false for NaN too
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, not {brief(value)}.")
    return number


def check_float(name: str, value: Any, low: float, high: float) -> float:
    """`check_number` as a float: 3 becomes 3.0, as command lines read it, or files would differ."""
    return float(check_number(name, value, low, high))


def check_whole(name: str, value: Any, low: int, high: int) -> int:
    """Return value as an int; raises InputError unless it is a whole number in [low, high].

    It may come from Python, NumPy or PyTorch; bool and float are refused.
    """
    number = _number(value)
    if not isinstance(number, int) or not low <= number <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {brief(value)}.")
    return number


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return value; raises InputError unless it is one of the strings in choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, not {brief(value)}.")
    return value


def check_text(name: str, value: Any) -> str:
    """Return value; raises InputError unless it is a string."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {brief(value)}.")
    return value


def check_bool(name: str, value: Any) -> bool:
    """Return value; raises InputError unless it is True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {brief(value)}.")
    return value


def check_installed(package: str, why: str) -> None:
    """Raise InputError unless a package is installed that only some of us need."""
    if importlib.util.find_spec(package) is None:
        raise InputError(f"{why} needs one more package: pip install {package}")


def brief(value: Any) -> str:
    """A value as an error message quotes it, shortened."""
    return "empty" if value is None else reprlib.repr(value)


def _number(value: Any) -> int | float | None:
    """A number of Python, NumPy or PyTorch as a Python number; None for all else, bools too."""
    if getattr(value, "ndim", None) == 0:  # a scalar of NumPy or PyTorch
        value = value.item()
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number else None
