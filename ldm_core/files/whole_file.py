"""Files that are whole or absent."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends without an error.

    An error or Ctrl-C in the block removes the unfinished file. Missing folders are made. The path
    to write to has the same ending, because some writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
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
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for partial in path.parent.glob(f".{stem}.*.partial{suffix}"):
        partial.unlink(missing_ok=True)
