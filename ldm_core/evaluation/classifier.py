"""A small classifier; its accuracy and its features measure samples.

It is trained on real images only and takes no part in making samples.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..config import ClassifierConfig
from ..files.checkpoint import load_module


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


def load_classifier(path: str | Path) -> Classifier:
    """Read a classifier; raises CheckpointError if the file is missing, damaged or another kind."""
    make = lambda config: Classifier(ClassifierConfig.from_dict(config))
    return load_module(path, "classifier", make)


def _convolution(in_channels: int, out_channels: int) -> list[nn.Module]:
    # Group rather than batch norm: the judgement of an image must not depend on its neighbours.
    return [
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.GroupNorm(8, out_channels),
        nn.ReLU(),
    ]
