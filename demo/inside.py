"""What the panels of the tab Inside ask: numbers inside a run, not only its pictures.

The file demo/web/engine/inside.js has the same answers for the page without a server.
"""

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ldm_core import InputError, LatentDiffusion
from ldm_core.checks import check_choice, check_number
from ldm_core.output.views import latent_greys

from .request import Request
from .run import Runner, in_time

SIDE = 28
LATENT = (4, 8, 8)
MEASURED = ("ablations", "attention", "samplers")  # files beside the weights
TIMES = 21  # at which a picture is noised, from 0 to 1
MAX_LATENT = 20.0  # numbers of a latent are about 1

Answer = dict[str, Any]


def noise(runner: Runner, body: Answer) -> Answer:
    """Forward diffusion of a picture, at TIMES times (T,).

    body: `picture`, greys in base64, and the `request` whose prompt and seed are taken. Gives t,
    the noisy latents x_t (T, 4, 8, 8), those decoded and the estimates (T, 28, 28), all in greys,
    and the loss (T,): the mean squared error of the predicted v.
    """
    model, request = runner.model, _request(runner, body)
    latent, start = model.encode(_picture(body)), next(request.begin(model)).x_t
    t = torch.linspace(0, 1, TIMES)
    x_0, noises = (x.expand(TIMES, -1, -1, -1).contiguous() for x in (latent, start))
    x_t = model.schedule.add_noise(x_0, noises, t)
    v, _ = predictions(model, request, x_t, t)
    loss = (v - model.schedule.v_from_x_0(x_0, noises, t)).square().mean(dim=(1, 2, 3))
    estimate = model.decode(model.schedule.x_0_from_v(x_t, v, t))
    pictures = {"decoded": model.decode(x_t), "estimate": estimate}
    return {"t": t, "x_t": latent_greys(x_t.numpy()), "loss": loss} | pictures


def score(runner: Runner, body: Answer) -> Answer:
    """What the network says of each latent of a run but the last, N of them.

    Gives t (N,), the latents x_t and the predictions of v with the prompt, cond, and without it or
    with the negative prompt, null: (N, 4, 8, 8). Their estimates as pictures, greys (N, 28, 28).
    """
    model, request = runner.model, _request(runner, body)
    *steps, _ = in_time(request.begin(model), runner.deadline_s)
    x_t = torch.cat([step.x_t for step in steps])
    t = torch.tensor([step.t for step in steps])
    cond, null = predictions(model, request, x_t, t)
    picture = lambda v: model.decode(model.schedule.x_0_from_v(x_t, v, t))
    pictures = {"cond_picture": picture(cond), "null_picture": picture(null)}
    return {"t": t, "x_t": x_t, "cond": cond, "null": null} | pictures


def path(runner: Runner, body: Answer) -> Answer:
    """The latents of a run (steps + 1, 4, 8, 8), and those decoded."""
    model, request = runner.model, _request(runner, body)
    latents = torch.cat([step.x_t for step in in_time(request.begin(model), runner.deadline_s)])
    return {"latents": latents, "pictures": model.decode(latents)}


def encode(runner: Runner, body: Answer) -> Answer:
    """The latent (4, 8, 8) of a picture, and what the decoder makes of it."""
    latent = runner.model.encode(_picture(body))
    return {"latent": latent[0], "picture": runner.model.decode(latent)[0]}


def decode(runner: Runner, body: Answer) -> Answer:
    """The picture of a latent: `latent` is a list of 256 numbers."""
    given, size = body.get("latent"), math.prod(LATENT)
    if not isinstance(given, list) or len(given) != size:
        raise InputError(f"latent must be a list of {size} numbers.")
    numbers = [check_number("latent", x, -MAX_LATENT, MAX_LATENT) for x in given]
    return {"picture": runner.model.decode(torch.tensor(numbers).view(1, *LATENT))[0]}


ANSWERS: dict[str, Callable[[Runner, Answer], Answer]] = {
    f.__name__: f for f in (noise, score, path, encode, decode)
}


def facts(runner: Runner) -> Answer:
    """What the panels know of a model before anything is asked.

    blocks: of the U-Net, by name, each with its channels, the side of its maps and its parameters.
    words: of the vocabulary, with their embeddings (N, d). MEASURED: what was measured of these
    weights, or None.
    """
    model = runner.model
    return {
        "blocks": _blocks(model),
        "words": _words(model),
        "embeddings": packed(model.conditioning.encoder.words.weight.detach()),
        **{name: _kept(runner, name) for name in MEASURED},
    }


def _kept(runner: Runner, name: str) -> Answer | None:
    """What NAME.json beside the weights says, if it is about these weights."""
    file = runner.folder and runner.folder / f"{name}.json"
    if not file or not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return found if found["weights"] == runner.weights else None


def _blocks(model: LatentDiffusion) -> list[Answer]:
    unet, channels = model.unet, model.config.unet.channels
    last = len(channels) - 1
    count = lambda *modules: sum(p.numel() for m in modules for p in m.parameters())
    block = lambda name, level, *modules: {
        "name": name,
        "channels": channels[level],
        "side": LATENT[-1] >> level,
        "parameters": count(*modules),
        "parts": {
            part: count(getattr(m.transformer, part))
            for m in modules
            if hasattr(m, "transformer")
            for part in ("self_attention", "cross_attention")
        },
    }
    down = [block(f"down.{i}", i, stage) for i, stage in enumerate(unet.down)]
    up = [block(f"up.{i}", i, stage) for i, stage in enumerate(unet.up)]
    time = {"name": "time", "parameters": count(unet.time_embedding, unet.pooled_context)}
    return [*down, block("mid", last, unet.mid_1, unet.mid_2), *reversed(up), time]


def _words(model: LatentDiffusion) -> list[str]:
    """The words of the vocabulary; the first is the empty one."""
    return [spellings[0] if spellings else "" for spellings in model.config.conditioning.vocabulary]


@torch.inference_mode()
def answer(runner: Runner, body: Answer) -> Answer:
    """The answer to a call, for JSON. `what` is one of ANSWERS; raises InputError."""
    found = ANSWERS[check_choice("what", body.get("what"), ANSWERS)](runner, body)
    return {name: packed(value) for name, value in found.items()}


def predictions(model: LatentDiffusion, request: Request, x_t: Tensor, t: Tensor) -> Tensor:
    """The predictions of v for latents (N, 4, 8, 8) of one request, with the prompt and without it:
    (2, N, 4, 8, 8)."""
    said, encoder = request.file.options, model.conditioning
    read = encoder.read([request.prompted(model)], [said["negative"] or None], said["style"])
    context = encoder.encode(read)
    both = torch.stack([context.tokens, context.null]).expand(-1, len(x_t), -1, -1)
    return model.backend.predictor(both.contiguous())(x_t, t)


def packed(array: Tensor | np.ndarray) -> dict[str, Any]:
    """An array for JSON: its shape, and its numbers as float32 or uint8 in base64."""
    array = np.asarray(array)
    kind = "uint8" if array.dtype == np.uint8 else "float32"
    data = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")).tobytes()
    return {"kind": kind, "shape": list(array.shape), "data": base64.b64encode(data).decode()}


def _request(runner: Runner, body: Answer) -> Request:
    return Request.check(runner.model, body.get("request"))


def _picture(body: Answer) -> Tensor:
    """uint8 (1, 28, 28); raises InputError."""
    text = body.get("picture")
    try:
        greys = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        return torch.from_numpy(greys.reshape(1, SIDE, SIDE).copy())
    except (TypeError, ValueError) as error:
        raise InputError(f"picture must be {SIDE} x {SIDE} greys in base64.") from error
