"""The files of a model's weights: vae.safetensors, unet.safetensors and student.safetensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from ..config import VAEConfig
from ..diffusion.samplers import STUDENT
from ..diffusion.settings import SamplingSettings
from ..model.unet import UNet
from ..model.vae import VAE
from .checkpoint import (
    CheckpointError,
    build,
    fingerprint,
    load_module,
    load_tensors,
    read_checkpoint,
    save_checkpoint,
    save_module,
)

Model = TypeVar("Model", bound=nn.Module)  # a `LatentDiffusion`


def save_vae(path: str | Path, vae: VAE, training: dict[str, Any]) -> None:
    save_module(path, "vae", vae, training)


def load_vae(path: str | Path) -> VAE:
    """Read a VAE; raises CheckpointError if the file is missing, damaged or something else."""
    return load_module(path, "vae", lambda config: VAE(VAEConfig.from_dict(config)))


def save_unet(path: str | Path, model: Model, training: dict[str, Any]) -> None:
    """Write all parts that learn to denoise, their default settings, and which VAE's latents they
    denoise."""
    about = {
        "config": {name: part for name, part in model.config.to_dict().items() if name != "vae"},
        "vae": fingerprint(model.vae),
        "defaults": model.defaults.to_dict(),
        "training": training,
    }
    save_checkpoint(path, "unet", _denoising_parts(model).state_dict(), about)


def load_unet(path: str | Path, vae: VAE, around: Callable[[VAE, dict], Model]) -> Model:
    """Build the model `around(vae, config)` with the weights and the defaults of a file, and the
    records of both.

    Older files have no defaults; they get those of `SamplingSettings`. Raises
    CheckpointError if the file is missing, damaged, foreign, or was trained with another VAE.
    """
    tensors, about = read_checkpoint(path, "unet")
    model = build(path, lambda: around(vae, about["config"]))
    model.defaults = build(path, lambda: SamplingSettings.from_dict(about.get("defaults", {})))
    model.records = {"vae": getattr(vae, "record", {}), "unet": about.get("training", {})}
    load_tensors(path, _denoising_parts(model), tensors)
    if about.get("vae") != fingerprint(vae):
        raise CheckpointError(
            f"{path} was trained on the latents of another VAE than "
            f"{Path(path).with_name('vae.safetensors')}. Use the two files of one run, or train "
            "the U-Net again with python train.py --stage unet, in the repository."
        )
    return model


def weights_of(model: nn.Module, sampler: str = "") -> str:
    """A short fingerprint of a model, which files store: it says which weights made an image. The
    student counts only where it is the sampler: all others draw the same with it as without."""
    return fingerprint(model, without=None if sampler == STUDENT else "student.")[:16]


def save_student(path: str | Path, model: Model, training: dict[str, Any]) -> None:
    """Write the student of a model, in half precision, and whose student it is."""
    about = {"teacher": teacher_of(model), "training": training}
    halves = {name: tensor.half() for name, tensor in model.student.state_dict().items()}
    save_checkpoint(path, "student", halves, about)


def load_student(path: str | Path, model: Model) -> None:
    """Give a model the student of a file. Raises CheckpointError if the file is damaged or foreign,
    or was distilled from another U-Net."""
    tensors, about = read_checkpoint(path, "student")
    if about.get("teacher") != teacher_of(model):
        raise CheckpointError(
            f"{path} was distilled from another U-Net than "
            f"{Path(path).with_name('unet.safetensors')}. Distil this one with python train.py "
            "--stage distill --force, in the repository, or remove the file."
        )
    student = UNet(model.config.unet)
    load_tensors(path, student, tensors)
    model.student, model.records["student"] = student, about.get("training", {})


def teacher_of(model: Model) -> str:
    """Identifies what a student is distilled from."""
    return fingerprint(_denoising_parts(model))


def _denoising_parts(model: nn.Module) -> nn.ModuleDict:
    """The parts in unet.safetensors: all that learn to denoise."""
    return nn.ModuleDict({"unet": model.unet, "conditioning": model.conditioning})
