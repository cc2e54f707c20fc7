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
from ldm_core.checks import check_choice, check_number, check_whole
from ldm_core.model.inside import check_read, gates_on
from ldm_core.output.views import latent_greys

from .real_digits import real_digits
from .request import STUDENT, Request
from .run import Runner, in_time

SIDE = 28
LATENT = (4, 8, 8)
MEASURED = ("ablations", "attention", "samplers")  # files beside the weights
CHANNELS = 16  # of a stage that are shown
TIMES = 21  # at which a picture is noised, from 0 to 1
OF_STUDENT = "The student has drawn this run, and nothing is read in it: take another sampler."
MAX_LATENT = 20.0  # numbers of a latent are about 1; guidance has the same limits

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
    (v,) = _predictions(model, request, x_t, t, 1)
    loss = (v - model.schedule.v_from_x_0(x_0, noises, t)).square().mean(dim=(1, 2, 3))
    estimate = model.decode(model.schedule.x_0_from_v(x_t, v, t))
    pictures = {"decoded": model.decode(x_t), "estimate": estimate}
    return {"t": t, "x_t": latent_greys(x_t.numpy()), "loss": loss} | pictures


def score(runner: Runner, body: Answer) -> Answer:
    """What the network says of the latent from which a pass of a run started.

    body: the `request`, the index of the `pass` and a `guidance` scale. Gives t (1,), the latent
    x_t and the predictions of v with the prompt, cond, and without it or with the negative prompt,
    null: (1, 4, 8, 8). pictures (3, 28, 28): the estimates of cond, of null, and of both with that
    guidance.
    """
    model, request = runner.model, _request(runner, body)
    w = check_number("guidance", body.get("guidance"), -MAX_LATENT, MAX_LATENT)
    x_t, t = _passes(runner, request)
    i = check_whole("pass", body.get("pass"), 0, len(t) - 1)
    x_t, t = x_t[i : i + 1], t[i : i + 1]
    cond, null = _predictions(model, request, x_t, t, 2)
    v = torch.cat([cond, null, null + w * (cond - null)])
    estimates = model.schedule.x_0_from_v(x_t.repeat(3, 1, 1, 1), v, t.repeat(3))
    pictures = model.decode(estimates)
    return {"t": t, "x_t": x_t, "cond": cond, "null": null, "pictures": pictures}


def path(runner: Runner, body: Answer) -> Answer:
    """The latents of a run (steps + 1, 4, 8, 8), and those decoded."""
    latents, _ = _run(runner, _request(runner, body))
    return {"latents": latents, "pictures": runner.model.decode(latents)}


def features(runner: Runner, body: Answer) -> Answer:
    """What each stage of the U-Net returns at each step of a run, for the prompt: some of its
    channels (steps, CHANNELS, H, W), in greys as `latent_greys` makes them of standardised maps."""
    answer = {}
    for name, maps in _readings(runner, body, "features").items():
        some = maps[:, :: maps.shape[1] // CHANNELS][:, :CHANNELS]
        answer[name.removeprefix("features.")] = latent_greys((some / some.std()).numpy())
    return answer


def attention(runner: Runner, body: Answer) -> Answer:
    """The attention of each step of a run, for the prompt, the mean over heads.

    By stage self-attention (steps, positions, positions), in greys: 255 is the largest of a row.
    cross: how much each position takes of each of `words`, the mean over stages (steps, 64, words).
    """
    answer: Answer = {"words": _words_of(runner.model, _request(runner, body))}
    maps = []
    for name, weights in _readings(runner, body, "attention").items():
        _, kind, stage = name.split(".", maxsplit=2)
        weights = weights.mean(dim=1)
        if kind == "self":
            shares = weights / weights.amax(dim=2, keepdim=True)
            answer[stage] = (255 * shares).round().byte()
        else:
            side = math.isqrt(weights.shape[1])
            square, by = weights.unflatten(1, (side, side)), LATENT[-1] // side
            larger = square.repeat_interleave(by, dim=1).repeat_interleave(by, dim=2)
            maps.append(larger.flatten(1, 2))
    return answer | {"cross": torch.stack(maps).mean(dim=0)}


def _readings(runner: Runner, body: Answer, kind: str) -> dict[str, Tensor]:
    """A reading of each pass of a run, with the prompt: (steps, ...) by name. All passes are made
    once more, together, which takes less time than to read while they are made."""
    model, request = runner.model, _request(runner, body)
    x_t, t = _passes(runner, request)
    tokens, on = _asked_for(model, request, len(t))
    names = check_read([kind], model.config.unet)
    found = model.backend.reader(tokens[:1], on, names)(x_t, t)
    return {name: found[name][0] for name in names}


def _run(runner: Runner, request: Request) -> tuple[Tensor, Tensor]:
    """The latents (steps + 1, 4, 8, 8) and times (steps + 1,) of a run, its start first."""
    steps = list(in_time(request.begin(runner.model), runner.deadline_s))
    return torch.cat([step.x_t for step in steps]), torch.tensor([step.t for step in steps])


def _passes(runner: Runner, request: Request) -> tuple[Tensor, Tensor]:
    """The latents and times from which the passes of a run started: all but the last. Raises
    InputError for a run of the student: what is read is the U-Net, which did not draw it."""
    if request.values["sampler"] == STUDENT:
        raise InputError(OF_STUDENT)
    x_t, t = _run(runner, request)
    return x_t[:-1], t[:-1]


def _words_of(model: LatentDiffusion, request: Request) -> list[str]:
    """What stands in each position of a prompt."""
    style, known = request.file.options["style"], _words(model)
    rows, weights = model.conditioning.positions([request.prompted(model)], style)
    words = [(known[row] or "empty", a) for row, a in zip(rows[0], weights[0].tolist())]
    return [word if a == 1 else f"{word} {a:.1f}" for word, a in words]


def encode(runner: Runner, body: Answer) -> Answer:
    """The latent (1, 4, 8, 8) of a picture, and what the decoder makes of it, (1, 28, 28)."""
    latent = runner.model.encode(_picture(body))
    return {"latent": latent, "picture": runner.model.decode(latent)}


def decode(runner: Runner, body: Answer) -> Answer:
    """The picture (1, 28, 28) of a latent: `latent` is a list of 256 numbers."""
    given, size = body.get("latent"), math.prod(LATENT)
    if not isinstance(given, list) or len(given) != size:
        raise InputError(f"latent must be a list of {size} numbers.")
    numbers = [check_number("latent", x, -MAX_LATENT, MAX_LATENT) for x in given]
    return {"picture": runner.model.decode(torch.tensor(numbers).view(1, *LATENT))}


ANSWERS: dict[str, Callable[[Runner, Answer], Answer]] = {
    f.__name__: f for f in (noise, score, path, features, attention, encode, decode)
}


def facts(runner: Runner) -> Answer:
    """What the panels know of a model before anything is asked.

    blocks: of the U-Net, by name, each with its channels, the side of its maps and its parameters.
    words: of the vocabulary, with their embeddings (N, d). digits: see `real_digits`. MEASURED:
    what was measured of these weights, or None.
    """
    model = runner.model
    digits = real_digits(runner.folder, model)
    return {
        "digits": None if digits is None else packed(digits),
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
            if getattr(m, "transformer", None) is not None
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
    return {n: x if isinstance(x, list) else packed(x) for n, x in found.items()}


def _predictions(
    model: LatentDiffusion, request: Request, x_t: Tensor, t: Tensor, count: int
) -> Tensor:
    """The predictions of v for latents (N, 4, 8, 8) with the prompt of a request, and, of two, with
    its negative or the empty one: (count, N, 4, 8, 8)."""
    tokens, on = _asked_for(model, request, len(t))
    return model.backend.predictor(tokens[:count], on)(x_t, t)


def _asked_for(model: LatentDiffusion, request: Request, n: int) -> tuple[Tensor, Tensor | None]:
    """What the network is told beside n latents: the tokens of the prompt, then those of the
    negative or empty one, (2, n, n_tokens, d_context), and what is on."""
    said = request.file.options
    read = model.conditioning.read([request.prompted(model)], [said["negative"]], said["style"])
    context = model.conditioning.encode(read)
    tokens = torch.stack([context.tokens, context.null]).repeat(1, n, 1, 1)
    return tokens, gates_on(said["settings"].off, model.config.unet, n)


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
