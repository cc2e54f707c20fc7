"""Calls of the page as nobody should send them: strategies for hypothesis.

Bodies are bytes, so that NaN, halves of surrogate pairs and what is no JSON can be sent, too.
"""

import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from ldm_core import SAMPLERS

from .wild_files import (
    as_uri,
    bad_pictures,
    good_greys,
    good_pictures,
    npz_that_claims,
    with_comment,
)


@dataclass(frozen=True)
class Call:
    """One HTTP request. name: "engine/denoise", "/generate" or "GET data" for example."""

    name: str
    path: str
    body: bytes | None = None  # None: a GET


numbers = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, -1, 0, -0.0, 0.5, 2, 5e-324, 1e308, 1e-9]),
    st.sampled_from([2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 10**400]),
    st.floats(),
    st.integers(),
)
texts = st.one_of(
    st.sampled_from(["", " ", "\0", "\n", "7", "any", "seven", "a bold seven", "nine", "3:7"]),
    st.sampled_from(["1,5, 3,5", "NaN", "1e999", "ddim", "gif", '"', "data:,", "9" * 5000]),
    st.sampled_from(["\ud800", "\udce9:\udfff", "٣", "²", "\u202e7", "é" * 300, "a\r\nb: c"]),
    st.sampled_from(["../../etc/passwd", "/etc/passwd", "{{7*7}}", "%s%n", "<script>"]),
    st.sampled_from(["x" * 10_000, "7, " * 3000, "seven " * 400, "data:image/png;base64,"]),
    st.text(max_size=20),
)
file_data = st.fixed_dictionaries(  # of Gradio, which may take it for a file of the server
    {"path": st.sampled_from(["/etc/passwd", "demo/app.py", "", "\0", "http://127.0.0.1:9/x"])},
    optional={"meta": st.just({"_type": "gradio.FileData"}), "url": texts},
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    st.one_of(leaves, file_data),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["label", "model", "fixed", "request"]), texts),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
deep = st.one_of(
    st.just("[" * 100_000),
    st.builds(
        lambda name, depth: f'{{"{name}": {"[" * depth}{"]" * depth}}}',
        st.sampled_from(["data", "request", "label", "fixed"]),
        st.sampled_from([300, 700, 850]),
    ),
    st.integers(300, 700).map(lambda depth: '{"request":' * depth + "{}" + "}" * depth),
)


# Requests


def good(**changes: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Values that may be asked for; each may be left out."""
    allowed = {
        "label": st.sampled_from([*"0123456789", 3, "any", None]),
        "guidance_scale": st.sampled_from([0, 1, 1.5, 7, 10]),
        "sampler": st.sampled_from(list(SAMPLERS)),
        "seed": st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([5.0, 0, 2**32 - 1])),
        "prompt": st.sampled_from(["", "a bold seven", "thin wide four", "leaning", None]),
        "negative_prompt": st.sampled_from(["", "thin", None]),
        "stroke": st.sampled_from([0, -1, 0.5]),
        "lean": st.sampled_from([0, 1]),
        "width": st.sampled_from([0, 0.1]),
    }
    return st.fixed_dictionaries({"steps": st.integers(1, 3)} | changes, optional=allowed)


def good_morph() -> st.SearchStrategy[dict[str, Any]]:
    point = st.builds("{}:{}".format, st.sampled_from(["3", "bold one", ""]), st.integers(0, 99))
    return st.fixed_dictionaries(
        {"steps": st.just(1), "morph": st.lists(point, min_size=2, max_size=3)},
        optional={"frames": st.integers(2, 3), "loop": st.booleans()},
    )


def good_grid() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "across": st.just("seed"),
            "across_values": st.sampled_from([[1], [1, 2], "3, 4", "7"]),
            "fixed": good(),
        },
        optional={
            "down": st.sampled_from(["guidance_scale", "label", "nothing", "prompt", "eta"]),
            "down_values": st.sampled_from(["0, 1", [0.5], '"a", thin']),
        },
    )


def good_draw() -> st.SearchStrategy[dict[str, Any]]:
    ways = [
        {},
        {"strength": st.sampled_from([0, 0.5, 1])},
        {"invert": st.sampled_from(["7", "", "bold one"])},
        {"mask": good_greys},
    ]
    picture = st.one_of(good_greys, good_pictures)
    return st.one_of(*(good(start_from=picture, **way) for way in ways))


requests = st.one_of(good(), good_morph(), good_grid(), good_draw())


@st.composite
def forged_files(draw) -> bytes:
    settings = draw(st.one_of(requests, values))
    if isinstance(settings, dict) and draw(st.booleans()):
        settings = broken(draw, settings)
    if draw(st.integers(0, 5)) == 0:
        return npz_that_claims(draw(st.sampled_from(["()", "(1,)", "(10**13,)", "(-1,)", "x"])))
    is_grid = isinstance(settings, dict) and "across" in settings
    comment = {"compare": settings} if is_grid else settings
    return with_comment(json.dumps(comment))


# Calls


def broken(draw, body: dict[str, Any]) -> dict[str, Any]:
    """The same with one value replaced, added or taken away, maybe in a part of it."""
    body = dict(body)
    name = draw(st.sampled_from([*body, "model", draw(texts)]))
    if isinstance(body.get(name), dict) and draw(st.booleans()):
        body[name] = broken(draw, body[name])
    elif name in body and draw(st.integers(0, 5)) == 0:
        del body[name]
    elif name in ("start_from", "picture", "mask", "data"):
        body[name] = draw(st.one_of(bad_pictures, values))
    else:
        body[name] = draw(values)
    return body


model_names = st.sampled_from(["digits", "things", "", None, "nobody", "../digits", 7])
ENGINE = {
    "denoise": st.one_of(good(), good_draw()),
    "grid": good_grid(),
    "morph": good_morph(),
    "glance": st.fixed_dictionaries(
        {"request": st.one_of(good(), good_draw())}, optional={"at": st.integers(-1, 4)}
    ),
    "look": st.fixed_dictionaries({"picture": st.one_of(good_greys, good_pictures, bad_pictures)}),
    "check": st.one_of(
        st.fixed_dictionaries({"kind": st.just(kind), "request": asked})
        for kind, asked in {
            "denoise": st.one_of(good(), good_draw()),
            "grid": good_grid(),
            "morph": good_morph(),
        }.items()
    ),
    "open": st.fixed_dictionaries(
        {"data": st.one_of(forged_files().map(as_uri), bad_pictures)}, optional={"name": texts}
    ),
    "file": st.fixed_dictionaries(
        {"request": requests, "format": st.sampled_from(["gif", "png", "webp", "apng", "strip"])},
        optional={
            "show": st.sampled_from(["noisy", "estimate", "both", "latent"]),
            "scale": st.sampled_from([1, 2, None]),
            "frame_ms": st.integers(20, 60_000),
        },
    ),
    "inside": st.one_of(
        st.fixed_dictionaries({"what": what, "picture": good_greys, "request": good()})
        for what in map(st.just, ("noise", "score", "path", "encode"))
    )
    | st.fixed_dictionaries(
        {"what": st.just("decode"), "latent": st.lists(st.floats(-9, 9), min_size=4, max_size=4)}
    ).map(lambda body: body | {"latent": 64 * body["latent"]}),
    "models": st.just({}),
    "paint": values,
}
GRADIO = {
    "generate": good(),
    "draw": good_draw(),
    "morph": good_morph(),
    "compare": good_grid(),
    "animation": st.fixed_dictionaries(
        {"settings": requests}, optional={"format": st.sampled_from(["gif", "png"])}
    ),
}


@st.composite
def calls(draw) -> Call:
    """Mostly a good call with something wrong in it, sometimes a good one, or one beyond repair."""
    name = draw(st.sampled_from([*ENGINE, *GRADIO, "about.json", "data"]))
    if name == "about.json":
        return Call("GET about.json", f"about.json?model={quote_wild(draw(model_names))}")
    if name == "data":
        shown = draw(st.one_of(st.sampled_from(["more", "draw", "training", ".", "%2e%2e"]), texts))
        return Call("GET data", f"data/{quote_wild(shown.replace('/', '-'))[:2000] or '-'}.json")
    body = draw((ENGINE | GRADIO)[name])
    how = draw(st.sampled_from(["good", "broken", "broken", "broken", "wild", "no JSON"]))
    if how == "broken" and isinstance(body, dict):
        for _ in range(draw(st.integers(1, 2))):
            body = broken(draw, body)
    elif how == "wild":
        body = draw(values)
    content = json.dumps(body).encode()
    if how == "no JSON":
        content = draw(st.one_of(deep.map(str.encode), st.binary(max_size=40)))
    if name in ENGINE:
        return Call(f"engine/{name}", f"engine/{name}", content)
    if how == "good" or draw(st.booleans()):
        return Call(f"/{name}", f"gradio_api/call/v2/{name}", content)
    if how != "no JSON":
        listed = draw(st.one_of(st.lists(values, max_size=12), values))
        content = json.dumps({"data": listed}).encode()
    return Call(f"/{name}", f"gradio_api/call/{name}", content)


def quote_wild(value: Any) -> str:
    return quote(str(value), safe="", errors="surrogatepass")
