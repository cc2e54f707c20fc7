"""What the server remembers of its visitors is bounded."""

import json

import httpx
import pytest
from demo.runs import Runner

from demo import app
from demo.serving import forget_removed_files


@pytest.fixture
def page(label_model, tmp_path, monkeypatch):
    """A page that is served, and may remember three visitors."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(app, "MAX_SESSIONS", 3)
    monkeypatch.setattr(app, "MAX_UNREAD", 3)
    page = app.build(label_model)
    page.launch(prevent_thread_lock=True, quiet=True, **app.launch_options())
    yield page
    page.close(verbose=False)


def press_generate(page, session):
    run = next(fn for fn in page.fns.values() if fn.concurrency_id == "runs" and fn.targets)
    body = {"data": ["7", 1.5, 3, "ddim", 5], "fn_index": run._id, "session_hash": session}
    httpx.post(f"{page.local_url}gradio_api/queue/join", json=body).raise_for_status()


def run_once(page, session):
    """Generate, and listen; returns the last message to the player."""
    press_generate(page, session)
    address = f"{page.local_url}gradio_api/queue/data"
    stream = httpx.get(address, params={"session_hash": session}, timeout=60).text
    said = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
    (last,) = [message for message in said if message["msg"] == "process_completed"]
    assert last["success"]
    return last["output"]["data"][0]


def test_visitors_are_forgotten_and_can_go_on(page):
    for number in range(5):
        assert len(run_once(page, f"visitor {number}")["pictures"]) == 4
    assert len(page.app.state_holder.session_data) == 3
    assert len(run_once(page, "visitor 0")["pictures"]) == 4


def test_what_nobody_reads_is_not_kept_for_good(page):
    for number in range(5):
        press_generate(page, f"visitor {number}")
    assert len(page._queue.pending_messages_per_session) == 3
    assert len(run_once(page, "visitor")["pictures"]) == 4


def test_a_visitor_who_is_forgotten_during_a_run_sees_it_to_its_end(page, monkeypatch):
    steps = Runner.steps

    def busy(self, *given, **options):
        for step in steps(self, *given, **options):
            page.app.state_holder.session_data.clear()
            yield step

    monkeypatch.setattr(Runner, "steps", busy)
    assert len(run_once(page, "visitor")["pictures"]) == 4


def test_removed_files_are_forgotten(page, tmp_path):
    remembered = lambda: set().union(*page.temp_file_sets)
    message = run_once(page, "visitor")
    paths = {message["gif"]["path"], message["png"]["path"]}
    assert remembered() >= paths
    (tmp_path / "runs").rename(tmp_path / "gone")
    forget_removed_files(page)
    assert not remembered() & paths
