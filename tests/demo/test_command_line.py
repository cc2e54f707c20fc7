"""`python -m demo` and `python demo/app.py`: how they start, and how they end."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from demo import app
from demo.serving import own_folder, tidy
from hosting.trial import free_port, wait_for
from ldm_core import LatentDiffusion, UserError

from ..conftest import ROOT


def refusal(capsys, *line: str) -> str:
    """The one line with which a command line is refused."""
    with pytest.raises(SystemExit) as end:
        # Another test may have a server at the port that is the default.
        app.main([*line] if "--port" in line else [*line, "--port", str(free_port())])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith("python -m demo: ") and said.count("\n") == 1
    return said


def test_missing_weights_end_with_what_to_do(tmp_path, capsys):
    assert "python train.py" in refusal(capsys, "--weights", str(tmp_path))


def test_a_taken_port_is_named(small_model, monkeypatch, capsys):
    monkeypatch.setattr(LatentDiffusion, "load", lambda *_, **__: small_model)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(capsys, "--host", "127.0.0.1", "--port", str(port))
    assert f"127.0.0.1:{port}" in said and "--port" in said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--device", "tpu", "not 'tpu'"),
        *(("--port", port, "1 to 65535") for port in ("0", "65536", "x")),
        *(("--host", host, "cannot serve at") for host in ("nowhere.invalid", "192.0.2.1")),
    ],
)
def test_options_that_cannot_be_are_refused(weights, capsys, option, value, said):
    assert said in refusal(capsys, "--weights", str(weights), option, value)


def test_a_proxy_for_a_public_link_may_need_a_package(small_model, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(LatentDiffusion, "load", lambda *_, **__: small_model)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:9")
    assert "nonsense" in refusal(capsys, "--share", "--port", str(free_port()))
    assert "NO_PROXY" not in os.environ
    assert not list(tmp_path.glob("miniature-stable-diffusion-*"))


def test_the_folder_is_our_own_and_lies_in_the_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "named"))
    with own_folder() as folder:
        assert folder.parent == tmp_path / "named" and folder.stat().st_mode & 0o77 == 0
        assert os.environ["GRADIO_TEMP_DIR"] == tempfile.gettempdir() == str(folder)
    assert not folder.exists() and tempfile.gettempdir() != str(folder)
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file"))
    with pytest.raises(UserError, match="Set GRADIO_TEMP_DIR to a folder in which you can write"):
        own_folder().__enter__()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock on folders")
def test_the_folder_of_a_page_that_was_killed_is_removed_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    left, others = tmp_path / "miniature-stable-diffusion-left", tmp_path / "other"
    for folder in (left, others):
        folder.mkdir()
        (folder / "7.png").touch()
    with own_folder() as ours:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        with own_folder() as second:
            assert {*tmp_path.iterdir()} == {ours, second, others}
    assert [*tmp_path.iterdir()] == [others]


def test_only_the_newest_files_are_kept(tmp_path):
    for i, name in enumerate("dbca"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (i, i))
    tidy(tmp_path, max_files=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
    tidy(tmp_path / "missing")


@pytest.fixture
def start(weights, tmp_path):
    """start(*line, **environment): the page in its own process, and its address, once it
    answers."""
    processes = []

    def start(*line: str, **environment: str) -> tuple[subprocess.Popen, str]:
        port = str(free_port())
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--weights", weights, "--port", port, *line],
            cwd=ROOT,
            env=os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)} | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        is_ipv6 = ":" in "".join([*line, environment.get("GRADIO_SERVER_NAME", "")])
        url = f"http://{'[::1]' if is_ipv6 else '127.0.0.1'}:{port}/"
        wait_for(url, process)
        return process, url

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def call_and_forget(http: httpx.Client, url: str, path: str, body: dict) -> None:
    with suppress(httpx.HTTPError):  # the server has ended
        answer = http.post(url + path, json=body)
        if "call/" in path:
            http.get(f"{url}gradio_api/call/compare/{answer.json()['event_id']}")


def ended(process: subprocess.Popen, url: str, sent: signal.Signals, within_s: int) -> str:
    """What a server says when a signal ends it in the midst of all that there is."""
    run = {"steps": 100}
    grid = {"across": "seed", "across_values": list(range(20)), "fixed": run}
    calls = [("engine/denoise", run), ("engine/grid", grid), ("gradio_api/call/v2/compare", grid)]
    calls += [("engine/file", {"request": grid, "format": "gif"})]
    limits = httpx.Limits(max_connections=None)
    with (
        httpx.Client(trust_env=False, timeout=60, limits=limits) as http,
        ThreadPoolExecutor(48) as pool,
        http.stream("POST", f"{url}engine/grid", json=grid) as answer,
    ):
        messages = answer.iter_bytes()
        next(messages)
        for path, body in calls * 12:
            pool.submit(call_and_forget, http, url, path, body)
        time.sleep(0.5)
        process.send_signal(sent)  # nobody waits for the end of a run
        _, said = process.communicate(timeout=within_s)
        with suppress(httpx.HTTPError):
            assert b"done" not in b"".join(messages)
    return said


def test_it_starts_beside_proxies_and_ends_whatever_is_open_without_a_file(start, tmp_path):
    process, url = start(all_proxy="nonsense://", GRADIO_SERVER_NAME="::1")
    ours = lambda: list(tmp_path.glob("miniature-stable-diffusion-*"))  # Gradio makes another
    assert len(ours()) == 1
    ended(process, url, signal.SIGTERM, 5)
    assert process.returncode == 143 and not ours()


def test_a_server_that_is_killed_leaves_nothing_for_long_and_ctrl_c_nothing(start, tmp_path):
    empty = tmp_path / "vibe_edit_history"  # made by Gradio, always the same
    process, url = start("--host", "::", http_proxy="127.0.0.1:9", TMPDIR=str(tmp_path))
    httpx.post(f"{url}gradio_api/call/v2/generate", json={"steps": 1}, trust_env=False)
    asked = {"request": {"steps": 100}, "format": "webp", "scale": 16}
    with httpx.Client(trust_env=False, timeout=60) as http, ThreadPoolExecutor(1) as pool:
        pool.submit(call_and_forget, http, url, "engine/file", asked)
        while not [*tmp_path.glob("*/tmp*")]:
            time.sleep(0.01)
        process.kill()
    process.wait()
    left = {*tmp_path.iterdir()} - {empty}
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}
    process, url = start(TMPDIR=str(tmp_path), **proxies)
    assert len(left) == 1 and not left & {*tmp_path.iterdir()}
    said = ended(process, url, signal.SIGINT, 60)
    assert process.returncode == 130 and said.endswith("python -m demo: stopped\n")
    assert [path for path in tmp_path.rglob("*") if path != empty] == []


def test_run_as_a_file_it_finds_its_modules_and_hides_none(monkeypatch):
    """Python puts demo/ first on sys.path then."""
    folder = ROOT / "demo"
    standard = sys.stdlib_module_names | {"requests", "site", "httpx", "gradio"}
    assert not standard & {path.stem for path in folder.iterdir()}
    monkeypatch.setattr(sys, "path", [os.fspath(folder), *sys.path])
    runpy.run_path(os.fspath(folder / "app.py"), run_name="app")
    assert os.fspath(ROOT) in sys.path
