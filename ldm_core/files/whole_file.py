"""Files that are whole or absent."""

import glob
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONG = 32  # bytes of a name; a longer name is replaced by its hash


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends without an error.

    An error or Ctrl-C in the block removes the unfinished file. Missing folders are made. The path
    to write to has the same ending, because some writers choose the format by it.
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
    """Remove the unfinished files that killed processes left beside `path`."""
    path = Path(path)
    stem, suffix = glob.escape(_short_stem(path)), glob.escape(path.suffix)
    for partial in path.parent.glob(f".{stem}.*.partial{suffix}"):
        partial.unlink(missing_ok=True)


def _short_stem(path: Path) -> str:
    """A name without its ending; a hash if it is long, because file systems allow 255 bytes and the
    name of the unfinished file is longer than the name itself."""
    name = os.fsencode(path.stem)
    return path.stem if len(name) <= LONG else hashlib.sha256(name).hexdigest()[:LONG]
