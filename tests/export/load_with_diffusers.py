"""A program that knows diffusers and not us: it loads exported folders, and draws.

    python load_with_diffusers.py JOBS.json NOISE.npy OUT

JOBS: of each job, by its name, the "folder", the "arguments" of the call, and the "scheduler" if it
is another stock class. An argument "noise" says how many rows of NOISE are the latents.
OUT.npz gets what each job draws; OUT.json the errors of jobs, and the classes of parts by folder.
"""

import json
import sys
from pathlib import Path

import diffusers
import numpy as np
import torch


def main(jobs: str, noise: str, out: str) -> None:
    sys.modules["ldm_core"] = None  # importing it is an error, as where it is not installed
    rows = torch.from_numpy(np.load(noise))
    drawn, errors, pipes = {}, {}, {}
    for name, job in json.loads(Path(jobs).read_text()).items():
        if job["folder"] not in pipes:
            pipes[job["folder"]] = load(job["folder"])
        pipe, arguments = pipes[job["folder"]], job["arguments"]
        if "noise" in arguments:
            arguments["latents"] = rows[: arguments.pop("noise")]
        own = pipe.scheduler
        if "scheduler" in job:
            pipe.scheduler = getattr(diffusers, job["scheduler"]).from_config(own.config)
        try:
            drawn[name] = np.stack([np.asarray(image) for image in pipe(**arguments).images])
        except ValueError as error:
            errors[name] = str(error)
        pipe.scheduler = own
    np.savez(f"{out}.npz", **drawn)
    classes = {folder: kinds(pipe) for folder, pipe in pipes.items()}
    Path(f"{out}.json").write_text(json.dumps({"errors": errors, "classes": classes}))


def load(folder: str) -> diffusers.DiffusionPipeline:
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def kinds(pipe: diffusers.DiffusionPipeline) -> dict[str, str]:
    return {name: f"{type(p).__module__}.{type(p).__name__}" for name, p in pipe.components.items()}


main(*sys.argv[1:])
