"""The judge: real pictures, and the classifier that compares samples with them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..checks import InputError
from ..data.datasets import LabelledImages
from .classifier import Classifier
from .metrics import (
    frechet_deviation,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    nearest_distance,
    share,
)

REFERENCES = 10_000  # training pictures for precision, recall, density and coverage


@dataclass(frozen=True)
class Judge:
    """classifier: plays no part in making samples; training, test: the two sets of real pictures.

    Raises InputError unless there are enough pictures to say how far apart they lie.
    """

    classifier: Classifier
    training: LabelledImages
    test: LabelledImages

    def __post_init__(self):
        for part, data, least in (("training", self.training, 6), ("test", self.test, 4)):
            if len(data.pixels) < least:
                raise InputError(
                    f"Evaluation needs at least {least} {part} pictures, not {len(data.pixels)}."
                )

    @cached_property
    def training_features(self) -> Tensor:
        return self.classifier.judge(self.training.pixels)[0].cpu()

    def real_like(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Indices of test pictures, of each class as many as among labels (N,): another mix would
        count as a fault in a distance. Of a class with fewer, all; and all of the test set where N
        is no less."""
        order = torch.randperm(len(self.test.pixels), generator=generator)
        if len(labels) >= len(order):
            return order
        of_class = [order[self.test.labels[order] == i] for i in range(labels.max() + 1)]
        return torch.cat([own[:n] for own, n in zip(of_class, labels.bincount().tolist())])

    def frechet_deviation(self, pixels: Tensor, labels: Tensor) -> float:
        """Of the distance of pictures to the training set: see `metrics.frechet_deviation`."""
        features = self.classifier.judge(pixels)[0].cpu()
        return frechet_deviation(self.training_features, features, labels)

    def scores(self, pixels: Tensor, labels: Tensor, references: Tensor) -> dict:
        """The measures of `metrics` for pictures uint8 (N, 28, 28) of labels (N,), beside the
        training set. references: indices of the training pictures used by measures that compare
        pairs of pictures."""
        features, predicted = (x.cpu() for x in self.classifier.judge(pixels))
        right = predicted == labels
        real = self.training_features
        flat, flat_training = (p.flatten(1).float() / 255 for p in (pixels, self.training.pixels))
        return {
            "accuracy": share(right),
            "frechet_distance": frechet_distance(real, features),
            "kernel_distance": kernel_distance(real[references], features),
            **manifold_scores(real[references], features),
            "nearest_distance": nearest_distance(flat, flat_training).mean().item(),
            "accuracy_by_class": {
                name: share(right[labels == i]) for i, name in enumerate(self.training.class_names)
            },
        }
