"""Builds the page from its tabs, and serves it.

`python -m demo` runs it; a Space runs it as `python demo/app.py`.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NoReturn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# `python demo/app.py` lets Python look for modules in demo/, where it would take demo/requests.py
# for the library of that name, and not in the folder above, where `ldm_core` is.
if any(Path(folder).resolve() == HERE for folder in sys.path):
    sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() != HERE)]

# Read when Gradio is imported, or a page is built.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")  # it keeps 10,000, and counts at each

from demo.environment import (  # noqa: E402
    proxies_set_aside,
    take_address,
    zero_gpu_package,
)

HOST, PORT = take_address()
with proxies_set_aside():
    SPACES = zero_gpu_package()
    import gradio as gr

import torch  # noqa: E402

from demo.endpoint import Page, add_endpoint, server_options  # noqa: E402
from demo.folder import KEEP_S, own_folder  # noqa: E402
from demo.layout import read, script  # noqa: E402
from demo.model_pages import UP, ModelPages  # noqa: E402
from demo.models import Found, ModelFolder, holds_several  # noqa: E402
from demo.parts import html  # noqa: E402
from demo.runs import Draw, Runner  # noqa: E402
from demo.serving import check_address, serve  # noqa: E402
from demo.tabs import TABS  # noqa: E402
from demo.zero_gpu import drawn_on_lent_gpu  # noqa: E402
from ldm_core import BACKENDS, LatentDiffusion, UserError  # noqa: E402

PARTS = ("theme", "layout", "gradio", "player", "keeping", "views", "controls", "live", "prompt")
OF_TABS = ("under_player", "easel", "morph", "compare", "train", "models")
STYLES = tuple(f"{name}.css" for name in (*PARTS, *OF_TABS))
SCRIPTS = ("connection.js", "prompt.js", "player.js", "live.js", "shown_run.js")
MAX_WAITING = 20  # a run takes about a second, so nobody waits much longer than 20 seconds
# Gradio remembers the last value of every control for each visitor, and the player's is large (here
# 90 kB). It needs none of them again: to a visitor whom it has forgotten it is as a new one.
MAX_SESSIONS = 100
# For as many visitors as this Gradio keeps what they have not read: a whole run, if they left.
MAX_UNREAD = 300
MAX_UPLOAD = "1mb"  # by Gradio's own way, which the page does not use
MENU = script("models.js") + "modelMenu({ element, props });"
REFUSED, INTERRUPTED = 2, 130  # exit statuses, as of the other command lines


def build(
    model: LatentDiffusion,
    tabs: tuple[ModuleType, ...] = TABS,
    elsewhere: Draw | None = None,
    weights_folder: Path | None = None,
    on_menu: str = "",
    up: str = "",
) -> gr.Blocks:
    """The page around a model, to be launched with `launch_options`.

    elsewhere, weights_folder: as of `Runner`. on_menu: the name of the model among several, from
    which a menu then chooses. up: from this page to the first one of them.
    """
    with Page(
        title="Miniature Stable Diffusion",
        analytics_enabled=False,
        delete_cache=(KEEP_S, KEEP_S),  # all of its files when it ends; the rest is done by `tidy`
    ) as page:
        folder = Path(page.GRADIO_CACHE) / "runs"
        runner = Runner(model, folder, elsewhere=elsewhere, weights_folder=weights_folder)
        html("header.html", words=model.vocabulary is not None)
        if on_menu:
            html("models.html", model=on_menu, up=up, js_on_load=MENU, elem_id="models")
        if len(tabs) == 1:  # nobody needs a bar with one tab
            tabs[0].build(page, runner)
        else:
            with gr.Tabs():
                for tab in tabs:
                    # The id is what the button of the tab says that it controls.
                    with gr.Tab(tab.TITLE, elem_id=f"tab-{tab.TITLE.lower()}"):
                        tab.build(page, runner)
        add_endpoint(runner)
    page.queue(max_size=MAX_WAITING, api_open=False)
    page._queue.pending_messages_per_session.max_size = MAX_UNREAD
    return page


def launch_options() -> dict:
    """The looks of the page, which Gradio takes when it is launched."""
    styles = "".join(map(read, STYLES))
    scripts = "".join(f"<script>{script(name)}</script>" for name in SCRIPTS)
    return {
        "theme": gr.themes.Base(
            font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
        ),
        # `css` would rewrite selectors and drop media queries
        "head": f"<style>{styles}</style>{scripts}",
        "footer_links": ["api"],
        "run_history": False,  # a run is repeated from its settings, which its link holds
        "ssr_mode": False,
        "app_kwargs": server_options(),
        "state_session_capacity": MAX_SESSIONS,
        "max_file_size": MAX_UPLOAD,
    }


def main(argv: list[str] | None = None) -> None:
    """Serve the page until Ctrl-C.

    Exits with status 2 and one line if the page cannot be served, with status 130 after Ctrl-C.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        check_address(args.host, args.port)  # before the model is loaded, which takes seconds
        models = ModelFolder(args.weights) if holds_several(args.weights) else None
        first = models.first() if models else None
        for found in models.look() if models else ():
            if found.problem:
                print(f"{parser.prog}: {found.name} is left out. {found.problem}", file=sys.stderr)
        weights = first.folder if first else args.weights
        model = LatentDiffusion.load(weights, args.device, args.backend)
        # After loading, because ONNX Runtime makes good use of all cores. In PyTorch a second
        # thread gains little for one image on an idle machine. On a busy machine the threads wait
        # for each other at every layer, and a run takes minutes.
        torch.set_num_threads(1)
        lent = drawn_on_lent_gpu(SPACES, weights) if SPACES else None
        folder, options = own_folder(), launch_options()
        about = {"weights_folder": Path(weights), "on_menu": first.name if first else ""}
        page = build(model, elsewhere=lent, **about)
        others = None
        if models:
            others = ModelPages(models, first, partial(_page_of, args), launch_options)
            options["app_kwargs"] |= others.options()
        serve(page, args.host, args.port, folder, args.share, others, **options)
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, f"{parser.prog}: stopped\n")
    except (UserError, OSError) as error:
        parser.exit(REFUSED, f"{parser.prog}: {error}\n")


def _page_of(args: argparse.Namespace, found: Found) -> gr.Blocks:
    """The page of one of several models, other than the first."""
    model = LatentDiffusion.load(found.folder, args.device, args.backend)
    return build(model, weights_folder=found.folder, on_menu=found.name, up=UP)


class _Parser(argparse.ArgumentParser):
    """An error is one line, without the usage that argparse puts before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(REFUSED, f"{self.prog}: {message} (--help lists the options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m demo", description="Serve the page.")
    add = parser.add_argument
    add("--host", default=HOST, type=_host, help="address to listen on (%(default)s)")
    add("--port", default=PORT, type=_port, help="port to listen on (%(default)s)")
    add("--weights", default=ROOT / "weights", help="folder of the checkpoints (%(default)s)")
    add("--device", default="cpu", help="auto (a GPU if there is one), cpu, cuda or cuda:N (cpu)")
    add("--backend", choices=BACKENDS, default="auto", help="what runs the model (%(default)s)")
    add("--share", action="store_true", help="also open a public link, by Gradio")
    return parser


def _host(text: str) -> str:
    return text.strip("[]")  # of an IPv6 address, as it stands in a URL


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
