"""Compare: a grid of images that differ in two values, all else the same."""

import html as text_as_html
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion, UserError

from ..compare import MAX_IMAGE_STEPS, NOTHING, Grid, compares_of, values_of
from ..grid_files import all_pictures, grid_frames, messages, save
from ..layout import STOP, script
from ..parts import html, shown_to_people
from ..prompts import MAX_PROMPT, Words, asks_of
from ..requests import Choice, Value, Whole, labels
from ..runs import Runner, file_data

TITLE = "Compare"
GRID = script("compare.js") + "comparison({ element, props, trigger, watch });"
# Beside the other runs, so that grids keep nobody's Generate waiting. Two, as the MP4 of one grid
# may still be written when the next is asked for.
DRAWS_GRIDS = {"concurrency_id": "grids", "concurrency_limit": 2}


def build(page: gr.Blocks, runner: Runner) -> None:
    model = runner.model
    with gr.Column(elem_id="compare"):
        lessons = lessons_of(model)
        with gr.Row(elem_id="compare-questions"):
            buttons = [gr.Button(title, size="md") for title, *_ in lessons]
        told = gr.HTML(_said("Choose a question, or what differs."), padding=False)
        with gr.Row(elem_id="compare-desk"):
            with gr.Column():
                grid = html("compare.html", value=None, js_on_load=GRID)
            with gr.Column():
                axes, cost, go, fixed = _controls(model, lessons[0])
    inputs = [*axes, *fixed.values()]
    _add_runs(runner, inputs, list(fixed), go, grid)
    _add_cost(model, inputs, list(fixed), cost)
    for button, (_, lesson, *values) in zip(buttons, lessons, strict=True):
        # The controls first, so that they say what is drawn; then as if Compare were pressed.
        button.click(
            lambda lesson=lesson, values=values: [_said(lesson), *values],
            outputs=[told, *axes],
            show_progress="hidden",
            queue=False,
            api_visibility="private",
        ).then(None, js="() => document.querySelector('#compare-go').click()")
    add_endpoint(runner)


def lessons_of(model: LatentDiffusion) -> list[tuple[str, str, str, str, str, str]]:
    """Questions that a grid answers: its title, what to look at, and the values of the axes."""
    classes = ", ".join(list(labels(model))[: min(10, len(model.class_names))])
    some = ", ".join(list(labels(model))[: min(4, len(model.class_names))])
    found = [
        (
            "What guidance does",
            "0 ignores the label; 1 is the plain model; much more draws clearer, and more alike.",
            *("guidance_scale", "0, 1, 2, 3.5, 5, 7, 10", "seed", "1, 2, 3, 4"),
        ),
        (
            "How few steps will do",
            "The same noise, in more and more steps: soon they change little.",
            *("steps", "1, 2, 3, 4, 6, 8, 12, 25", "label", some),
        ),
        (
            "Samplers side by side",
            "The same noise; some go straight, others add noise on their way.",
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
    with gr.Group(elem_id="compare-axes"):
        axes = [
            gr.Dropdown(names, value=start[0], label="Across", filterable=False),
            gr.Textbox(start[1], label="Values across", info="With commas between.", max_lines=1),
            gr.Dropdown(
                [*names, (NOTHING, NOTHING)], value=start[2], label="Down", filterable=False
            ),
            gr.Textbox(start[3], label="Values down", info="With commas between.", max_lines=1),
        ]
    cost = gr.HTML(_cost(model, [*start], []), elem_id="compare-cost", padding=False)
    with gr.Row(elem_id="compare-actions"):
        go = gr.Button("Compare", variant="primary", elem_id="compare-go")
        gr.Button(STOP, elem_id="compare-stop")
    asks = compares_of(asks_of(model)).start(model) | {"prompt": ""}
    fold = gr.Accordion("What stays the same", open=False, elem_id="compare-fixed")
    with fold, gr.Row(elem_classes="fixed"):
        fixed = {name: _field(value, model, asks[name]) for name, value in values.items()}
    return axes, cost, go, fixed


def _field(value: Value, model: LatentDiffusion, start: Any) -> Component:
    """A small field: most people leave it as it is."""
    kind = value.kind
    if isinstance(kind, Choice):
        choices = [(title, text) for text, title in kind.titles(model).items()]
        return gr.Dropdown(choices, value=start, label=value.title, filterable=False)
    if isinstance(kind, Words):
        return gr.Textbox(start, label=value.title, max_lines=1, max_length=MAX_PROMPT)
    precision = 0 if isinstance(kind, Whole) else None
    return gr.Number(start, label=value.title, precision=precision, step=kind.step)


def _said(lesson: str) -> str:
    return f'<p class="lesson" role="status">{lesson}</p>'


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

    def compare(*given) -> Iterator[dict]:
        with shown_to_people():
            yield from messages(runner, _grid(runner.model, list(given), names))

    run = go.click(
        compare,
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
