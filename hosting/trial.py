"""A folder, started as a host would, and the picture that it draws."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ldm_core import LatentDiffusion, UserError

START_S = 180
ASKED = {"label": "7", "seed": 7}
MAX_APART = 1  # grey levels: another machine may round the other way


@contextmanager
def running(
    folder: Path, command: list[str], url: str, environment: Mapping[str, str], at: str = "."
) -> Iterator[None]:
    """Run a server beside a copy of a folder, until the block ends.

    command: run in an otherwise empty folder that has the copy at the path `at`. environment: all
    variables besides PATH, HOME and TMPDIR. Raises UserError unless it answers at url.
    """
    with tempfile.TemporaryDirectory() as beside:
        root, home = Path(beside, "root"), Path(beside, "home")
        shutil.copytree(folder, root / at, dirs_exist_ok=True)
        home.mkdir()
        own = {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home)}
        log = home / "log"
        process = subprocess.Popen(
            command,
            cwd=root,
            env=own | environment,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        try:
            try:
                wait_for(url, process)
            except UserError as error:
                raise UserError(f"{error} It said: {log.read_text()[-2000:]}") from None
            yield
        finally:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Wait until a server that is starting answers. Raises UserError if it does not."""
    ends_at = time.monotonic() + START_S
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            return directly.open(url, timeout=10).close()
        except OSError:
            time.sleep(0.2)
    raise UserError(f"No server answered at {url}.")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def python_draws(model: LatentDiffusion) -> np.ndarray:
    """The picture of `ASKED`, uint8 (28, 28)."""
    return model.generate([ASKED["label"]], seeds=[ASKED["seed"]])[0].numpy()


def compare(picture: np.ndarray, model: LatentDiffusion) -> None:
    """Say how far a picture of `ASKED` is from Python's; raises UserError if that is too far."""
    own = python_draws(model)
    apart = int(abs(picture.astype(int) - own).max())
    print(f"a picture of {ASKED}: {apart} grey levels from Python's")
    if apart > MAX_APART:
        raise UserError(f"The pictures are {apart} grey levels apart, more than {MAX_APART}.")
