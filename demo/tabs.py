"""The page in Gradio: its controls, and the parts of demo/web between them.

No event of a control has a Python function. Controls hand their values to `page`, the JavaScript of
demo/web/gradio.js, which asks the server for steps (`api.py`) and shows them. So a visitor has no
session on the server.
"""

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion

from .about import POINTS, starts_of
from .grid import AXES, NOTHING, axes_of
from .request import values_of
from .values import MAX_PROMPT, Amount, Boolean, Choice, Value, Whole, Words
from .web_files import render

GENERATE, STOP, NEW_SEED = "Generate", "Stop", "New seed"
FOLD = "Sampler and negative prompt"
SLIDERS = ("stroke", "lean", "width", "guidance_scale", "steps")  # before what is folded away
WIDE = ("sampler", "prompt", "negative_prompt")  # of what stays the same in a grid: needs room
LEFT_OUT = "left out"  # stands in a point of a morph where nothing is to be drawn
MAX_SLIDER = 1000  # with more values than this, a slider cannot be set to each of them
PLAIN = {
    "html_attributes": gr.InputHTMLAttributes(
        autocapitalize="off", autocorrect="off", spellcheck=False
    )
}
# Gradio runs these events in the browser only.
HERE = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


class Form:
    """The controls of one tab. name: of the tab, as the JavaScript calls it."""

    def __init__(self, name: str, model: LatentDiffusion):
        self.name, self.model = name, model
        self.start = starts_of(model)[name]
        self.made: dict[str, Component] = {}
        self.stage: gr.HTML | None = None

    def add(self, name: str, component: type[Component], **options) -> None:
        """Put the control of a name here."""
        elem_id = name if self.name == "watch" else f"{self.name}-{name}"
        self.made[name] = component(value=self.start[name], elem_id=elem_id, **options)

    def add_value(self, name: str, value: Value, is_small: bool = False, **options) -> None:
        """Put the control of a value here, as its kind demands. is_small: a plain field, for values
        that few people change."""
        kind, about = value.kind, {"label": value.title} | options
        about |= {} if is_small else {"info": value.info or None}
        is_number = isinstance(kind, Whole) and kind.high - kind.low > MAX_SLIDER
        if isinstance(kind, Choice):
            choices = [(title, text) for text, title in kind.titles.items()]
            if kind.keys and not is_small:
                self.add(name, gr.Radio, choices=choices, elem_classes="keys", **about)
            else:
                self.add(name, gr.Dropdown, choices=choices, filterable=False, **about)
        elif isinstance(kind, Words):
            self.add(name, gr.Textbox, max_lines=1, max_length=MAX_PROMPT, **PLAIN, **about)
        elif isinstance(kind, Boolean):
            self.add(name, gr.Checkbox, **about)
        elif is_small or is_number:
            limits = {"minimum": kind.low, "maximum": kind.high} if is_number else {}
            precision = 0 if isinstance(kind, Whole) else None
            self.add(name, gr.Number, precision=precision, step=kind.step, **limits, **about)
        else:
            limits = {"minimum": kind.low, "maximum": kind.high, "step": kind.step, "buttons": []}
            about |= {"elem_classes": "style"} if isinstance(kind, Amount) else {}
            self.add(name, gr.Slider, **limits, **about)

    def add_what(self, name: str, title: str, info: str | None = None, empty: str = "") -> None:
        """Put a control for what a picture shows here, a prompt. empty: what it says where nothing
        is to be drawn."""
        about = {"max_lines": 1, "max_length": MAX_PROMPT, "placeholder": empty or None}
        self.add(name, gr.Textbox, label=title, info=info, **about)

    def part(self, part: str, **known) -> gr.HTML:
        """Put a part of demo/web here: its markup, which its JavaScript takes over."""
        mount = f"page.mount(element, '{self.name}', '{part}', trigger)"
        # The last line tells Gradio of an event that parts trigger.
        on_load = f"page.then((page) => {mount});\n// 'set'"
        return _html(f"{part}.html", on_load, **known)

    def actions(self, button: str = GENERATE, name: str = "generate", live: bool = False) -> None:
        """Put the buttons that begin and stop a run here."""
        prefix = "" if self.name == "watch" else f"{self.name}-"
        with gr.Row(elem_classes="actions"):
            go = gr.Button(button, variant="primary", elem_id=f"{prefix}{name}")
            stop = gr.Button(STOP, elem_id=f"{prefix}stop")
            if live:
                self.part("live")
        self.go, self.stop = go, stop

    def seed_row(self, value: Value) -> None:
        with gr.Row(elem_classes="seed-row"):
            self.add_value("seed", value)
            dice = gr.Button(NEW_SEED, elem_classes="dice")
        dice.click(None, js=self._call("dice"), **HERE)

    def connect(self) -> None:
        """Tell the JavaScript what people do. It hears itself of texts and numbers."""
        values = [self.made[name] for name in self.start]
        self.go.click(None, inputs=values, js=self._call("generate", "values"), **HERE)
        self.stop.click(None, js=self._call("stop"), **HERE)
        for name, control in self.made.items():
            if not isinstance(control, gr.Textbox | gr.Slider | gr.Number):
                js = self._call("changed", f"'{name}', values")
                control.input(None, inputs=values, js=js, **HERE)
        # Links, opened files and the like set the controls: the part on the stage triggers that.
        js = f"() => page.then((page) => page.values('{self.name}'))"
        self.stage.set(None, outputs=values, js=js, **HERE)

    def _call(self, what: str, more: str = "") -> str:
        given = f"'{self.name}', {more}" if more else f"'{self.name}'"
        return f"(...values) => {{ page.then((page) => page.{what}({given})) }}"


def _html(template: str, js_on_load: str | None = None, **known) -> gr.HTML:
    html = render(template, **known)
    return gr.HTML(html_template=html, js_on_load=js_on_load, apply_default_css=False)


def build_tabs(model: LatentDiffusion, several: bool) -> None:
    """Fill the page that is being built."""
    _html("header.html", browser=False)
    if several:
        _html("models.html", "page.then((page) => page.mount(element, 'watch', 'models', trigger))")
    with gr.Tabs():
        for title, build in TABS.items():
            # The id is what the button of the tab says that it controls.
            with gr.Tab(title, elem_id=f"tab-{title.lower()}"):
                build(model)


def _watch(model: LatentDiffusion) -> None:
    form = Form("watch", model)
    values = {n: v for n, v in values_of(model, "denoise").items() if n in form.start}
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            form.stage = form.part("player")
            form.part("more")
            form.part("takeaway")
        with gr.Column(elem_classes="controls"):
            form.add_value("prompt", values.pop("prompt"))
            form.part("prompt")
            form.add_value("label", values.pop("label"))
            form.actions(live=True)
            seed = values.pop("seed")
            with gr.Column(elem_classes="sliders"):
                for name in [name for name in SLIDERS if name in values]:
                    form.add_value(name, values.pop(name))
            gr.Button(FOLD, elem_classes="fold")
            with gr.Column(elem_classes="more-settings"):
                for name, value in values.items():
                    form.add_value(name, value)
                    if name == "negative_prompt":
                        form.part("negative")
            form.seed_row(seed)
    form.connect()
    _html("how.html", browser=False)


def _compare(model: LatentDiffusion) -> None:
    form, values = Form("compare", model), axes_of(model)
    form.part("questions")
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            form.stage = form.part("compare")
        with gr.Column(elem_classes="controls"):
            with gr.Column(elem_classes="axes"):
                for axis in (AXES[:2], AXES[2:]):
                    choices = [(value.title, name) for name, value in values.items()]
                    choices += [(NOTHING, NOTHING)] if axis[0] == "down" else []
                    title = axis[0].capitalize()
                    form.add(axis[0], gr.Dropdown, choices=choices, label=title, filterable=False)
                    about = {
                        "label": f"Values {axis[0]}",
                        "info": 'With commas between; "quotes" hold a comma.',
                    }
                    form.add(axis[1], gr.Textbox, max_lines=1, **about)
            form.part("cost")
            form.actions("Compare", "go")
            with gr.Accordion("What stays the same", open=False, elem_id="compare-fixed"):
                for name in sorted(values, key=lambda name: name in WIDE):
                    form.add_value(name, values[name], is_small=True)
    form.connect()


def _draw(model: LatentDiffusion) -> None:
    form = Form("draw", model)
    values = values_of(model, "draw")
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            form.stage = form.part("player")
            form.part("seen")
        with gr.Column(elem_classes="controls"):
            form.part("draw")
            form.add_value("prompt", values["prompt"])
            with gr.Column(elem_classes="starts"):
                form.add_value("strength", values["strength"])
                form.add_what("invert", values["invert"].title, values["invert"].info)
            form.actions()
            for name in ("guidance_scale", "steps"):
                form.add_value(name, values[name])
            form.seed_row(values["seed"])
    form.connect()


def _morph(model: LatentDiffusion) -> None:
    form = Form("morph", model)
    values, seed = values_of(model, "morph"), values_of(model, "denoise")["seed"].kind
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            form.stage = form.part("player")
        with gr.Column(elem_classes="controls"):
            for i in range(1, POINTS + 1):
                with gr.Row(elem_classes="point"):
                    form.add_what(f"what_{i}", f"Point {i}", empty=LEFT_OUT)
                    limits = {"precision": 0, "minimum": seed.low, "maximum": seed.high}
                    form.add(f"seed_{i}", gr.Number, label=f"Seed {i}", **limits)
            form.actions()
            for name in ("frames", "loop", "guidance_scale", "steps"):
                form.add_value(name, values[name])
    form.connect()


def _train(model: LatentDiffusion) -> None:
    on_load = "page.then((page) => page.mount(element, 'train', 'train', trigger))"
    _html("train.html", on_load)


def _inside(model: LatentDiffusion) -> None:
    on_load = "page.then((page) => page.mount(element, 'watch', 'inside', trigger))"
    _html("inside.html", on_load)


TABS = {
    "Watch": _watch,
    "Compare": _compare,
    "Draw": _draw,
    "Morph": _morph,
    "Inside": _inside,
    "Train": _train,
}
