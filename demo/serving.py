"""From a page to a server that answers: its address, its folder, its start and its end."""

import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from pathlib import Path

import gradio as gr
import httpx
from gradio.state_holder import SessionState, StateHolder

from ldm_core import UserError

from .environment import proxies_set_aside
from .lines import Stream
from .models import Models

try:
    import fcntl
except ImportError:  # Windows has none: there, the folders of killed processes stay
    fcntl = None

FOLDER = "GRADIO_TEMP_DIR"  # names the folder in which ours is made, and tells Gradio of it
PREFIX = "miniature-stable-diffusion-"  # of the names of our folders
MAX_FILES = 1000  # of scripts' calls that are kept, 20 to 60 kB each
TIDY_S = 60  # how often the server looks through what it keeps
TERMINATED = 143  # exit status
GRACE_S = 2  # for what is still being sent when the server ends


def check_address(host: str, port: int) -> None:
    """Raise UserError unless a server can listen there."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                if os.name == "posix":  # a port that was in use a moment ago is free
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot serve at {host}:{port}: {reason}. Choose another --host or --port."
        ) from error


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder for all files of this process, temporary ones too, which nobody else may read,
    and tell Gradio of it through the environment. At the end it is removed.

    It lies in $GRADIO_TEMP_DIR, or in the system's folder for temporary files. A process that is
    killed leaves its folder, but no lock on it, so the next one that starts there removes it.
    Raises UserError if no folder can be made.
    """
    above = Path(os.environ.get(FOLDER) or tempfile.gettempdir())
    with ExitStack() as at_the_end:
        try:
            above.mkdir(parents=True, exist_ok=True)
            with _locked(above):  # a folder that is new, and not locked yet, would look left
                _remove_left_folders(above)
                folder = tempfile.mkdtemp(prefix=PREFIX, dir=above)
                at_the_end.enter_context(_locked(folder))
        except OSError as error:
            raise UserError(
                f"The page has no folder for its files: {error}. "
                f"Set {FOLDER} to a folder in which you can write."
            ) from error
        at_the_end.callback(os.environ.update, {FOLDER: str(above)})
        at_the_end.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        at_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
        os.environ[FOLDER] = tempfile.tempdir = folder
        yield Path(folder)


def _remove_left_folders(above: Path) -> None:
    """Remove the folders of pages that have ended without doing so."""
    for folder in above.glob(f"{PREFIX}*") if fcntl else ():
        # Suppressed: a page that runs has locked it, or it is another user's.
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder)


@contextmanager
def _locked(folder: str | Path, how: int = fcntl and fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on a folder, which the system takes back when the process ends in any way. Raises
    OSError where another has it, if `how` says not to wait."""
    held = os.open(folder, os.O_RDONLY) if fcntl else None
    try:
        if fcntl:
            fcntl.flock(held, how)
        yield
    finally:
        if fcntl:
            os.close(held)


def tidy(folder: Path, max_files: int = MAX_FILES) -> None:
    """Remove all but the newest files of a folder."""
    with suppress(OSError):  # another thread may tidy it, too
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[:-max_files]:
            path.unlink()


def serve(
    page: gr.Blocks,
    models: Models,
    host: str,
    port: int,
    folder: Path,
    share: bool = False,
    **options,
) -> None:
    """Serve until the page is closed, or SIGTERM ends the program.

    folder: of its files. options: of `Blocks.launch`. Raises UserError if it cannot be served.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        with proxies_set_aside(outside_of=host if share else None):
            page.launch(
                server_name=f"[{host}]" if ":" in host else host,  # as it stands in a URL
                server_port=port,
                share=share,
                prevent_thread_lock=True,  # or Gradio would keep Ctrl-C to itself
                **options,
            )
        page.app.state_holder = Sessions(page)
        # Or now and then everybody would wait 0.2 s, while Python looks through Gradio's objects.
        gc.collect()
        gc.freeze()
        next_look, finished = time.monotonic() + TIDY_S, set()
        with proxies_set_aside(outside_of=host):  # the tools of assistants call this server, too
            while page.is_running:
                if time.monotonic() > next_look:
                    tidy(folder)
                    finished = forget_calls(page, finished)
                    next_look = time.monotonic() + TIDY_S
                time.sleep(0.1)
    except (OSError, ValueError, ImportError, httpx.HTTPError, httpx.InvalidURL) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot serve at {host}:{port}: {reason}") from error
    finally:
        for stream in list(Stream.running):  # the server waits for what it is still sending
            stream.stop()
        models.close()  # what else runs ends by an error
        if page.server:
            page.server.config.timeout_graceful_shutdown = GRACE_S
        page.close(verbose=False)
        if isinstance(sys.exc_info()[1], SystemExit):
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(TERMINATED)  # to take Python and its libraries down takes seconds


class Sessions(StateHolder):
    """Gradio's memory of the scripts that call it.

    Of itself it copies the configuration of all components for each call. None of ours changes, and
    what would change is looked up then.
    """

    def __init__(self, page: gr.Blocks):
        super().__init__()
        self.set_blocks(page)
        self._new = SessionState(page)

    def __getitem__(self, session: str) -> SessionState:
        if session not in self.session_data:
            state = copy(self._new)
            state.blocks_config, state.config_values = copy(state.blocks_config), {}
            state.state_data, state._state_ttl = {}, {}
            self.session_data[session] = state
        return super().__getitem__(session)


def forget_calls(page: gr.Blocks, finished: set[str]) -> set[str]:
    """Have Gradio forget the calls of scripts: it keeps an entry for each, and the path of each
    file, for ever. finished: the sessions that this function returned at the look before; nobody
    has fetched their results since. Returns those whose calls are finished now.
    """
    queue = page._queue
    is_finished = lambda events: not events & queue.event_ids_to_events.keys()
    now = {s for s, events in list(queue.pending_event_ids_session.items()) if is_finished(events)}
    for session in finished & now:
        del queue.pending_event_ids_session[session]
        queue.pending_messages_per_session.pop(session, None)
    for paths in page.temp_file_sets:
        paths -= {path for path in list(paths) if not os.path.lexists(path)}
    return now - finished
