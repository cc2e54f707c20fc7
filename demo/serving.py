"""From a page to a server that answers: its address, its folder, its start and its end."""

import errno
import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import gradio as gr
import httpx

from ldm_core import UserError

from .environment import proxies_set_aside

KEEP_S = 3600  # how long a finished file can be fetched, unless the newer ones fill the folder:
MAX_FILES, MAX_BYTES = 2000, 100_000_000  # those of about a thousand runs
VARIABLE = "GRADIO_TEMP_DIR"  # names the folder in which this one is made, and tells Gradio of it
TIDY_S = 60  # how often the page's folder is looked through
WHAT_TO_DO = {
    errno.EADDRINUSE: "The port is taken: choose another with --port.",
    errno.EACCES: "The port is not open to you: choose one above 1023 with --port.",
    errno.EADDRNOTAVAIL: "No network of this machine has this address: choose another with --host.",
    errno.EAFNOSUPPORT: "This machine has no such network: choose another with --host.",
}


def check_address(host: str, port: int) -> None:
    """Raise UserError unless a server can listen there."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(
            f"cannot serve at {host}: {error}. Choose another address with --host."
        ) from error
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                if os.name == "posix":  # a port that was in use a moment ago is free
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
        except OSError as error:
            todo = WHAT_TO_DO.get(error.errno, "Choose another with --host or --port.")
            raise UserError(f"cannot serve at {host}:{port} ({error.strerror}). {todo}") from error


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


def serve(
    page: gr.Blocks, host: str, port: int, folder: Path, share: bool = False, **options
) -> None:
    """Serve until the page is closed, and keep its folder tidy. options: of `Blocks.launch`.

    Raises UserError if the page cannot be served.
    """
    tidy(folder)
    try:
        with proxies_set_aside(outside_of=host if share else None):
            page.launch(
                server_name=f"[{host}]" if ":" in host else host,  # as it stands in a URL
                server_port=port,
                share=share,
                prevent_thread_lock=True,  # or Gradio would keep Ctrl-C to itself
                **options,
            )
    except (OSError, ValueError, ImportError, httpx.HTTPError, httpx.InvalidURL) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot serve at {host}:{port}: {reason}") from error
    try:
        next_look, finished = time.monotonic() + TIDY_S, set()
        while page.is_running:
            if time.monotonic() > next_look:
                tidy(folder)
                finished = forget_calls(page, finished)
                next_look = time.monotonic() + TIDY_S
            time.sleep(0.1)
    finally:
        page.close(verbose=False)


def forget_calls(page: gr.Blocks, finished: set[str]) -> set[str]:
    """Have Gradio forget the calls of scripts that nobody listens to: it keeps an entry for each,
    for ever. finished: the sessions whose calls had ended at the look before, at which this
    function returned them: nobody has fetched their results since. It forgets the files, too, that
    `tidy` has removed.
    """
    queue = page._queue
    for session in finished & queue.pending_event_ids_session.keys():
        if not queue.pending_event_ids_session[session] & queue.event_ids_to_events.keys():
            del queue.pending_event_ids_session[session]
            queue.pending_messages_per_session.pop(session, None)
    for paths in page.temp_file_sets:
        paths -= {path for path in list(paths) if not os.path.lexists(path)}
    return {
        session
        for session, events in list(queue.pending_event_ids_session.items())
        if not events & queue.event_ids_to_events.keys()
    }
