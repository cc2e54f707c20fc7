"""For diffusers: a folder that `DiffusionPipeline.from_pretrained` loads."""

import argparse
import importlib.util
from pathlib import Path

from ..checks import InputError
from ..latent_diffusion import LatentDiffusion


def write_diffusers(model: LatentDiffusion, folder: Path, args: argparse.Namespace) -> None:
    """Write a pipeline of diffusers: U-Net and scheduler of stock classes, VAE and text encoder
    with their code beside them, and a model card.

    Raises InputError where diffusers is not installed, and for a U-Net that it cannot express.
    """
    if importlib.util.find_spec("diffusers") is None:
        raise InputError("This format needs diffusers. Install it with: pip install diffusers")
    from .diffusers.assemble import assemble  # importing diffusers takes seconds

    assemble(model, folder)
