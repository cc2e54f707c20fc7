"""The options of sampling, the same on every command line."""

import argparse
from dataclasses import fields
from typing import Any

from .noise_schedule import SPACINGS
from .samplers import SAMPLERS, WITH_ETA
from .settings import SamplingSettings


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """An option for each field of `SamplingSettings`, to be read back with `given_options`.

    Types are checked here; what is allowed is checked by SamplingSettings, for all its users.
    """
    default = SamplingSettings()
    low, high = default.guidance_interval

    def add(name: str, help: str, **options) -> None:
        # without a default, what is given can be told from what is not
        parser.add_argument(name, help=help, default=argparse.SUPPRESS, **options)

    scale, eta, share = default.guidance_scale, default.eta, default.guidance_rescale
    add("--guidance-scale", f"how strongly the label pulls ({scale:g})", type=float)
    add("--steps", f"denoising steps ({default.steps})", type=int)
    add("--sampler", f"{', '.join(SAMPLERS)} ({default.sampler})", metavar="NAME")
    add("--spacing", f"of the steps: {', '.join(SPACINGS)} ({default.spacing})", metavar="NAME")
    add(
        "--eta",
        f"share of fresh noise, for {' and '.join(WITH_ETA)} ({eta:g})",
        type=float,
    )
    interval = {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    add("--guidance-interval", f"times with guidance ({low:g} {high:g})", **interval)
    add("--guidance-rescale", f"0 to 1 ({share:g})", type=float)


def given_options(args: argparse.Namespace, settings: type = SamplingSettings) -> dict[str, Any]:
    """Those fields of a class of settings that were given on the command line."""
    return {f.name: getattr(args, f.name) for f in fields(settings) if hasattr(args, f.name)}
