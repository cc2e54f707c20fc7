"""Distillation: a student of the U-Net draws in one to four steps what the teacher draws in many.

The teacher draws pictures from noise, by its default settings but for the number of steps. Each
noise and the latent that came of it are a pair, as in rectified flow (Liu et al. 2022, "reflow").
The student is a copy of the U-Net. It runs `ddim` from the noise, and learns that its estimate of
x_0 is the teacher's latent in every step. So later steps learn from the latents that the student's
earlier ones really make, and correct them. The guidance scale is part of its condition (see
`guidance.scaled_tokens`).
"""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ..config import LATENT_SIDE
from ..data.captions import Captions
from ..data.morphometrics import measure
from ..diffusion.guidance import Predict, guided_denoiser, student_denoiser
from ..diffusion.samplers import STUDENT, ddim, get_sampler
from ..diffusion.settings import STUDENT_SCALES
from ..files.checkpoint import read_checkpoint, save_checkpoint
from ..files.weights import save_student, teacher_of
from ..latent_diffusion import LatentDiffusion
from ..model.conditioning import Conditioning, Context, Positions
from ..model.vocabulary import EMPTY
from ..runtime.backends import make_backend
from ..runtime.devices import has_bfloat16, mixed_precision
from ..runtime.processes import ALONE, Processes
from .draws import batch_at, chance_at, generator_at
from .optimisers import Optimisers, hidden_matrices
from .stages import GRID_CLASSES, GRID_ROWS, Materials, Stage

# The teacher's steps. With the weights of this repository its pictures are then half a grey level
# from those of its 16 steps, an eighth of what the student errs.
TEACHER_STEPS = 12
HUBER = 0.03  # the c of `distance`
TOGETHER = 64  # pictures that the teacher draws at once; they share a guidance scale
PLAIN = 1 / 3  # share of the pairs whose caption is the name of the class alone
# The steps of the student's run in training step 0, 1, ..., over and over: 2 is the usual number.
RUNS = (2, 2, 2, 2, 3, 2, 2, 2, 2, 4)


class Pairs(NamedTuple):
    """What the student learns from: noise and the teacher's latent z, each (N, 4, 8, 8), the
    caption as `Positions` of (N, n_tokens), and the guidance scale (N,)."""

    noise: Tensor
    z: Tensor
    rows: Tensor
    weights: Tensor
    scale: Tensor


@torch.inference_mode()
def teacher_pairs(
    model: LatentDiffusion,
    captions: Captions,
    enough: Callable[[int], bool],
    seed: int,
    dropout: float,
    processes: Processes = ALONE,
) -> Pairs:
    """Pairs in batches of TOGETHER, each a function of the seed and its number 0, 1, ..., until
    enough(number) says that it and those after it are not needed. Half of them have the model's
    default guidance scale, the others one between those of STUDENT_SCALES. dropout: share of empty
    captions. Each process makes a part; all get all."""
    # The backend of a CPU, which is faster in float32, has no bfloat16.
    name = "torch" if has_bfloat16(model.device) else "auto"
    backend = make_backend(name, model, model.device)
    shape = (TOGETHER, model.config.unet.latent_channels, LATENT_SIDE, LATENT_SIDE)
    times = model.schedule.times(TEACHER_STEPS, model.defaults.spacing)
    made, about = {}, {"desc": "teacher", "unit_scale": TOGETHER, "disable": processes.silent}
    for k in tqdm(count(processes.rank, processes.count), **about):
        if enough(k):
            break
        chance = chance_at(seed, k, stream=3)
        indices = batch_at(k, len(captions.labels), TOGETHER, seed).tolist()
        rows, weights = captions.draw(indices, chance)
        for i, index in enumerate(indices):
            if (kind := chance.random()) < PLAIN + dropout:
                rows[i], weights[i] = EMPTY, 1.0
                if kind < PLAIN:
                    rows[i, 0] = model.vocabulary.class_row(captions.labels[index])
        scale = model.defaults.guidance_scale
        if k % 2:
            low, high = STUDENT_SCALES
            scale = low + chance.random() * (high - low)
        settings = replace(model.defaults, guidance_scale=scale)
        random = generator_at(seed, k, torch.device("cpu"), stream=3)
        noise = torch.randn(shape, generator=random)
        context = context_of(model.conditioning, Positions(rows, weights))
        denoise = guided_denoiser(backend.predictor, context, model.schedule, settings)
        sampler = get_sampler(settings.sampler)
        start = noise.to(model.device)
        with mixed_precision(model.device):
            *_, (z, _) = sampler(denoise, start, times, schedule=model.schedule, noise=None)
        made[k] = noise, z.cpu(), rows, weights, torch.full((TOGETHER,), scale)
    made = processes.union(made)
    return Pairs(*(torch.cat(part) for part in zip(*(made[k] for k in sorted(made)))))


def read_pairs(path: Path, about: dict[str, Any]) -> Pairs | None:
    """The pairs of an earlier run that was about the same; None where there are none."""
    if not path.exists():
        return None
    tensors, stored = read_checkpoint(path, "pairs", "Remove it.")
    return Pairs(**tensors) if stored.items() >= about.items() else None


def context_of(conditioning: Conditioning, captions: Positions) -> Context:
    """Captions as condition tokens, beside those of the empty prompt."""
    rows, weights = captions
    empty = torch.full_like(rows, EMPTY), torch.ones_like(weights)
    return conditioning.encode(Positions(*map(torch.cat, zip(captions, empty))))


def distance(x_0: Tensor, z: Tensor) -> Tensor:
    """Of each latent (B, 4, 8, 8) from another, (B,): pseudo-Huber (Song & Dhariwal 2023, eq. 7),

        (sqrt(|x_0 - z|^2 + c^2) - c) / sqrt(n)

    with n the numbers of a latent, so about their root mean square. Of the squared error, the few
    latents that lie far off are the most, and the others learn less from it."""
    apart = (x_0 - z).flatten(1)
    return ((apart.square().sum(dim=1) + HUBER**2).sqrt() - HUBER) / math.sqrt(apart.shape[1])


class StudentStage(Stage):
    """The student, from the teacher in the output folder."""

    name = "student"

    def __init__(self, materials: Materials):
        super().__init__(materials)
        self.batch = self.config.student_batch
        self.model = materials.load_teacher().to(self.device).requires_grad_(False)
        self.teacher = teacher_of(self.model)
        self.module = copy.deepcopy(self.model.unet).requires_grad_(True)
        self.model.student = self.module

    def settings(self) -> dict[str, Any]:
        return {"teacher": self.teacher}

    def prepare(self) -> None:
        data, config = self.data, self.config
        captions = Captions(self.model.vocabulary, data.labels.tolist(), measure(data.pixels))
        processes, file = self.materials.processes, self.materials.pairs_file
        about = {"teacher": self.teacher, "seed": config.seed, "length": self.materials.length}
        self.pairs = processes.from_first(lambda: read_pairs(file, about))
        if self.pairs is None:
            enough = lambda k: self.materials.enough_pairs(k * TOGETHER)
            how = enough, config.seed, config.caption_dropout, processes
            self.pairs = teacher_pairs(self.model, captions, *how)
            if processes.first:
                save_checkpoint(file, "pairs", self.pairs._asdict(), about)

    def loss_at(self, step: int) -> Tensor:
        """The mean over the steps of a run of the student, each from the latent that it has made
        itself, of the `distance` of its estimate of x_0. Gradients go back to the step before by
        the sampler's formula, and not through the network."""
        model, steps = self.model, RUNS[step % len(RUNS)]
        part = self.materials.processes.part(self.batch)
        indices = batch_at(step, len(self.pairs.z), self.batch, self.config.seed)[part]
        noise, z, rows, weights, scale = (of[indices].to(self.device) for of in self.pairs)
        with torch.no_grad():
            context = context_of(model.conditioning, Positions(rows, weights))

        def predictor(contexts: Tensor) -> Predict:
            def predict(x_t: Tensor, t: Tensor) -> Tensor:
                with mixed_precision(self.device):
                    v = self.module(x_t.detach(), t.to(self.device), contexts[0])
                return v.float()[None]

            return predict

        denoise = student_denoiser(predictor, context, model.schedule, scale)
        times = model.schedule.times(steps)
        run = ddim(denoise, noise, times, schedule=model.schedule, noise=None)
        return torch.stack([distance(x_0, z).mean() for _, x_0 in run]).mean()

    def optimisers(self) -> Optimisers:
        return Optimisers(
            self.module,
            self.config.student_learning_rate,
            weight_decay=self.config.weight_decay,
            matrices=hidden_matrices(self.module),
            matrix_learning_rate=self.config.student_matrix_learning_rate,
        )

    def draw(self) -> tuple[Tensor, int]:
        """Rows of the teacher's pictures, each above the student's in two steps."""
        labels = range(min(len(self.model.class_names), GRID_CLASSES))
        rows = []
        for row in range(GRID_ROWS // 2):
            seeds = [row * len(labels) + label for label in labels]
            rows.append(self.model.generate(labels, seeds=seeds))
            rows.append(self.model.generate(labels, seeds=seeds, sampler=STUDENT, steps=2))
        return torch.cat(rows), len(labels)

    def save(self, path: Path, record: dict[str, Any]) -> None:
        save_student(path, self.model, record)
        if not record["interrupted"]:
            self.materials.pairs_file.unlink(missing_ok=True)
