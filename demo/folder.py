"""The folder in which the page keeps its files: whose it is, and how much it may hold."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from ldm_core import UserError

KEEP_S = 3600  # how long a finished file can be fetched, unless the newer ones fill the folder:
MAX_FILES, MAX_BYTES = 2000, 100_000_000  # those of about a thousand runs
VARIABLE = "GRADIO_TEMP_DIR"  # names the folder in which this one is made, and tells Gradio of it


def own_folder() -> Path:
    """Make the page's folder, of this user only, and tell Gradio of it through the environment.

    It lies in $GRADIO_TEMP_DIR, or in the system's folder for temporary files, which users may
    share. Raises UserError if no file can be written there.
    """
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # on Windows the folder is not shared
    name = f"miniature-stable-diffusion{user}"
    try:
        above = Path(os.environ.get(VARIABLE) or tempfile.gettempdir()).absolute()
        folder = above if above.name == name else above / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or (user and folder.stat().st_uid != os.getuid()):
            raise PermissionError(f"{folder} belongs to another user")
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
            probe.flush()
    except OSError as error:
        raise UserError(
            f"The page has no folder for its files: {error}. "
            f"Set {VARIABLE} to a folder in which you can write."
        ) from error
    os.environ[VARIABLE] = str(folder)
    return folder


def tidy(
    folder: Path, keep_s: float = KEEP_S, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> None:
    """Remove files, the oldest first, until none is older than keep_s and all are within the
    limits; whoever made them, be it a program that was killed. Old empty folders go too."""
    oldest = time.time() - keep_s
    files = []
    for inside, folders, names in os.walk(folder, topdown=False):
        # What is gone by now has been removed by another page that tidies the same folder.
        for name in names:
            with suppress(OSError):
                path = Path(inside, name)
                files.append((path, path.lstat()))
        for name in folders:
            with suppress(OSError):
                path = Path(inside, name)
                if path.lstat().st_mtime < oldest:
                    path.rmdir()  # an error if it is not empty
    kept = total = 0
    for path, stat in sorted(files, key=lambda file: file[1].st_mtime, reverse=True):
        kept, total = kept + 1, total + stat.st_size
        if kept > max_files or total > max_bytes or stat.st_mtime < oldest:
            with suppress(OSError):
                path.unlink()
