"""The folder that diffusers loads: weights, configurations, code and model card."""

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

from ...diffusion.guidance import TOKEN_SCALE
from ...diffusion.samplers import LEAD
from ...latent_diffusion import LatentDiffusion
from ...model.unet import UNet
from .bundle import bundle
from .miniature_pipeline import MiniaturePipeline
from .miniature_text_encoder import MiniatureTextEncoder
from .miniature_vae import MiniatureVAE
from .model_card import model_card
from .networks import N_TIMES, betas, stock_unet

# The schedulers that are samplers of ours.
SCHEDULERS = {"dpmpp_2m": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}
NEAREST = "dpmpp_2m"  # to all other samplers


def assemble(model: LatentDiffusion, folder: Path) -> None:
    """Write a model into an empty folder, and its student into a folder within that; errors as for
    `stock_unet`."""
    ours = model.defaults
    sampler = ours.sampler if ours.sampler in SCHEDULERS else NEAREST
    missing = {
        f"the sampler {ours.sampler}": ours.sampler != sampler,
        f"the spacing {ours.spacing}": ours.spacing != "time",
        f"eta = {ours.eta:g}": ours.eta != 0,
    }
    settings = {
        "num_inference_steps": ours.steps,
        "guidance_scale": ours.guidance_scale,
        "guidance_interval": list(ours.guidance_interval),
        "guidance_rescale": ours.guidance_rescale,
    }
    scheduler = _scheduler(model, SCHEDULERS[sampler])
    missing = [name for name, is_missing in missing.items() if is_missing]
    _assemble(model, folder, model.unet, scheduler, settings, missing)
    if model.student:
        settings |= {"num_inference_steps": 2, "guidance_interval": [0, 1], "guidance_rescale": 0}
        settings |= {"token_scale": TOKEN_SCALE, "lead": LEAD}
        scheduler = _scheduler(model, DDIMScheduler, clip_sample=False)
        _assemble(model, folder / "student", model.student, scheduler, settings, [])
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors makes it readable by its owner only


def _assemble(
    model: LatentDiffusion,
    folder: Path,
    unet: UNet,
    scheduler: SchedulerMixin,
    settings: dict[str, Any],
    missing: list[str],
) -> None:
    """Write a pipeline. missing: what suits the weights and is not in it."""
    parts = {
        "vae": vae(model),
        "text_encoder": text_encoder(model),
        "unet": stock_unet(unet),
        "scheduler": scheduler,
    }
    index: dict[str, Any] = {"_diffusers_version": diffusers.__version__, "settings": settings}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        is_stock = type(part).__module__.startswith("diffusers.")
        library = "diffusers" if is_stock else _write_code(type(part), folder / name)
        index[name] = [library, type(part).__name__]
    index["_class_name"] = [_write_code(MiniaturePipeline, folder), MiniaturePipeline.__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    card = model_card(model, settings, missing, type(scheduler).__name__)
    (folder / "README.md").write_text(card, encoding="utf-8")


def vae(model: LatentDiffusion) -> MiniatureVAE:
    part = MiniatureVAE(**model.config.vae.to_dict())
    part.model.load_state_dict(model.vae.state_dict())
    return part


def text_encoder(model: LatentDiffusion) -> MiniatureTextEncoder:
    config = model.config.conditioning.to_dict()
    part = MiniatureTextEncoder(**config, d_context=model.config.unet.d_context)
    part.model.load_state_dict(model.conditioning.state_dict())
    return part


def _scheduler(
    model: LatentDiffusion, kind: type[SchedulerMixin], **options: Any
) -> SchedulerMixin:
    return kind(
        num_train_timesteps=N_TIMES,
        trained_betas=betas(model.schedule),
        prediction_type="v_prediction",
        timestep_spacing="trailing",  # from t = 1, in equal steps
        **options,
    )


def _write_code(kind: type, folder: Path) -> str:
    """Write the code of a class, and return the name of its module.

    diffusers keeps the code of all folders in one place: a file of the same name would be taken
    for ours, and one of another version for this one. So the name has a hash of the content.
    """
    source = Path(inspect.getfile(kind))
    code = bundle(source)
    name = f"{source.stem}_{hashlib.sha256(code.encode()).hexdigest()[:12]}"
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return name
