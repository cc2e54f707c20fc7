"""`python -m demo` and `python demo/app.py`: how they start, and how they end."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from demo import app
from ldm_core import LatentDiffusion

from ..conftest import ROOT


def refusal(capsys, *line: str) -> str:
    """The one line with which a command line is refused."""
    with pytest.raises(SystemExit) as end:
        app.main([*line])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith("python -m demo: ") and said.count("\n") == 1
    return said


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_missing_weights_end_with_what_to_do(tmp_path, capsys):
    assert "python train.py" in refusal(capsys, "--weights", str(tmp_path))


def test_a_device_that_does_not_exist_is_refused(weights, capsys):
    assert "not 'tpu'" in refusal(capsys, "--weights", str(weights), "--device", "tpu")


def test_a_taken_port_is_named(small_model, monkeypatch, capsys):
    monkeypatch.setattr(LatentDiffusion, "load", lambda *_, **__: small_model)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(capsys, "--host", "127.0.0.1", "--port", str(port))
    assert f"127.0.0.1:{port}" in said and "--port" in said


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_a_bad_port_is_refused(port, capsys):
    assert "1 to 65535" in refusal(capsys, "--port", port)


def test_ctrl_c_ends_with_130(weights):
    port = free_port()
    line = [sys.executable, "-m", "demo", "--weights", weights, "--port", str(port)]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert said.endswith("python -m demo: stopped\n")


def wait_for(url: str, process: subprocess.Popen) -> None:
    ends_at = time.monotonic() + 120
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the page did not come up: {process.poll()}")


def test_run_as_a_file_it_does_not_hide_the_library_requests(monkeypatch):
    folder = ROOT / "demo"
    monkeypatch.setattr(sys, "path", [os.fspath(folder), *sys.path])
    runpy.run_path(os.fspath(folder / "app.py"), run_name="app")
    assert os.fspath(ROOT) in sys.path and os.fspath(folder) not in sys.path
