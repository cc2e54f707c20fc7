"""Two servers behind nginx as docs/hosting.md sets it up, of which one is killed: its visitors go
on with the other."""

import json
import os
import re
import shutil
import sys
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from hosting.trial import free_port, wait_for

from ..conftest import ROOT
from .conftest import running

ASKED = {"prompt": "a bold seven", "seed": 7, "steps": 4}
LONG = {"across": "seed", "across_values": list(range(20)), "fixed": {"steps": 100}}


@contextmanager
def proxy_of(servers: list[int], folder):
    """The address of nginx before these ports."""
    port = free_port()
    text = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    config = re.search(r"^```nginx\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]
    for stands, ours in zip(("7860", "7861", "7862"), (port, *servers)):
        config = config.replace(stands, str(ours))
    kept = "".join(f"{n}_temp_path {folder};" for n in ("client_body", "proxy", "fastcgi"))
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;"
        f"events {{}} http {{ access_log off; {kept}\n{config} }}"
    )
    with running(["nginx", "-c", file, "-e", folder / "log"]) as nginx:
        wait_for(f"http://127.0.0.1:{port}/", nginx)
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def replicas(weights, tmp_path):
    """The processes of two servers, and the addresses of them and of nginx before them."""
    if not shutil.which("nginx"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no nginx")
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        line = [sys.executable, "-m", "demo", "--weights", weights, "--port"]
        env = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)}
        start = lambda port: stack.enter_context(running([*line, port], cwd=ROOT, env=env))
        processes = [start(port) for port in ports]
        urls = [f"http://127.0.0.1:{port}/" for port in ports]
        for url, process in zip(urls, processes):
            wait_for(url, process)
        folder = tmp_path / "proxy"
        folder.mkdir()
        yield processes, urls, stack.enter_context(proxy_of(ports, folder))


@pytest.fixture
def http():
    with httpx.Client(trust_env=False, timeout=60) as http:
        yield http


def pictures(http: httpx.Client, url: str) -> list:
    """What a run draws."""
    events = http.post(f"{url}engine/denoise", json=ASKED).raise_for_status().text.split("\n\n")
    said = [json.loads(event[6:]) for event in events if event.startswith("data: ")]
    assert said[-1]["done"]
    return [picture for message in said for picture in message.get("pictures", [])]


def called(http: httpx.Client, url: str) -> dict:
    """The settings that a script gets back, and its picture."""
    asked = http.post(f"{url}gradio_api/call/v2/generate", json=ASKED).raise_for_status().json()
    answer = http.get(f"{url}gradio_api/call/generate/{asked['event_id']}").text
    png, _, settings = json.loads(answer.split("data: ")[-1])
    assert png["url"].startswith(url) and http.get(png["url"]).content.startswith(b"\x89PNG")
    return settings


def test_visitors_of_a_server_that_is_killed_go_on_with_the_other(replicas, http):
    processes, (first, second), url = replicas
    wanted = pictures(http, first)
    assert len(wanted) == 5 and pictures(http, second) == wanted
    assert all(pictures(http, url) == wanted for _ in range(4))
    assert all(called(http, url).items() >= ASKED.items() for _ in range(4))

    ends = []
    with ExitStack() as stack:
        ask = lambda: http.stream("POST", f"{url}engine/grid", json=LONG)
        streams = [stack.enter_context(ask()).iter_text() for _ in range(2)]  # one on each server
        for stream in streams:
            next(stream)
        processes[0].kill()
        for stream in streams:
            with suppress(httpx.HTTPError):
                ends.append('"done":true' in "".join(stream))
    assert ends.count(True) == 1

    assert all(pictures(http, url) == wanted for _ in range(4))
    assert all(called(http, url).items() >= ASKED.items() for _ in range(4))
    assert http.get(url).status_code == 200
