"""An output folder that is whole or absent."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..checks import InputError


@contextmanager
def whole_folder(path: Path, *, may_replace: bool) -> Iterator[Path]:
    """Write into an empty folder beside `path`, which becomes `path` when the block ends without an
    error. An error or Ctrl-C removes what was written.

    If `path` is a folder already, its files stay, except that files of the same name are replaced.
    Raises InputError if it has files and `may_replace` is false.
    """
    path = path.resolve()
    if path.is_dir() and any(path.iterdir()) and not may_replace:
        raise InputError(
            f"{path} has files in it. Pass --force to replace those of the same name, or another "
            "--out."
        )
    # Not by tempfile, whose folders are for nobody else: others may have to read this one.
    beside = path.with_name(f".{path.name[:32]}.{os.getpid()}.partial.d")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
    beside.mkdir(parents=True)
    try:
        yield beside
        if path.exists():
            shutil.copytree(beside, path, dirs_exist_ok=True)
        else:
            beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
