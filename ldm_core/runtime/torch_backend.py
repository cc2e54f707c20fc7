"""Sampling with the modules themselves, in PyTorch."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor, nn

from ..diffusion.guidance import Predict
from ..model.inside import Inside, gates


class TorchBackend:
    """The modules themselves, on any device: the reference."""

    passes_at_once, rows_at_once = 1, 64
    copies_weights = False

    def __init__(self, model: nn.Module):
        self.model = model

    def predictor(
        self, context: Tensor, on: Tensor | None = None, student: bool = False
    ) -> Predict:
        if student:
            (only,), unet = context, self.model.student
            return lambda x_t, t: unet(x_t, t.to(x_t.device), only)[None]
        read = self.reader(context, on)
        return lambda x_t, t: read(x_t, t)["prediction"]

    def reader(
        self, context: Tensor, on: Tensor | None = None, names: Collection[str] = ()
    ) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
        conditions, flat, unet = len(context), context.flatten(0, 1), self.model.unet
        on = None if on is None else on.repeat(conditions, 1)
        without_time = on is not None and not on[:, gates(unet.config).index("time")].all()
        mean_time = unet.mean_embedding() if without_time else None

        def read(x_t: Tensor, t: Tensor) -> dict[str, Tensor]:
            x_t, t = x_t.repeat(conditions, 1, 1, 1), t.to(x_t.device).repeat(conditions)
            inside = Inside(unet.config, on, mean_time, names)
            found = {"prediction": unet(x_t, t, flat, inside), **inside.found}
            return {name: value.unflatten(0, (conditions, -1)) for name, value in found.items()}

        return read

    def decode(self, z: Tensor) -> Tensor:
        return self.model.vae.decode(z)

    def unet(self, inside: bool = False, student: bool = False) -> "_UNet | None":
        unet = self.model.student if student else self.model.unet
        return None if _has_hooks(unet) else _UNet(unet, inside)

    def decoder(self) -> "_Decoder | None":
        return None if _has_hooks(self.model.vae) else _Decoder(self.model)


def _has_hooks(network: nn.Module) -> bool:
    return any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


class _UNet(NamedTuple):
    """The U-Net for rows, each an image under one condition; see `backends.py`."""

    unet: nn.Module
    inside: bool

    def prepare(self, context: Tensor) -> dict[str, Tensor]:
        if not self.inside:
            return {"context": context}
        mean_time = self.unet.mean_embedding().expand(len(context), -1)
        return {"context": context, "mean_time": mean_time}

    def run(self, rows: dict[str, Tensor]) -> Tensor:
        inside = None
        if self.inside:
            inside = Inside(self.unet.config, rows["on"], rows["mean_time"])
        return self.unet(rows["x_t"], rows["t"], rows["context"], inside)


class _Decoder(NamedTuple):
    """The VAE's decoder for rows."""

    model: nn.Module

    def run(self, rows: dict[str, Tensor]) -> Tensor:
        return self.model.vae.decode(rows["z"])
