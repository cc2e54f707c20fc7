"""A model whose networks are closed formulas, the same as in made_up.mjs."""

import dataclasses
from types import SimpleNamespace

import torch

from ldm_core import LatentDiffusion
from ldm_core.config import ConditioningConfig

from ...conftest import SMALL


def made_up(conditioning: ConditioningConfig = SMALL.conditioning) -> LatentDiffusion:
    model = LatentDiffusion(dataclasses.replace(SMALL, conditioning=conditioning))
    model.conditioning.forward = context
    model.vae.encode = encode
    model.backend, model.student = MadeUp(), model.unet
    return model


def about(model: LatentDiffusion) -> dict:
    """What `LatentDiffusion` in JavaScript is made from."""
    parts = {"config": model.config, "defaults": model.defaults, "vocabulary": model.vocabulary}
    return {name: part.to_dict() for name, part in parts.items()} | {"switches": model.switches}


def context(rows, amounts):
    return (amounts * rows.sin())[..., None]


def encode(image):
    x = image.flatten(1)
    z = (x[:, ::4] - 0.3 * x[:, 3::4] + torch.arange(256).sin()).tanh()
    return SimpleNamespace(mean=z.view(-1, 4, 8, 8))


class MadeUp:
    """asked: for each call its name, and how many prompts or predictions it was for."""

    def __init__(self):
        self.asked = []

    def predictor(self, context, on=None, student=False):
        size = context.shape[0] * context.shape[1]
        # JavaScript asks for both prompts of the student, and scales what comes of them.
        self.asked.append(["context", size * 2 if student else size])

        def predict(x_t, t):
            self.asked.append(["predict", size])
            x, e = x_t.flatten(1), torch.arange(256)
            v = 0.7 * x - 0.4 * x.roll(-5, 1) + (e % 7 + 3 * t[:, None]).sin()
            v = v + context[:, :, e % context.shape[2], 0]
            return v.tanh().unflatten(2, x_t.shape[1:])

        return predict

    def decode(self, z):
        k = torch.arange(1024)
        return (1.2 * (z.flatten(1)[:, k // 4] + k.sin()).tanh()).view(-1, 1, 32, 32)
