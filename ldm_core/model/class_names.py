"""From what people write to what a model is asked: the one rule for all entrances.

1. The exact name of a class is that class.
2. "*" is no label. So is "any", in letters of either case, where no class is called so.
3. A name that differs from the text only in case or in Unicode form is that class, if no other
   name does so too.
4. A number and a range, such as 3 and 0-4, mean names where names of classes are numbers, and
   otherwise count the classes from 0.

Everything else is refused, and so is what could mean two things.
"""

import re
import unicodedata
from collections.abc import Sequence

from ..checks import InputError, shown
from ..config import NO_LABEL

ANY = "any"
NUMBER = r"[0-9]{1,9}"


def find_labels(text: str, class_names: Sequence[str]) -> list[int | None]:
    """The indices of the classes that a text asks for, one or a range; None stands for no label.

    Raises InputError naming the classes, or saying between what the text does not decide.
    """
    text, class_names = written(text), list(map(written, class_names))
    if text == NO_LABEL:
        return [None]
    if text in class_names:
        return [class_names.index(text)]
    alike = _alike(text, class_names)
    if text.casefold() == ANY:
        if alike:
            name = class_names[alike[0]]
            raise InputError(f"label {shown(text)} may be {name} or no label: write {name} or *.")
        return [None]
    if alike:
        return alike
    if match := re.fullmatch(f"({NUMBER})(?:-({NUMBER}))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        found = _numbered(first, last, class_names)
        if found:
            return found
    raise InputError(f"label must be {_allowed(class_names)}, not {shown(text)}.")


def find_label(text: str, class_names: Sequence[str]) -> int | None:
    """The one class that a text asks for, None for no label; errors as for `find_labels`."""
    found = find_labels(text, class_names)
    if len(found) > 1:
        raise InputError(f"label must be one class, not the range {shown(text)}.")
    return found[0]


def label_text(label: int | None, class_names: Sequence[str]) -> str:
    """The text for which `find_label` gives this label: what files and links store."""
    if label is None:
        return NO_LABEL if ANY in map(str.casefold, class_names) else ANY
    return written(class_names[label])


def written(name: str) -> str:
    """A name as text that can be shown and sent: a folder may have one that is no text."""
    return name.encode(errors="backslashreplace").decode()


def _alike(text: str, class_names: Sequence[str]) -> list[int]:
    """The class whose name differs in Unicode form only, else in case too."""
    for form in (lambda t: unicodedata.normalize("NFC", t), folded):
        found = [i for i, name in enumerate(class_names) if form(name) == form(text)]
        if len(found) > 1:
            names = " or ".join(class_names[i] for i in found)
            raise InputError(f"label {shown(text)} may be {names}: write the name exactly so.")
        if found:
            return found
    return []


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _numbered(first: int, last: int, class_names: Sequence[str]) -> list[int]:
    """The classes from number first to number last; none where that is no range of this model."""
    numbers = [int(name) if re.fullmatch(NUMBER, name) else None for name in class_names]
    if all(number is None for number in numbers):
        return list(range(first, last + 1)) if first <= last < len(class_names) else []
    chosen = [i for i, n in enumerate(numbers) if n is not None and first <= n <= last]
    complete = sorted(numbers[i] for i in chosen) == list(range(first, last + 1))
    return sorted(chosen, key=lambda i: numbers[i]) if complete else []


def _allowed(class_names: Sequence[str]) -> str:
    last = len(class_names) - 1
    names = f"a class ({', '.join(class_names)})"
    if any(re.fullmatch(NUMBER, name) for name in class_names):
        return f"{names}, a range of them, or {label_text(None, class_names)}"
    ranges = f"its number from 0 to {last}, a range such as 0-{last}"
    return f"{names}, {ranges}, or {label_text(None, class_names)}"
