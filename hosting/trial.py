"""A folder, tried as a host would run it: by another user, who cannot write into it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ldm_core import UserError

from . import contacts
from .checks import files_of

USER = 1000  # of a Space
START_S, END_S = 180, 20


class Trial:
    """A copy of a folder that nobody can write into, and beside it a home and a log.

    user: who runs it, None for the present user. code: the copy, which lies in `at` of a folder
    `root`; home: the only place to write to.
    """

    def __init__(self, folder: Path, beside: Path, user: int | None, at: str = "app"):
        self.user = user
        self.root, self.home = beside / "root", beside / "home"
        self.code, self.log = self.root / at, self.home / "log"
        self._calls = self.home / "calls"
        shutil.copytree(folder, self.code)
        self.home.mkdir()
        for path in (self.root, *self.root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        beside.chmod(0o755)
        if user is not None:
            os.chown(self.home, user, user)
        self._before = self._stamps()

    @contextmanager
    def running(
        self, command: list, url: str, environment: Mapping[str, str], folder: Path | None = None
    ) -> Iterator[None]:
        """Run a server, in the code folder unless another is given, until the block ends.

        environment: all that it has beside PATH, HOME and TMPDIR. Raises UserError unless it
        answers at url.
        """
        own = {"PATH": os.defpath, "HOME": str(self.home), "TMPDIR": str(self.home)}
        own["PYTHONDONTWRITEBYTECODE"] = "1"  # beside the code, where root could
        process = subprocess.Popen(
            contacts.seen(command, self._calls) if contacts.can_be_seen() else command,
            cwd=folder or self.code,
            env=own | environment,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_as(self.user),
        )
        try:
            self._wait_for(url, process)
            yield
        finally:
            _end(process)

    def contacted(self) -> set[str] | None:
        """The addresses of other machines that the server has contacted; None if nobody saw it."""
        if not contacts.can_be_seen():
            return None
        return contacts.others(self._calls.read_text(errors="replace").splitlines())

    def changed(self) -> list[str]:
        """The files of the code folder that are not as they were."""
        now = self._stamps()
        return sorted(
            str(path.relative_to(self.root))
            for path in self._before.keys() | now.keys()
            if self._before.get(path) != now.get(path)
        )

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        stats = {path: path.stat() for path in files_of(self.root)}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}

    def _wait_for(self, url: str, process: subprocess.Popen) -> None:
        ends_at = time.monotonic() + START_S
        directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < ends_at and process.poll() is None:
            try:
                return directly.open(url, timeout=10).close()
            except OSError:
                time.sleep(0.2)
        raise UserError(f"It did not answer at {url}. It said: {self.log.read_text()[-2000:]}")


@contextmanager
def trial(folder: Path, python: str, at: str = "app") -> Iterator[Trial]:
    """A trial of a folder, removed in the end. python: the interpreter that is to run it."""
    with tempfile.TemporaryDirectory() as beside:
        try:
            yield Trial(folder, Path(beside), USER if can_be(USER, python) else None, at)
        finally:
            for path in Path(beside).rglob("*"):  # what is read-only cannot be removed
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o755)


def can_be(user: int, python: str) -> bool:
    """Whether this process may become that user, and that user may run the interpreter."""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    try:
        return not subprocess.run(
            [python, "-c", ""], **_as(user), stderr=subprocess.DEVNULL
        ).returncode
    except OSError:
        return False


def who(user: int | None, python: str) -> str:
    """Who runs a trial, and why."""
    if user is not None:
        return f"user {user}"
    if os.name != "posix" or os.geteuid() != 0:
        return f"the present user, as only root can become user {USER}"
    return f"the present user, as user {USER} may not run {python}"


def _as(user: int | None) -> dict:
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def _end(process: subprocess.Popen) -> None:
    """As a host ends it: strace, too, which stands between."""
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_)
            process.wait(END_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
