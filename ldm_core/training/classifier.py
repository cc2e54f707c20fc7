"""Training of the classifier that judges samples, on real images only."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import TrainingConfig
from ..data.datasets import LabelledImages
from ..evaluation.classifier import Classifier
from ..runtime.devices import mixed_precision
from .draws import batch_at, generator_at
from .loop import Budget, Run, TrainingResult, train

DROPOUT = 0.3


def train_classifier(
    classifier: Classifier,
    data: LabelledImages,
    budget: Budget,
    config: TrainingConfig,
    device: torch.device,
    run: Run = Run(),
) -> TrainingResult:
    """Train on randomly rotated, scaled and shifted images, dropping features at random."""
    classifier.train().to(device)
    batch = config.classifier_batch
    part = run.processes.part(batch)  # of every batch; draws are made for all of it
    shape = (batch, classifier.config.d_features)
    pixels, labels = data.pixels.to(device), data.labels.to(device)

    def loss_at(step: int) -> Tensor:
        generator = generator_at(config.seed, step, device)
        indices = batch_at(step, len(labels), batch, config.seed)
        augmented = _augment(pixels[indices].float(), generator)[part]
        # Not nn.Dropout, whose draws would depend on more than seed and step.
        kept = (torch.rand(shape, generator=generator, device=device) >= DROPOUT)[part]
        with mixed_precision(device):
            features = classifier.features(augmented) * kept / (1 - DROPOUT)
            logits = classifier.head(features)
        return F.cross_entropy(logits.float(), labels[indices][part], label_smoothing=0.05)

    result = train(
        classifier,
        loss_at,
        budget,
        name="classifier",
        batch=batch,
        learning_rate=config.classifier_learning_rate,
        weight_decay=config.weight_decay,
        ema_width=config.ema_width,
        run=run,
    )
    classifier.eval()
    return result


def _augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels."""
    spread = torch.tensor([0.17, 0.1, 0.14, 0.14], device=pixels.device)
    draw = torch.rand(len(pixels), 4, generator=generator, device=pixels.device) * 2 - 1
    angle, scale, dx, dy = (draw * spread).T
    cos, sin = angle.cos() * (1 + scale), angle.sin() * (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, dx], 1), torch.stack([sin, cos, dy], 1)], 1)
    grid = F.affine_grid(matrix, [len(pixels), 1, *pixels.shape[1:]], align_corners=False)
    return F.grid_sample(pixels.unsqueeze(1), grid, align_corners=False)[:, 0]
