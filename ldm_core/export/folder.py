"""An output folder that is whole or absent."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..checks import InputError


@contextmanager
def whole_folder(path: Path, *, may_replace: bool) -> Iterator[Path]:
    """An empty folder beside `path` to write to; its files come to `path` when the block ends
    without an error.

    Whatever else ends the block removes what it wrote. Files that are at `path` already stay, but
    for those of the same name. Raises InputError if there are any and `may_replace` is false.
    """
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is no folder. Take another --out.")
    if path.is_dir() and any(path.iterdir()) and not may_replace:
        raise InputError(
            f"{path} has files in it. Pass --force to replace those of the same name, or another "
            "--out."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(
        tempfile.mkdtemp(prefix=f".{path.name[:32]}.", suffix=".partial", dir=path.parent)
    )
    try:
        yield beside
        path.mkdir(exist_ok=True)
        for source in sorted(beside.rglob("*")):
            target = path / source.relative_to(beside)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                source.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
