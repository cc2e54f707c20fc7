"""Files that are whole or absent."""

import glob
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONG = 32  # bytes of a name; a longer one is replaced by a hash of it


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends without an error.

    Whatever else ends the block (an error, Ctrl-C) removes what it wrote. Missing folders are made.
    The file beside has the same ending, for writers that go by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{_short_stem(path)}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("r+b") as file:  # on the disk before the name points at it
            os.fsync(file.fileno())  # Windows wants a file that is open for writing
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(path: str | Path) -> None:
    """Remove what processes that were killed had begun to write beside `path`."""
    path = Path(path)
    stem, suffix = glob.escape(_short_stem(path)), glob.escape(path.suffix)
    for partial in path.parent.glob(f".{stem}.*.partial{suffix}"):
        partial.unlink(missing_ok=True)


def _short_stem(path: Path) -> str:
    """A name without its ending, short enough that a name made of it is allowed wherever the name
    itself is: file systems allow 255 bytes."""
    name = os.fsencode(path.stem)
    return path.stem if len(name) <= LONG else hashlib.sha256(name).hexdigest()[:LONG]
