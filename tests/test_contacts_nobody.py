"""Sampling and serving open no connection to another machine and leave nothing in HOME."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from .conftest import ROOT

ADDRESS = re.compile(r'sin6?_addr\(?=?.*?"([^"]+)"|inet_addr\("([^"]+)"\)|inet_pton\(.*?"([^"]+)"')
STRACE = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o"]

CODE = """
import os, threading, time, urllib.request
from ldm_core import LatentDiffusion

LatentDiffusion.load("weights").generate([7], seeds=[1], steps=2)

def visit():
    for _ in range(600):
        time.sleep(0.1)
        try:
            urllib.request.urlopen("http://127.0.0.1:{port}/").read()
            break
        except OSError:
            pass
    time.sleep(3)  # a library may send something later, from another thread
    os._exit(0)

threading.Thread(target=visit).start()
from demo.app import main
main(["--port", "{port}"])
"""


@pytest.fixture
def traced(tmp_path):
    """Run code in another process; returns the lines of its network calls."""
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("strace is missing")
        pytest.skip("strace is missing")
    home, log = tmp_path / "home", tmp_path / "calls"
    home.mkdir()

    def run(code: str) -> list[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
        environment |= {"HOME": str(home), "TMPDIR": str(tmp_path)}
        command = [*STRACE, log, sys.executable, "-B", "-c", code]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
        left = [path for path in home.rglob("*") if path.is_file()]
        assert left == []
        return log.read_text().splitlines()

    return run


def addresses(calls: list[str]) -> set[str]:
    """What network calls name."""
    return {next(filter(None, match.groups())) for c in calls if (match := ADDRESS.search(c))}


def others(calls: list[str]) -> set[str]:
    """Addresses of other machines."""
    return {a for a in addresses(calls) if not a.startswith("127.") and a != "::1"}


def test_sampling_and_serving_contact_nobody(traced):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    calls = traced(CODE.format(port=port))
    assert "127.0.0.1" in addresses(calls)  # it was visited
    assert others(calls) == set()


def test_the_test_sees_who_is_contacted(traced):
    code = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    code += "s.connect(('127.0.0.9', 9))"
    assert addresses(traced(code)) == {"127.0.0.9"}
    assert others(['1 connect(3, {sin_addr=inet_addr("192.0.2.1")}, 16) = 0']) == {"192.0.2.1"}
