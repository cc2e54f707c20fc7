"""The page: layout and events. `python demo/app.py` (as a Space runs it) or `python -m demo`."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when a page is built

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a file, Python looks in demo/ only
    sys.path.insert(0, str(ROOT))

import gradio as gr  # noqa: E402
import torch  # noqa: E402

from demo import generation  # noqa: E402
from demo.generation import (  # noqa: E402
    ANY,
    MAX_GUIDANCE_SCALE,
    MAX_STEPS,
    RequestError,
    Run,
)
from ldm_core import (  # noqa: E402
    BACKENDS,
    MAX_SEED,
    SAMPLERS,
    CheckpointError,
    LatentDiffusion,
    SamplingSettings,
    weights_of,
)

PAGE = Path(__file__).parent / "page"
STYLES = ("theme.css", "layout.css", "player.css", "controls.css")
SAMPLER_NAMES = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "dpmpp_2m": "DPM-Solver++ (2M)",
    "dpmpp_2m_sde": "DPM-Solver++ (2M, SDE)",
    "unipc": "UniPC",
}
KEEP_FILES_S = 3600  # how long a finished file can be fetched
MAX_WAITING = 20  # runs of a second or so each: nobody waits longer than that for a digit
# As many runs at once as there are cores (see `main`).
RUNS = {"concurrency_id": "runs", "concurrency_limit": os.cpu_count()}


class Controls(NamedTuple):
    values: list[gr.components.Component]  # the five values of a request, in their order
    seed: gr.Number  # the last of them
    generate: gr.Button
    dice: gr.Button


def build(model: LatentDiffusion) -> gr.Blocks:
    """The page around a model, to be launched with `launch_options`."""
    weights = weights_of(model)
    with gr.Blocks(
        title="Miniature Stable Diffusion",
        analytics_enabled=False,
        delete_cache=(KEEP_FILES_S // 4, KEEP_FILES_S),
    ) as page:
        folder = Path(page.GRADIO_CACHE) / "runs"
        _html("header.html")
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="stage"):
                player = _html(
                    "player.html", value=generation.example(model), js_on_load=_read("player.js")
                )
            with gr.Column(elem_id="controls"):
                controls = _controls(model.class_names)
        _html("how.html")
        _connect(model, folder, weights, player, controls)
        page.load(None, js=_read("page.js"))
        _add_links(page, model, controls)
        _add_endpoint(model, folder, weights)
    return page.queue(max_size=MAX_WAITING, api_open=False)


def launch_options() -> dict:
    """The looks of the page, which Gradio takes when it is launched."""
    styles = "".join(map(_read, STYLES))
    return {
        "theme": gr.themes.Base(
            font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
        ),
        "head": f"<style>{styles}</style>",  # `css` would rewrite selectors and drop media queries
        "footer_links": ["api"],
        "run_history": False,  # a run is repeated from its settings, which its link holds
        "ssr_mode": False,
    }


def main(argv: list[str] | None = None) -> None:
    """Serve the page; exits with a message a person understands if that cannot be done."""
    args = _parse(argv)
    try:
        model = LatentDiffusion.load(args.weights, backend=args.backend)
    except (CheckpointError, ValueError) as error:
        sys.exit(str(error))
    # After loading, as ONNX Runtime makes good use of all cores. To PyTorch one image is too little
    # work for two: sharing it gains a little on an idle machine, and on a busy one, where each
    # waits for the other at every layer, a run takes minutes.
    torch.set_num_threads(1)
    page = build(model)
    try:
        page.launch(
            server_name=args.host, server_port=args.port, share=args.share, **launch_options()
        )
    except OSError as error:
        sys.exit(
            f"Cannot serve at {args.host}:{args.port}; the port may be taken. "
            f"Choose another with --port. ({error})"
        )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Serve the page.")
    # A Space says where to listen through the environment.
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    parser.add_argument("--host", default=host, help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=port, type=_port, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--weights", default=ROOT / "weights", help="folder of the checkpoints (%(default)s)"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="what runs the model")
    parser.add_argument("--share", action="store_true", help="also open a public link, by Gradio")
    return parser.parse_args(argv)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _controls(class_names: tuple[str, ...]) -> Controls:
    start = generation.default_values(class_names)
    label = gr.Radio(
        [*class_names, ANY],
        value=start["label"],
        label="Label",
        info=f"What to draw; “{ANY}” leaves it to the model.",
        elem_id="label",
    )
    with gr.Row(elem_id="actions"):
        generate = gr.Button("Generate", variant="primary", elem_id="generate")
        gr.Button("Stop", elem_id="stop")
    guidance_scale = gr.Slider(
        0,
        MAX_GUIDANCE_SCALE,
        value=start["guidance_scale"],
        step=0.1,
        label="Guidance scale",
        info="Pull of the label: 0 ignores it, high exaggerates it.",
        buttons=[],
    )
    steps = gr.Slider(
        1,
        MAX_STEPS,
        value=start["steps"],
        step=1,
        label="Steps",
        info="More steps take longer and give cleaner strokes.",
        buttons=[],
    )
    sampler = gr.Dropdown(
        [(SAMPLER_NAMES.get(name, name), name) for name in SAMPLERS],
        value=start["sampler"],
        label="Sampler",
        info="The rule of a step: another way out of the same noise.",
        filterable=False,
    )
    with gr.Row(elem_id="seed-row"):
        seed = gr.Number(
            start["seed"],
            precision=0,
            minimum=0,
            maximum=MAX_SEED,
            label="Seed",
            info="The first noise: same seed and settings, same picture.",
            elem_id="seed",
        )
        dice = gr.Button("New seed", elem_id="dice")
    return Controls([label, guidance_scale, steps, sampler, seed], seed, generate, dice)


def _connect(
    model: LatentDiffusion, folder: Path, weights: str, player: gr.HTML, controls: Controls
) -> None:
    """Generate, Stop and the dice. The player (player.js) listens to the buttons by itself."""

    def stream(*values) -> Iterator[Run]:
        with _shown_to_people():
            request = generation.check_request(model.class_names, *values)
            frames = generation.denoise_frames(model, request)
            yield from generation.progress(frames, request, folder, weights)

    run = controls.generate.click(
        stream,
        inputs=controls.values,
        outputs=player,
        preprocess=False,  # check_request sees all that was sent, and says more than Gradio would
        show_progress="hidden",
        api_visibility="private",
        # "once" would drop a press while Gradio still cancels the run before; while a run goes on,
        # the player lets no press through.
        trigger_mode="multiple",
        **RUNS,
    )
    run.failure(None, js="() => document.dispatchEvent(new Event('run-failed'))")
    player.cancel(None, cancels=run)  # what Stop makes the player trigger, as soon as it can
    controls.dice.click(
        None, outputs=controls.seed, js="() => crypto.getRandomValues(new Uint32Array(1))[0]"
    )


def _add_links(page: gr.Blocks, model: LatentDiffusion, controls: Controls) -> None:
    """A link whose query string holds settings sets the controls."""

    def read_link(request: gr.Request):
        unchanged = [gr.skip()] * len(controls.values)
        try:
            asked = generation.check_link(model.class_names, request.query_params)
        except RequestError as error:
            gr.Warning(f"This link does not work. {error}")
            return unchanged
        return list(asked.to_dict().values()) if asked else unchanged

    page.load(
        read_link,
        outputs=controls.values,
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )


def _add_endpoint(model: LatentDiffusion, folder: Path, weights: str) -> None:
    """/generate, for scripts."""
    defaults = SamplingSettings()

    def generate(
        label: str = ANY,
        guidance_scale: float = defaults.guidance_scale,
        steps: int = defaults.steps,
        sampler: str = defaults.sampler,
        seed: int = 0,
    ) -> tuple[gr.FileData, gr.FileData, dict]:
        """Draw one image. Returns it as a PNG of 28x28 pixels, the animation of all its steps as a
        GIF, and the settings, which draw the same image again."""
        with _shown_to_people():
            request = generation.check_request(
                model.class_names, label, guidance_scale, steps, sampler, seed
            )
            frames = [frame.x_t for frame in generation.denoise_frames(model, request)]
        png = generation.save_png(frames[-1], request, folder, weights)
        gif = generation.save_gif(frames, request, folder, weights)
        return generation.file_data(png), generation.file_data(gif), request.to_dict()

    gr.api(generate, api_name="generate", **RUNS)


@contextmanager
def _shown_to_people():
    """Gradio shows the text of a gr.Error only; any other error is just "Error" to a person."""
    try:
        yield
    except RequestError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _html(name: str, **options) -> gr.HTML:
    """A part of the page with markup and style of its own; its value never changes its markup."""
    return gr.HTML(html_template=_read(name), apply_default_css=False, padding=False, **options)


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
