"""Sampling with the modules themselves, in PyTorch."""

from torch import Tensor, nn

from ..diffusion.guidance import Predict


class TorchBackend:
    """The modules themselves, on any device: the reference."""

    def __init__(self, model: nn.Module):
        self.model = model

    def predictor(self, context: Tensor) -> Predict:
        conditions, flat = len(context), context.flatten(0, 1)

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            x_t, t = x_t.repeat(conditions, 1, 1, 1), t.to(x_t.device).repeat(conditions)
            return self.model.unet(x_t, t, flat).unflatten(0, (conditions, -1))

        return predict

    def decode(self, z: Tensor) -> Tensor:
        return self.model.vae.decode(z)
