"""An independent judge: a small classifier whose accuracy and features measure samples.

It is trained on real images alone and never takes part in making one.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoint import build, load_tensors, read_checkpoint, save_checkpoint
from .config import ClassifierConfig, TrainingConfig
from .datasets import LabelledImages
from .training_data import batch_at, generator_at, mixed_precision
from .training_loop import Budget, Run, TrainingResult, train

DROPOUT = 0.3


class Classifier(nn.Module):
    """uint8 pixels (B, 28, 28) -> `features` (B, d_features) -> logits (B, classes)."""

    def __init__(self, config: ClassifierConfig = ClassifierConfig()):
        super().__init__()
        self.config = config
        w = config.width
        self.body = nn.Sequential(
            *_convolution(1, w),
            *_convolution(w, w),
            nn.MaxPool2d(2),  # 14x14
            *_convolution(w, 2 * w),
            *_convolution(2 * w, 2 * w),
            nn.MaxPool2d(2),  # 7x7
            *_convolution(2 * w, 4 * w),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * w, config.d_features),
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Identity(), nn.Linear(config.d_features, len(config.class_names))
        )

    def features(self, pixels: Tensor) -> Tensor:
        return self.body(pixels.unsqueeze(1).float() / 127.5 - 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.features(pixels))

    @torch.inference_mode()
    def judge(self, pixels: Tensor, batch: int = 500) -> tuple[Tensor, Tensor]:
        """uint8 (N, 28, 28) -> features (N, d_features) and predicted labels int64 (N,)."""
        device = self.head[-1].weight.device
        features = torch.cat([self.features(p.to(device)) for p in pixels.split(batch)])
        return features, self.head(features).argmax(dim=1)

    def save(self, path: str | Path, training: dict) -> None:
        about = {"config": self.config.to_dict(), "training": training}
        save_checkpoint(path, "classifier", self.state_dict(), about)

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "Classifier":
        """Raises CheckpointError for a file that is missing, damaged or no classifier."""
        tensors, about = read_checkpoint(path, "classifier")
        classifier = build(path, lambda: cls(ClassifierConfig.from_dict(about["config"])))
        load_tensors(path, classifier, tensors)
        return classifier.eval().requires_grad_(False).to(device)


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


def _convolution(in_channels: int, out_channels: int) -> list[nn.Module]:
    # Group rather than batch norm: the judgement of an image must not depend on its neighbours.
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.GroupNorm(8, out_channels),
        nn.ReLU(),
    ]


def _augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels."""
    spread = torch.tensor([0.17, 0.1, 0.14, 0.14], device=pixels.device)
    draw = torch.rand(len(pixels), 4, generator=generator, device=pixels.device) * 2 - 1
    angle, scale, dx, dy = (draw * spread).T
    cos, sin = angle.cos() * (1 + scale), angle.sin() * (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, dx], 1), torch.stack([sin, cos, dy], 1)], 1)
    grid = F.affine_grid(matrix, [len(pixels), 1, *pixels.shape[1:]], align_corners=False)
    return F.grid_sample(pixels.unsqueeze(1), grid, align_corners=False)[:, 0]
