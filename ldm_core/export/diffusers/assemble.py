"""The folder that diffusers loads: weights, configurations, code and model card."""

import json
from pathlib import Path

import diffusers
from diffusers import DPMSolverMultistepScheduler, SchedulerMixin, UniPCMultistepScheduler

from ...latent_diffusion import LatentDiffusion
from . import pipeline
from .bundle import bundle
from .miniature_text_encoder import MiniatureTextEncoder
from .miniature_vae import MiniatureVAE
from .model_card import model_card
from .networks import N_TIMES, betas, stock_unet

# The schedulers that are samplers of ours.
SCHEDULERS = {"dpmpp_2m": DPMSolverMultistepScheduler, "unipc": UniPCMultistepScheduler}
NEAREST = "dpmpp_2m"  # to all other samplers


def assemble(model: LatentDiffusion, folder: Path) -> None:
    """Write a model into an empty folder; errors as for `stock_unet`."""
    settings = {
        "num_inference_steps": model.defaults.steps,
        "guidance_scale": model.defaults.guidance_scale,
        "guidance_interval": list(model.defaults.guidance_interval),
        "guidance_rescale": model.defaults.guidance_rescale,
    }
    sampler = model.defaults.sampler if model.defaults.sampler in SCHEDULERS else NEAREST
    parts = {
        "vae": _vae(model),
        "text_encoder": _text_encoder(model),
        "unet": stock_unet(model.unet),
        "scheduler": _scheduler(model, SCHEDULERS[sampler]),
    }
    index = {
        "_class_name": [_name(pipeline.__name__), pipeline.MiniaturePipeline.__name__],
        "_diffusers_version": diffusers.__version__,
        "settings": settings,
    }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        module = type(part).__module__
        is_stock = module.partition(".")[0] == "diffusers"
        if not is_stock:
            _write_code(module, folder / name)
        index[name] = ["diffusers" if is_stock else _name(module), type(part).__name__]
    _write_code(pipeline.__name__, folder)
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    card = model_card(model, parts, settings, sampler)
    (folder / "README.md").write_text(card, encoding="utf-8")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors makes it readable by its owner only


def _vae(model: LatentDiffusion) -> MiniatureVAE:
    part = MiniatureVAE(**model.config.vae.to_dict())
    part.model.load_state_dict(model.vae.state_dict())
    return part


def _text_encoder(model: LatentDiffusion) -> MiniatureTextEncoder:
    config = model.config.conditioning.to_dict()
    part = MiniatureTextEncoder(**config, d_context=model.config.unet.d_context)
    part.model.load_state_dict(model.conditioning.state_dict())
    return part


def _scheduler(model: LatentDiffusion, kind: type[SchedulerMixin]) -> SchedulerMixin:
    return kind(
        num_train_timesteps=N_TIMES,
        trained_betas=betas(model.schedule),
        prediction_type="v_prediction",
        timestep_spacing="trailing",  # from t = 1, in equal steps
    )


def _name(module: str) -> str:
    return module.rpartition(".")[2]


def _write_code(module: str, folder: Path) -> None:
    source = Path(__file__).with_name(f"{_name(module)}.py")
    (folder / source.name).write_text(bundle(source), encoding="utf-8")
