"""Builds the page from its tabs, and serves it.

`python -m demo` runs it; a Space runs it as `python demo/app.py`.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # `python demo/app.py` looks for modules in demo/ only
    sys.path.insert(0, str(ROOT))

# Read when Gradio is imported, or a page is built.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Its statistics are kept of 10,000 calls, and made anew, with pandas, after each.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")

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
from PIL import Image  # noqa: E402

from demo.about import about  # noqa: E402
from demo.api import Api  # noqa: E402
from demo.endpoints import Page, add_endpoints, server_options  # noqa: E402
from demo.models import Models  # noqa: E402
from demo.run import Runner  # noqa: E402
from demo.serving import check_address, own_folder, serve  # noqa: E402
from demo.tabs import build_tabs  # noqa: E402
from demo.web_files import STYLES, modules, read, script_json  # noqa: E402
from demo.zero_gpu import drawn_on_lent_gpu  # noqa: E402
from ldm_core import BACKENDS, LatentDiffusion  # noqa: E402
from ldm_core.command_line import WEIGHTS, Parser, complain, exit_status  # noqa: E402
from ldm_core.files.hub import weights_folder  # noqa: E402

PROGRAM = "python -m demo"
ENTRY = "gradio.js"  # of demo/web; its one global is `page`, a promise
PAGE = """window.page = import(new URL("web/gradio.js", new URL(
  location.pathname.replace(/\\/?$/, "/"), location.origin)));"""
MAX_SESSIONS = 100  # of scripts that Gradio remembers; visitors of the page have none
MAX_CALLS = 100  # of scripts at once: more than the waiting lines hold, which refuse the rest
LOOKS_EVERY_S = 0.005  # for calls of scripts; Gradio would look every millisecond, also when idle
MAX_PIXELS = 16_000_000  # of a picture: one of a few kB may have them, and several come at once
MAX_UPLOAD = "1mb"  # by Gradio's own way, which the page does not use


def build(models: Models) -> tuple[gr.Blocks, dict]:
    """The page around its models, and the options with which Gradio must launch it."""
    with Page(
        title="Miniature Stable Diffusion",
        analytics_enabled=False,
    ) as page:
        api = Api(models, Path(page.GRADIO_CACHE) / "runs")
        build_tabs(models.first.model, models.several)
        add_endpoints(api)
        started = "() => { page.then((page) => page.start()) }"
        page.load(None, js=started, queue=False, api_visibility="private")
    page.queue(max_size=MAX_CALLS, api_open=False)  # a ZeroGPU Space would have 1
    page._queue.sleep_when_free = LOOKS_EVERY_S
    return page, _launch_options(api)


def _launch_options(api: Api) -> dict:
    known = script_json(about(api.models.first, api.models.several))
    head = [
        # `css` would rewrite selectors
        f"<style>{''.join(map(read, (*STYLES, 'gradio.css')))}</style>",
        *(f'<link rel="modulepreload" href="web/{name}">' for name in modules(ENTRY)),
        f'<script type="application/json" id="about">{known}</script>',
        f"<script>{PAGE}</script>",
    ]
    return {
        "theme": gr.themes.Base(
            font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
        ),
        "head": "\n".join(head),
        "footer_links": ["api"],
        "run_history": False,  # a run is repeated from its settings, which its link holds
        "ssr_mode": False,
        "app_kwargs": server_options(api),
        "state_session_capacity": MAX_SESSIONS,
        "max_file_size": MAX_UPLOAD,
        "max_threads": MAX_CALLS,
    }


def main(argv: list[str] | None = None) -> NoReturn:
    """Serve the page until Ctrl-C.

    Exits with status 2 and one line if the page cannot be served, with status 130 after Ctrl-C.
    """
    args = _parser().parse_args(argv)
    sys.exit(exit_status(PROGRAM, lambda: _serve(args), interrupted="stopped"))


def _serve(args: argparse.Namespace) -> None:
    check_address(args.host, args.port)  # before the model is loaded, which takes seconds
    models = Models(weights_folder(args.weights), partial(_load, args))
    for name, problem in models.left_out.items():
        complain(PROGRAM, f"{name} is left out. {problem}")
    # After loading, because ONNX Runtime makes good use of all cores. In PyTorch a second thread
    # gains little for one image on an idle machine. On a busy machine the threads wait for each
    # other at every layer, and a run takes minutes.
    torch.set_num_threads(1)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    if SPACES:
        models.first.elsewhere = drawn_on_lent_gpu(SPACES, models.first.folder)
    with own_folder() as folder:
        page, options = build(models)
        options["mcp_server"] = args.mcp
        serve(page, models, args.host, args.port, folder, args.share, **options)


def _load(args: argparse.Namespace, folder: Path, name: str) -> Runner:
    return Runner(LatentDiffusion.load(folder, args.device, args.backend), name, folder)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Serve the page.")
    add = parser.add_argument
    add("--host", default=HOST, type=_host, help="address to listen on (%(default)s)")
    add("--port", default=PORT, type=_port, help="port to listen on (%(default)s)")
    add("--weights", **WEIGHTS | {"default": ROOT / "weights"})
    add("--device", default="cpu", help="auto (a GPU if there is one), cpu, cuda or cuda:N (cpu)")
    add("--backend", choices=BACKENDS, default="auto", help="what runs the model (%(default)s)")
    add("--share", action="store_true", help="also open a public link, by Gradio")
    add("--mcp", action="store_true", help="also serve assistants, by the Model Context Protocol")
    return parser


def _host(text: str) -> str:
    return text.strip("[]")  # of an IPv6 address, as it stands in a URL


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
