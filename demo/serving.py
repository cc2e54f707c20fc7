"""From a page to a server that answers: its address, its start and its end."""

import errno
import os
import socket
import time
from pathlib import Path

import gradio as gr
import httpx

from ldm_core import UserError

from .environment import proxies_set_aside
from .folder import tidy
from .model_pages import ModelPages

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


def serve(
    page: gr.Blocks,
    host: str,
    port: int,
    folder: Path,
    share: bool = False,
    others: ModelPages | None = None,
    **options,
) -> None:
    """Serve until the page is closed, and keep its folder tidy. others: the pages below it, of
    other models. options: of `Blocks.launch`.

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
        next_look = time.monotonic() + TIDY_S
        while page.is_running:
            if time.monotonic() > next_look:
                tidy(folder)
                for one in [page, *(others.pages() if others else [])]:
                    forget_removed_files(one)
                next_look = time.monotonic() + TIDY_S
            time.sleep(0.1)
    finally:
        if others:
            others.stop()
        page.close(verbose=False)


def forget_removed_files(page: gr.Blocks) -> None:
    """Gradio remembers the path of every file that it has served, to remove it in the end."""
    for paths in page.temp_file_sets:
        paths -= {path for path in list(paths) if not os.path.lexists(path)}
