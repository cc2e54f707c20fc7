"""Training of the classifier that judges samples, on real images only."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import ClassifierConfig, TrainingConfig
from ..data.datasets import LabelledImages
from ..evaluation.classifier import Classifier
from ..files.checkpoint import save_module
from ..runtime.devices import mixed_precision
from .budget import Budget
from .draws import batch_at, generator_at
from .loop import LoopOptions, Training, TrainingResult, train
from .optimisers import OptimiserSettings
from .stage import Materials, TrainingStage

DROPOUT = 0.3
LABEL_SMOOTHING = 0.05


class ClassifierStage(TrainingStage):
    name = "classifier"

    def __init__(self, materials: Materials):
        self.materials = materials
        torch.manual_seed(materials.config.seed + 2)
        self.classifier = Classifier(ClassifierConfig(materials.data.class_names))

    def model_settings(self) -> dict[str, Any]:
        return self.classifier.config.to_dict()

    def train(self, budget: Budget, options: LoopOptions) -> TrainingResult:
        data, config, device = self.materials.data, self.materials.config, self.materials.device
        return train_classifier(self.classifier, data, budget, config, device, options)

    def quality(self) -> dict[str, float]:
        test = self.materials.test
        predicted = self.classifier.judge(test.pixels)[1].cpu()
        return {"test_accuracy": round((predicted == test.labels).double().mean().item(), 4)}

    def save(self, path: Path, training: dict[str, Any]) -> None:
        save_module(path, "classifier", self.classifier, training)


def train_classifier(
    classifier: Classifier,
    data: LabelledImages,
    budget: Budget,
    config: TrainingConfig,
    device: torch.device,
    options: LoopOptions = LoopOptions(),
) -> TrainingResult:
    """Train on randomly rotated, scaled and shifted images, dropping features at random."""
    classifier.train().to(device)
    batch = config.classifier_batch
    part = options.processes.part(batch)  # of every batch; draws are made for all of it
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
        wanted = labels[indices][part]
        return F.cross_entropy(logits.float(), wanted, label_smoothing=LABEL_SMOOTHING)

    optimisers = OptimiserSettings(config.classifier_learning_rate, config.weight_decay)
    training = Training("classifier", classifier, loss_at, batch, optimisers, config.ema_width)
    result = train(training, budget, options)
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
