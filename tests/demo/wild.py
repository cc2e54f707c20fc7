"""Calls of the page as nobody should send them: strategies for hypothesis.

What is good comes from the page's own table of values; then something in it is broken. Bodies are
bytes, so that NaN, halves of surrogate pairs and what is no JSON can be sent, too.
"""

import base64
import io
import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from demo import values as kinds
from demo.draw import Mask, Picture
from demo.request import values_of

from .values import with_words


@dataclass(frozen=True)
class Call:
    """One HTTP request. name: "engine/denoise", "/generate" or "GET data" for example."""

    name: str
    path: str
    body: bytes | None = None  # None: a GET


# Any JSON

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
names = st.one_of(st.sampled_from(["label", "model", "fixed", "request"]), texts)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, file_data),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
deep = st.one_of(
    st.just("[" * 100_000),
    st.integers(300, 850).map(lambda depth: f'{{"request": {"[" * depth}{"]" * depth}}}'),
    st.integers(300, 700).map(lambda depth: '{"request":' * depth + "{}" + "}" * depth),
)

# Pictures


@cache
def picture_files() -> list[bytes]:
    """Small pictures in several formats; the last claims a huge size."""
    grey = np.zeros((61, 90), np.uint8)
    grey[12:44, 30:38] = 255
    files = [io.BytesIO() for _ in range(6)]
    for file, format in zip(files, ("PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"), strict=True):
        Image.fromarray(grey).save(file, format)
    return [*(file.getvalue() for file in files), b"P5 2000000000 2000000000 255\n"]


def as_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


@st.composite
def damaged(draw) -> bytes:
    content = bytearray(draw(st.sampled_from(picture_files())))
    at = draw(st.integers(0, len(content) - 1))
    content[at : draw(st.sampled_from([at, at + 1, len(content)]))] = draw(st.binary(max_size=9))
    return bytes(content)


greys = st.integers(3, 20).map(
    lambda row: base64.b64encode((bytes(28 * row) + b"\xff" * 112).ljust(784, b"\0")).decode()
)
pictures = greys | st.deferred(lambda: st.sampled_from(picture_files()[:-1])).map(as_uri)
bad_pictures = st.one_of(
    damaged().map(as_uri),
    st.binary(max_size=60).map(as_uri),
    st.binary(max_size=900).map(lambda content: base64.b64encode(content).decode()),
)

# Requests

PROMPTS = st.sampled_from(["", "a bold seven", "thin wide four", "leaning"])
POINTS = st.builds("{}:{}".format, PROMPTS, st.integers(0, 99))


def allowed(kind: kinds.Kind) -> st.SearchStrategy:
    """What a value may be."""
    match kind:
        case kinds.Whole():
            return st.integers(kind.low, kind.high)
        case kinds.Number():
            return st.sampled_from([kind.low, kind.high, 0.5, 1])
        case kinds.Choice():
            return st.sampled_from(list(kind.titles))
        case kinds.Names():
            return st.lists(st.sampled_from(kind.known), max_size=2)
        case kinds.Boolean():
            return st.booleans()
        case kinds.Points():
            return st.lists(POINTS, min_size=2, max_size=3)
        case Picture():
            return pictures
        case Mask():
            return greys
        case _:
            return PROMPTS


ALLOWED = {
    kind: {name: allowed(value.kind) for name, value in values_of(with_words(), kind).items()}
    for kind in ("denoise", "draw", "morph", "cell")
}


def good(kind: str, *needed: str) -> st.SearchStrategy[dict[str, Any]]:
    """Values that may be asked for, some of them; of what says the same, one."""
    cheap = {"steps": st.integers(1, 3), "frames": st.integers(2, 3)}
    known = {name: cheap.get(name, value) for name, value in ALLOWED[kind].items()}
    fixed = {name: known.pop(name) for name in ("steps", *needed)}
    said_twice = {"prompt": "label", "invert": "strength"}
    without = lambda body: {said_twice[name] for name in body if name in said_twice}
    return st.fixed_dictionaries(fixed, optional=known).map(
        lambda body: {name: body[name] for name in body if name not in without(body)}
    )


def good_grid() -> st.SearchStrategy[dict[str, Any]]:
    axis = st.sampled_from(["seed", "guidance_scale", "sampler", "negative_prompt", "eta"])
    few = lambda name: st.lists(ALLOWED["cell"][name], min_size=1, max_size=2)
    grid = lambda across, down, fixed: st.fixed_dictionaries(
        {"across": st.just(across), "across_values": few(across), "fixed": st.just(fixed)},
        optional={"down": st.just(down), "down_values": few(down)},
    )
    return st.tuples(axis, axis, good("denoise")).flatmap(lambda given: grid(*given))


runs = good("denoise") | good("draw", "start_from")
REQUESTS = {"denoise": runs, "morph": good("morph", "morph"), "grid": good_grid()}
requests = st.one_of(*REQUESTS.values())


# Calls


def broken(draw, body: dict[str, Any]) -> dict[str, Any]:
    """The same with one value replaced, added or taken away, maybe in a part of it."""
    body = dict(body)
    name = draw(st.sampled_from([*sorted(body), "model", draw(texts)]))
    if isinstance(body.get(name), dict) and draw(st.booleans()):
        body[name] = broken(draw, body[name])
    elif name in body and draw(st.integers(0, 5)) == 0:
        del body[name]
    elif name in ("start_from", "picture", "mask", "data"):
        body[name] = draw(bad_pictures | values)
    else:
        body[name] = draw(values)
    return body


def of(optional: dict = {}, **needed: st.SearchStrategy) -> st.SearchStrategy:  # noqa: B006
    return st.fixed_dictionaries(needed, optional=optional)


LOOK = {"show": st.sampled_from(["noisy", "estimate", "both", "latent"])}
LOOK |= {"scale": st.sampled_from([1, 2, None]), "frame_ms": st.integers(20, 60_000)}
ENGINE = REQUESTS | {
    "glance": of({"at": st.integers(-1, 4)}, request=runs),
    "look": of(picture=pictures | bad_pictures),
    "check": st.one_of(of(kind=st.just(kind), request=REQUESTS[kind]) for kind in REQUESTS),
    "file": of(
        LOOK, request=requests, format=st.sampled_from(["gif", "png", "webp", "apng", "strip"])
    ),
    "inside": of(
        what=st.sampled_from(["noise", "score", "path", "encode", "decode"]),
        picture=greys,
        request=good("denoise"),
        latent=st.lists(st.floats(-9, 9), min_size=4, max_size=4).map(lambda few: 64 * few),
    ),
    "models": st.just({}),
    "paint": values,
}
GRADIO = {
    "generate": good("denoise"),
    "draw": good("draw", "start_from"),
    "morph": REQUESTS["morph"],
    "compare": REQUESTS["grid"],
}


@st.composite
def calls(draw) -> Call:
    """Mostly a good call with something wrong in it, sometimes a good one, or one beyond repair."""
    name = draw(st.sampled_from([*ENGINE, *GRADIO, "about.json", "data"]))
    if name == "about.json":
        model = draw(st.sampled_from(["digits", "things", "", None, "nobody", "../digits", 7]))
        return Call("GET about.json", f"about.json?model={quote_wild(model)}")
    if name == "data":
        shown = draw(st.sampled_from(["more", "draw", "training", ".", "%2e%2e"]) | texts)
        return Call("GET data", f"data/{quote_wild(shown.replace('/', '-'))[:2000] or '-'}.json")
    is_gradios = name in GRADIO and (name not in ENGINE or draw(st.booleans()))
    body = draw((GRADIO if is_gradios else ENGINE)[name])
    how = draw(st.sampled_from(["good", "broken", "broken", "broken", "wild", "no JSON"]))
    if how == "broken" and isinstance(body, dict):
        for _ in range(draw(st.integers(1, 2))):
            body = broken(draw, body)
    elif how == "wild":
        body = draw(values)
    content = json.dumps(body).encode()
    if how == "no JSON":
        content = draw(deep.map(str.encode) | st.binary(max_size=40))
    if not is_gradios:
        return Call(f"engine/{name}", f"engine/{name}", content)
    if how == "good" or draw(st.booleans()):
        return Call(f"/{name}", f"gradio_api/call/v2/{name}", content)
    if how != "no JSON":
        listed = draw(st.lists(values, max_size=12) | values)
        content = json.dumps({"data": listed}).encode()
    return Call(f"/{name}", f"gradio_api/call/{name}", content)


def quote_wild(value: Any) -> str:
    return quote(str(value), safe="", errors="surrogatepass")
