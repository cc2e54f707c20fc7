"""Compare: a grid of images that differ in two values, all else the same."""

import html as text_as_html
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion, UserError

from ..compare import ACROSS, DOWN, MAX_IMAGE_STEPS, NOTHING, Grid, compares_of, values_of
from ..grid_files import all_pictures, as_mp4, grid_frames, messages, save
from ..layout import STOP, read, script
from ..parts import html, shown_to_people
from ..prompts import MAX_PROMPT, Words, asks_of
from ..requests import Choice, Value, Whole, labels
from ..runs import Runner, file_data

TITLE = "Compare"
GRID = script("compare.js") + "comparison({ element, props, trigger, watch, server });"
PRESS = "() => document.querySelector('#compare-go').click()"
# Beside the other runs, so that grids keep nobody's Generate waiting.
DRAWS_GRIDS = {"concurrency_id": "grids", "concurrency_limit": 1}
WHAT = "A grid of pictures that differ in two values, all else the same."
WIDE = ("sampler", "prompt", "negative_prompt")  # what stays the same, and needs room


def build(page: gr.Blocks, runner: Runner) -> None:
    model = runner.model
    lessons = lessons_of(model)
    with gr.Row(elem_id="compare-questions"):
        buttons = [gr.Button(title, size="md") for title, *_ in lessons]
    told = gr.HTML(_said(WHAT), padding=False, apply_default_css=False)
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            grid = html(
                "compare.html", value=None, js_on_load=GRID, server_functions=[_filmer(runner)]
            )
        with gr.Column(elem_classes="controls", elem_id="compare"):
            axes, cost, go, fixed = _controls(model, lessons[0])
    inputs = [*axes, *fixed.values()]
    _add_runs(runner, inputs, list(fixed), go, grid)
    _add_cost(model, inputs, list(fixed), cost)
    for button, (title, lesson, *values) in zip(buttons, lessons, strict=True):
        said = _said(lesson, title)
        # The controls first, so that they say what is drawn; then as if Compare were pressed.
        button.click(
            lambda said=said, values=values: [said, *values],
            outputs=[told, *axes],
            show_progress="hidden",
            queue=False,
            api_visibility="private",
        ).then(None, js=PRESS)
    # What a question says is not true of other axes.
    gr.on([axis.input for axis in axes], None, outputs=told, js=f"() => '{_said(WHAT)}'")
    _add_link(page, model, axes, fixed)
    add_endpoint(runner)


def lessons_of(model: LatentDiffusion) -> list[tuple[str, str, str, str, str, str]]:
    """Questions that a grid answers: its title, what to look at, and the values of the axes."""
    classes = ", ".join(list(labels(model))[: min(10, len(model.class_names))])
    some = ", ".join(list(labels(model))[: min(4, len(model.class_names))])
    found = [
        (
            "What guidance does",
            "0 ignores the label, 1 is the model alone, more pulls harder. What still changes?",
            *("guidance_scale", "0, 1, 2, 3.5, 5, 7, 10", "seed", "1, 2, 3, 4"),
        ),
        (
            "How few steps will do",
            "The same noise, in more and more steps: soon they change little.",
            *("steps", "1, 2, 3, 4, 6, 8, 12, 25", "label", some),
        ),
        (
            "Samplers side by side",
            "The same noise. DDPM and SDE add more of it on their way, and end elsewhere.",
            *("sampler", ", ".join(_samplers(model)), "label", some),
        ),
        (
            "Ten digits, one noise",
            "Each row begins with one noise: look for what the digits have in common.",
            *("label", classes, "seed", "1, 2, 3, 4, 5"),
        ),
    ]
    if model.vocabulary and model.vocabulary.styles:
        found.append(
            (
                "What each word does",
                "The first column says no word of style; each other one says one more.",
                *("prompt", ", ".join(_words(model)), "label", some),
            )
        )
    return found


def _samplers(model: LatentDiffusion) -> list[str]:
    return list(values_of(model)["sampler"].kind.titles(model))


def _words(model: LatentDiffusion) -> Iterator[str]:
    vocabulary = model.vocabulary
    yield "a"
    for name in vocabulary.styles:
        for third in (-1, 1):
            yield vocabulary.write(vocabulary.phrases(name, third)[0])


def _controls(
    model: LatentDiffusion, lesson: tuple
) -> tuple[list[Component], gr.HTML, gr.Button, dict[str, Component]]:
    values = values_of(model)
    names = [(value.title, name) for name, value in values.items()]
    _, _, *start = lesson
    with gr.Column(elem_id="compare-axes"):
        axes = [
            gr.Dropdown(names, value=start[0], label="Across", filterable=False),
            gr.Textbox(start[1], label="Values across", info="With commas between.", max_lines=1),
            gr.Dropdown(
                [*names, (NOTHING, NOTHING)], value=start[2], label="Down", filterable=False
            ),
            gr.Textbox(start[3], label="Values down", info="With commas between.", max_lines=1),
        ]
    cost = gr.HTML(
        _cost(model, [*start], []),
        elem_id="compare-cost",
        padding=False,
        apply_default_css=False,
    )
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Compare", variant="primary", elem_id="compare-go")
        gr.Button(STOP, elem_id="compare-stop")
    start = _start(model)
    with gr.Accordion("What stays the same", open=False, elem_id="compare-fixed"):
        order = sorted(values, key=lambda name: name in WIDE)
        fixed = {name: _field(name, values[name], model, start[name]) for name in order}
    return axes, cost, go, fixed


def _start(model: LatentDiffusion) -> dict[str, Any]:
    """What stays the same at first: the label says what is drawn, as axes of words add to it."""
    return compares_of(asks_of(model)).start(model) | {"prompt": ""}


def _field(name: str, value: Value, model: LatentDiffusion, start: Any) -> Component:
    """A small field: most people leave it as it is."""
    kind = value.kind
    about = {"value": start, "label": value.title, "elem_classes": "wide" if name in WIDE else None}
    if isinstance(kind, Choice):
        choices = [(title, text) for text, title in kind.titles(model).items()]
        return gr.Dropdown(choices, filterable=False, **about)
    if isinstance(kind, Words):
        return gr.Textbox(max_lines=1, max_length=MAX_PROMPT, **about)
    precision = 0 if isinstance(kind, Whole) else None
    return gr.Number(precision=precision, step=kind.step, **about)


def _said(lesson: str, title: str = "") -> str:
    return f'<p class="lesson" role="status"><b>{title}</b> {lesson}</p>'


def _grid(model: LatentDiffusion, given: list, names: list[str]) -> Grid:
    return Grid.check(model, *given[:4], dict(zip(names, given[4:])))


def _cost(model: LatentDiffusion, given: list, names: list[str]) -> str:
    try:
        said, wrong = _grid(model, given, names).cost() + f", of {MAX_IMAGE_STEPS} at most.", ""
    except UserError as error:
        said, wrong = str(error), " data-wrong"
    return f'<p class="cost"{wrong} role="status">{text_as_html.escape(said)}</p>'


def _add_cost(model: LatentDiffusion, inputs: list, names: list[str], cost: gr.HTML) -> None:
    """What the grid would cost, or what is wrong, is said while the controls are used."""
    gr.on(
        [control.change for control in inputs],
        lambda *given: _cost(model, list(given), names),
        inputs=inputs,
        outputs=cost,
        preprocess=False,
        show_progress="hidden",
        trigger_mode="always_last",
        queue=False,
        api_visibility="private",
    )


def _add_runs(runner: Runner, inputs: list, names: list[str], go: gr.Button, grid: gr.HTML) -> None:
    """Compare and Stop; the grid (compare.js) listens to both buttons, too."""

    def stream(*given) -> Iterator[dict]:
        with shown_to_people():
            yield from messages(runner, _grid(runner.model, list(given), names))

    run = go.click(
        stream,
        inputs=inputs,
        outputs=grid,
        preprocess=False,  # the grid checks all that was sent, and says more than Gradio would
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",  # as of Generate, see `watch.py`
        **DRAWS_GRIDS,
    )
    run.failure(None, js="() => document.dispatchEvent(new Event('compare-failed'))")
    grid.cancel(None, cancels=run)


def _add_link(
    page: gr.Blocks, model: LatentDiffusion, axes: list[Component], fixed: dict[str, Component]
) -> None:
    """A link to a grid sets the controls, and draws it."""

    def read_link(request: gr.Request):
        try:
            grid = Grid.from_link(model, request.query_params)
        except UserError as error:
            raise gr.Error(f"This link does not work. {error}", print_exception=False) from error
        if grid is None:
            return [gr.skip()] * (len(axes) + len(fixed))
        link, start = grid.link(), _start(model)
        chosen = [link.get(name, NOTHING if name == "down" else "") for name in (*ACROSS, *DOWN)]
        return [*chosen, *(grid.fixed.get(name, start[name]) for name in fixed)]

    page.load(None, js=read("compare_link.js")).then(
        read_link,
        outputs=[*axes, *fixed.values()],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    ).success(None, js=f"() => new URLSearchParams(location.search).has('across') && ({PRESS})()")


def _filmer(runner: Runner) -> Callable[[dict], dict[str, str]]:
    """What the grid asks for the MP4 of a link. One at a time, as Gradio does not queue this."""
    busy = Lock()

    def film(link: dict) -> dict[str, str]:
        if not busy.acquire(blocking=False):
            return {"refused": "Another MP4 is being made: press again in a few seconds."}
        try:
            asked = {ACROSS[0]: ""} | (link if isinstance(link, dict) else {})
            return {"mp4": as_mp4(runner, Grid.from_link(runner.model, asked))}
        except UserError as error:
            return {"refused": str(error)}
        finally:
            busy.release()

    return film


def add_endpoint(runner: Runner) -> None:
    """Add /compare to the page that is being built."""

    def compare(
        across: str,
        across_values: str | list,
        down: str = NOTHING,
        down_values: str | list = "",
        fixed: dict | None = None,
    ) -> tuple[gr.FileData, gr.FileData, list]:
        """Draw a labelled grid of images that differ in one or two values. across, down: the name
        of a value of /generate, or eta. Their values: a list, or a text with commas. fixed: values
        of all cells, by name. Returns the grid as a PNG, the animation of its steps as a GIF, and
        the settings of each cell, row by row."""
        with shown_to_people():
            grid = Grid.check(runner.model, across, across_values, down, down_values, fixed)
            frames = grid_frames(grid, all_pictures(runner, grid))
            png, gif = (save(runner, grid, frames, ending) for ending in (".png", ".gif"))
            return file_data(png), file_data(gif), [cell.settings() for cell in grid.cells]

    gr.api(compare, api_name="compare", **DRAWS_GRIDS)
