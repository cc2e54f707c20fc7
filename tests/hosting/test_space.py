"""The Space that `make space` makes, started as a Space starts it; nothing is installed here."""

import os
import re
import sys

import pytest

from hosting import space, trial
from ldm_core import UserError

from ..conftest import ROOT


@pytest.fixture
def made(tmp_path, capsys):
    """make(*line) runs the command line; returns the status, and all that it said."""

    def make(*line):
        status = space.main([*line, "--no-install", "--port", str(space.free_port())])
        return status, "".join(capsys.readouterr())

    return make


def test_the_space_starts_and_draws_what_python_draws(made, tmp_path):
    status, said = made(str(tmp_path / "space"))
    assert status == 0, said
    assert "a picture of {'label': '7', 'seed': 7}: 0 grey levels from Python's" in said
    assert re.search(r"started by (user 1000\n|the present user, as )", said)
    assert "it contacted nobody" in said or not os.environ.get("CI")


WRITES = """
import http.server, pathlib, socket, sys
try:
    pathlib.Path("file").write_text("changed")
except OSError as error:
    print(error, flush=True)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.9", 9))
pathlib.Path.home().joinpath("left").touch()
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def test_a_trial_sees_what_a_program_does(tmp_path):
    """Root writes into whatever it likes, and everybody else is refused: seen either way."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    (folder / "program.py").write_text(WRITES)
    port = space.free_port()
    with trial.trial(folder, sys.executable) as one:
        command = [sys.executable, "program.py", str(port)]
        with one.running(command, f"http://127.0.0.1:{port}/", {}):
            refused = "Permission denied" in one.log.read_text()
        assert refused == (one.changed() == [])
        assert refused or one.changed() == ["app/file"]
        assert refused == (one.user is not None or os.geteuid() != 0)
        assert (one.home / "left").exists()
        assert one.contacted() in (set(), None)  # an address of this machine is none of another
    assert (folder / "file").read_text() == ""


def test_what_does_not_start_says_why(tmp_path):
    (tmp_path / "program.py").write_text("raise SystemExit('the weights are missing')")
    url = f"http://127.0.0.1:{space.free_port()}/"
    with trial.trial(tmp_path, sys.executable) as one:
        running = one.running([sys.executable, "program.py"], url, {})
        with pytest.raises(UserError, match="did not answer.*the weights are missing"), running:
            pytest.fail("it started")


def test_only_root_becomes_another_user():
    python = sys.executable
    assert not trial.can_be(trial.USER, str(ROOT / "nowhere"))
    assert "only root" in trial.who(None, python) or os.geteuid() == 0
