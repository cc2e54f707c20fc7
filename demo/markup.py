"""The controls as HTML, for a page without Gradio: in the markup of Gradio's own controls, so that
one style fits both."""

from html import escape
from typing import Any

from ldm_core import LatentDiffusion

from .layout import FOLD, GENERATE, MAX_SLIDER, NEW_SEED, SLIDERS, STOP, read
from .prompts import MAX_PROMPT, Amount, Words
from .requests import Choice, Request, Value, Whole


def controls(model: LatentDiffusion, asks: type[Request]) -> str:
    """All controls of a request, as `tabs.watch` lays them out."""
    start = asks.start(model)
    made = {n: control(n, value, model, start[n]) for n, value in asks.values().items()}
    rest = {name: html for name, html in made.items() if name not in ("label", "seed")}
    generate = _button("generate", GENERATE, "primary") + _button("stop", STOP)
    parts = [made["label"], f'<div id="actions">{generate}{read("live.html")}</div>']
    if "prompt" in rest:
        parts = [rest.pop("prompt"), read("prompt.html"), *parts]
        sliders = "".join(rest.pop(name) for name in SLIDERS)
        parts += [f'<div id="sliders"><div class="form">{sliders}</div></div>']
        parts += [_button("fold", FOLD)]
        rest["negative_prompt"] += read("negative.html")
        parts += [f'<div id="more">{"".join(rest.values())}</div>']
    else:
        parts += rest.values()
    parts += [f'<div id="seed-row">{made["seed"]}{_button("dice", NEW_SEED)}</div>']
    return "".join(parts)


def control(name: str, value: Value, model: LatentDiffusion, start: Any) -> str:
    kind, title = value.kind, escape(value.title)
    head = f'<span data-testid="block-info">{title}</span>'
    if value.info:
        head += f'<div class="info-text">{escape(value.info)}</div>'
    if isinstance(kind, Choice) and kind.keys:
        keys = "".join(_key(name, *choice, start) for choice in kind.titles(model).items())
        group = f'id="{name}" class="block" role="radiogroup" aria-label="{title}"'
        return f'<fieldset {group}>{head}<div class="wrap">{keys}</div></fieldset>'
    if isinstance(kind, Choice):
        options = "".join(_option(*choice, start) for choice in kind.titles(model).items())
        return _field(name, head, f'<select aria-label="{title}">{options}</select>')
    if isinstance(kind, Words):
        plain = 'autocapitalize="off" autocomplete="off" autocorrect="off" spellcheck="false"'
        text = f'<input type="text" maxlength="{MAX_PROMPT}" value="{escape(start)}" {plain}'
        return _field(name, head, f'{text} aria-label="{title}">')
    limits = f'min="{kind.low}" max="{kind.high}" step="{kind.step}" value="{start:g}"'
    if isinstance(kind, Whole) and kind.high - kind.low > MAX_SLIDER:
        limits += f' inputmode="numeric" aria-label="{title}"'
        return _field(name, head, f'<input type="number" {limits}>')
    if isinstance(kind, Amount) and name not in model.vocabulary.styles:
        return ""
    share = (start - kind.low) / (kind.high - kind.low)
    limits += f' style="--range_progress: {share:.2%}"'  # where the slider's colour changes
    classes = "block style" if isinstance(kind, Amount) else "block"
    return _slider(name, head, title, limits, classes)


def _field(name: str, head: str, field: str) -> str:
    return f'<div id="{name}" class="block"><label class="container">{head}{field}</label></div>'


def _slider(name: str, head: str, title: str, limits: str, classes: str) -> str:
    number = f'<input type="number" {limits} aria-label="number input for {title}">'
    slider = f'<input type="range" {limits} id="{name}-slider"'
    return (
        f'<div id="{name}" class="{classes}"><div class="wrap"><div class="head">'
        f'<label for="{name}-slider">{head}</label><div class="tab-like-container">{number}</div>'
        f'</div><div class="slider_input_container">{slider} aria-label="range slider for {title}">'
        "</div></div></div>"
    )


def _key(name: str, text: str, title: str, start: str) -> str:
    chosen, mark = (" checked", ' class="selected"') if text == start else ("", "")
    field = f'<input type="radio" name="{name}" value="{escape(text)}"{chosen}>'
    return f"<label{mark}>{field}<span>{escape(title)}</span></label>"


def _option(text: str, title: str, start: str) -> str:
    chosen = " selected" if text == start else ""
    return f'<option value="{escape(text)}"{chosen}>{escape(title)}</option>'


def _button(name: str, title: str, kind: str = "secondary") -> str:
    return f'<button id="{name}" class="{kind}" type="button">{title}</button>'
