"""Measure whether pictures have the style of their prompts: the arithmetic of `obedience`.

"Bold" means the highest third of the stroke thickness within a class of the training set, so every
picture is ranked among the training pictures of the class in its prompt.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.captions import ranks_within_classes, third_of
from ..model.vocabulary import HIGH, LOW
from .metrics import share

POSITIONS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # of a slider

Said = Mapping[str, int]  # property -> LOW or HIGH: the words of style in a prompt


class Judged(NamedTuple):
    """N pictures. labels: int64 (N,), the classes of their prompts; measured: each property of
    `Measurements`, float32 (N,); right: bool (N,), whether the judge sees the class."""

    labels: Tensor
    measured: Mapping[str, Tensor]
    right: Tensor


class TrainingStyles:
    """The measurements of the training set, by class, as a scale for those of other pictures."""

    def __init__(self, labels: Tensor, measured: Mapping[str, Tensor], n_classes: int):
        self.labels, self.measured, self.n_classes = labels, measured, n_classes

    def ranks(self, name: str, values: Tensor, labels: Tensor) -> Tensor:
        """Among the training pictures: see `ranks_within_classes`."""
        return ranks_within_classes(values, labels, self.measured[name], self.labels)

    def means(self, name: str, judged: Judged) -> Tensor:
        """The mean of a property in each class, float64 (n_classes,); NaN in an empty class."""
        return _class_means(judged.measured[name], judged.labels, self.n_classes)

    def means_of_third(self, name: str, third: int | None) -> Tensor:
        """`means` of a third of each class of the training set, or with None of all of it."""
        values, labels = self.measured[name], self.labels
        if third is not None:
            chosen = _in_third(self.ranks(name, values, labels), third)
            values, labels = values[chosen], labels[chosen]
        return _class_means(values, labels, self.n_classes)


def style_scores(training: TrainingStyles, said: Said, judged: Judged) -> dict:
    """How often pictures follow their prompts: shares from 0 to 1, None for no pictures.

    right_side: on the side of the training median of the class that each word names;
    right_side_each: the same for each word alone; asked_third: in the third of the class that each
    word names; label_accuracy: of the class in the prompt, as the classifier sees it.
    """
    ranks = [
        (training.ranks(name, judged.measured[name], judged.labels), third)
        for name, third in said.items()
    ]
    sides = [third * (rank - 0.5) > 0 for rank, third in ranks]
    thirds = [_in_third(rank, third) for rank, third in ranks]
    return {
        "count": len(judged.labels),
        "right_side": share(torch.stack(sides).all(dim=0)),
        "right_side_each": [share(side) for side in sides],
        "asked_third": share(torch.stack(thirds).all(dim=0)),
        "label_accuracy": share(judged.right),
    }


def negative_figures(
    training: TrainingStyles, name: str, third: int, neutral: Judged, led: Judged
) -> dict:
    """How far a negative prompt that says a third of a property moves samples away from it.

    neutral, led: samples without and with it. means: of the property, over classes, without and
    with it. move: as a share of the way from the mean of that third of the training set to the mean
    of the opposite third, in each class, then the mean over classes; 0 is no move, and below 0 is
    the wrong way. Classes without samples, or without pictures in both thirds, are left out.
    """
    before, after = training.means(name, neutral), training.means(name, led)
    start, end = (training.means_of_third(name, t) for t in (third, -third))
    return {
        "count": len(led.labels),
        "property": name,
        "means": [_over_classes(before), _over_classes(after)],
        "move": _over_classes((after - before) / (end - start)),
        "label_accuracy": [share(judged.right) for judged in (neutral, led)],
    }


def slider_figures(training: TrainingStyles, name: str, samples: Sequence[Judged]) -> dict:
    """The effect of a slider at each of POSITIONS. means: of the property, over classes; rises:
    whether each is above the one before; training_means: those of the lowest third of the training
    set, of all of it and of the highest third; label_accuracy: at each position."""
    means = [_over_classes(training.means(name, judged)) for judged in samples]
    thirds = (training.means_of_third(name, third) for third in (LOW, None, HIGH))
    return {
        "count": len(samples[0].labels),
        "property": name,
        "positions": list(POSITIONS),
        "means": means,
        "rises": all(low < high for low, high in zip(means, means[1:])),
        "training_means": [_over_classes(means) for means in thirds],
        "label_accuracy": [share(judged.right) for judged in samples],
    }


def _in_third(ranks: Tensor, third: int) -> Tensor:
    """Ranks (N,) -> whether a caption would have a word for that third: bool (N,)."""
    return torch.tensor([third_of(rank) == third for rank in ranks.tolist()], dtype=torch.bool)


def _class_means(values: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    sums = torch.zeros(n_classes, dtype=torch.float64).index_add(0, labels, values.double())
    return sums / labels.bincount(minlength=n_classes)


def _over_classes(means: Tensor) -> float | None:
    """The mean of (n_classes,), each class the same weight, NaN left out; None if all are NaN."""
    return None if means.isnan().all() else means.nanmean().item()
