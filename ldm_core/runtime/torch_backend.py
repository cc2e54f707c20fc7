"""Sampling with the modules themselves, in PyTorch."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ..diffusion.guidance import Predict


class TorchBackend:
    """The modules themselves, on any device: the reference.

    autocast: a dtype in which matrix products and convolutions are computed; bfloat16 has 8 bits
    of precision, so its images differ a little from all others', and from batch to batch.
    """

    def __init__(self, model: nn.Module, autocast: torch.dtype | None = None):
        self.model, self.autocast = model, autocast

    def predictor(self, context: Tensor) -> Predict:
        conditions, flat = len(context), context.flatten(0, 1)

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            x_t, t = x_t.repeat(conditions, 1, 1, 1), t.to(x_t.device).repeat(conditions)
            with self._precision(x_t):
                prediction = self.model.unet(x_t, t, flat)
            return prediction.to(x_t.dtype).unflatten(0, (conditions, -1))

        return predict

    def decode(self, z: Tensor) -> Tensor:
        with self._precision(z):
            return self.model.vae.decode(z).to(z.dtype)

    def _precision(self, x: Tensor) -> AbstractContextManager:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(x.device.type, self.autocast)
