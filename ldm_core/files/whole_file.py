"""Files that are whole or absent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends without an error.

    Whatever else ends the block (an error, Ctrl-C) removes what it wrote. Missing folders are made.
    The file beside has the same ending, for writers that go by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:  # on the disk before the name points at it
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(path: str | Path) -> None:
    """Remove what processes that were killed had begun to write beside `path`."""
    path = Path(path)
    for partial in path.parent.glob(f".{path.stem}.*.partial{path.suffix}"):
        partial.unlink(missing_ok=True)
