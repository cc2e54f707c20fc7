"""Find the class that a text names, by one rule for every entrance. The first line that fits wins:

1. The exact name of a class is that class, in any Unicode form; "*" is no label.
2. A name that differs only in case, white space, or the form of quotes and dashes is that class.
3. "any", in any case, is no label.
4. A number and a range, such as 3 and 0-4, mean names where names of classes are numbers, and
   otherwise count the classes from 0.

Everything else is refused. Classes whose names differ only in case need their exact names.
"""

import re
import unicodedata
from collections.abc import Sequence

from ..checks import InputError, brief
from ..config import NO_LABEL

ANY = "any"
NUMBER = r"[0-9]{1,9}"


def find_labels(text: str, class_names: Sequence[str]) -> list[int | None]:
    """The indices of the classes that a text names, one or a range; None stands for no label.

    Raises InputError, which names the classes.
    """
    text, class_names = written(text), list(map(written, class_names))
    if text == NO_LABEL:
        return [None]
    if text in class_names:
        return [class_names.index(text)]
    alike = [i for i, name in enumerate(class_names) if folded(name) == folded(text)]
    if len(alike) == 1:
        return alike
    if text.casefold() == ANY and not alike:
        return [None]
    if match := re.fullmatch(f"({NUMBER})(?:-({NUMBER}))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        if found := _numbered(first, last, class_names):
            return found
    raise InputError(f"label must be {_allowed(class_names)}, not {brief(text)}.")


def find_label(text: str, class_names: Sequence[str]) -> int | None:
    """The one class that a text names, None for no label; errors as for `find_labels`."""
    found = find_labels(text, class_names)
    if len(found) > 1:
        raise InputError(f"label must be one class, not the range {brief(text)}.")
    return found[0]


def label_text(label: int | None, class_names: Sequence[str]) -> str:
    """The text that `find_label` reads as this label; files and links store it."""
    if label is None:
        return NO_LABEL if ANY in map(str.casefold, class_names) else ANY
    return written(class_names[label])


def written(name: str) -> str:
    """A name as text that can be shown and sent, in Unicode form NFC. A folder's name may hold
    bytes that are no UTF-8."""
    return composed(name.encode(errors="backslashreplace").decode())


def composed(text: str) -> str:
    """Unicode form NFC: each accented letter is one character."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """The same for two texts that differ only in case, Unicode form, white space, and in what
    phones write by themselves (see `typed`)."""
    return composed(one_line(typed(text))).casefold()


def one_line(text: str) -> str:
    """Make any white space one space."""
    return re.sub(r"\s+", " ", text)


def typed(text: str) -> str:
    """Write curly quotes, dashes and full-width characters as a plain keyboard does. Each stays
    one character."""
    return text.translate(_TYPED)


_TYPED = {
    **dict.fromkeys(map(ord, "‘’‚‛"), "'"),
    **dict.fromkeys(map(ord, "“”„‟«»"), '"'),
    **dict.fromkeys(map(ord, "‐‑‒–—―"), "-"),
    **{0xFEE0 + code: chr(code) for code in range(ord("!"), ord("~") + 1)},  # full width
}


def _numbered(first: int, last: int, class_names: Sequence[str]) -> list[int]:
    """The classes from number first to number last; [] if this model lacks one of them."""
    numbers = [int(name) if re.fullmatch(NUMBER, name) else None for name in class_names]
    if all(number is None for number in numbers):
        return list(range(first, last + 1)) if first <= last < len(class_names) else []
    chosen = [i for i, n in enumerate(numbers) if n is not None and first <= n <= last]
    complete = sorted(numbers[i] for i in chosen) == list(range(first, last + 1))
    return sorted(chosen, key=lambda i: numbers[i]) if complete else []


def _allowed(class_names: Sequence[str]) -> str:
    last = len(class_names) - 1
    others = f"its number from 0 to {last}, a range such as 0-{last}"
    if any(re.fullmatch(NUMBER, name) for name in class_names):
        others = "a range of them"
    return f"a class ({', '.join(class_names)}), {others}, or {label_text(None, class_names)}"
