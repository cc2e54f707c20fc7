"""How good are the samples: unpicked ones are made, judged and put into a table.

The judge is a classifier that sampling never uses. Every figure stands beside the score of as many
real test images.
"""

import time

import torch
from torch import Tensor

from ..checks import InputError
from ..data.datasets import LabelledImages
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from .classifier import Classifier
from .figures import markdown, share, shown
from .metrics import frechet_distance, kernel_distance, manifold_scores, nearest_distance
from .obedience import measure_obedience, tables_of_words
from .samples import labels_like, make_samples

REFERENCES = 10_000  # training images that precision, recall, density and coverage look at


def check_size(data: LabelledImages, test: LabelledImages) -> None:
    """Raise InputError unless there are enough pictures to tell how far apart they lie."""
    for part, pictures, least in (("training", data, 6), ("test", test, 4)):
        if len(pictures.pixels) < least:
            raise InputError(
                f"Evaluation needs at least {least} {part} pictures, not {len(pictures.pixels)}."
            )


def evaluate(
    model: LatentDiffusion,
    judge: Classifier,
    data: LabelledImages,
    test: LabelledImages,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
    words_count: int = 0,
) -> dict:
    """All figures of the table, as a JSON-able dictionary. See `metrics` for their meaning, and
    `obedience` for those of words.

    count: samples; words_count: samples of each word of style. "words" is None where words_count is
    0, and for a model that knows labels only.
    Raises InputError, before any work, where data or test hold too few pictures.
    """
    check_size(data, test)
    labels = labels_like(data.labels, count)
    started = time.perf_counter()
    samples = make_samples(model, labels, settings, seed)
    seconds = time.perf_counter() - started

    generator = torch.Generator().manual_seed(seed)
    some = torch.randperm(len(test.pixels), generator=generator)[:count]
    real, real_labels = test.pixels[some], test.labels[some]
    references = torch.randperm(len(data.pixels), generator=generator)[:REFERENCES]
    decoded = torch.cat([model.decode(model.encode(p)).cpu() for p in real.split(500)])

    train_features = judge.judge(data.pixels)[0].cpu()
    flat_train = data.pixels.flatten(1).float() / 255

    def scores(pixels: Tensor, wanted: Tensor) -> dict:
        features, predicted = (x.cpu() for x in judge.judge(pixels))
        right = predicted == wanted
        nearest = nearest_distance(pixels.flatten(1).float() / 255, flat_train)
        return {
            "accuracy": share(right),
            "frechet_distance": frechet_distance(train_features, features),
            "kernel_distance": kernel_distance(train_features[references], features),
            **manifold_scores(train_features[references], features)._asdict(),
            "nearest_distance": nearest.mean().item(),
            "accuracy_by_class": {
                name: share(right[wanted == i]) for i, name in enumerate(model.class_names)
            },
        }

    words = None
    if words_count and model.vocabulary:
        words = measure_obedience(model, judge, data, test, settings, words_count, seed)
    squared_error = (decoded.double() - real.double()).square().mean()
    return {
        "count": count,
        "real_count": len(some),
        "seed": seed,
        "settings": settings.to_dict(),
        "samples_per_second": count / seconds,
        "reconstruction_psnr_db": (10 * (255**2 / squared_error).log10()).item(),
        "samples": scores(samples, labels),
        "real": scores(real, real_labels),
        "reconstructions": scores(decoded, real_labels),
        "words": words,
    }


def table(report: dict) -> str:
    """The report as a Markdown table; a dash where there is nothing to tell."""
    samples, real, decoded = report["samples"], report["real"], report["reconstructions"]
    lines = [
        f"{report['count']} samples, seeds from {report['seed']}, "
        + ", ".join(f"{k} {v}" for k, v in report["settings"].items()),
        f"VAE reconstruction: {report['reconstruction_psnr_db']:.2f} dB PSNR",
    ]
    rows = [
        [
            key.replace("_", " "),
            *map(shown, (value, real[key])),
            shown(value / real[key] if real[key] else None, 3),
            shown(decoded[key]),
        ]
        for key, value in samples.items()
        if not isinstance(value, dict)
    ]
    lines += markdown(
        ("", "samples", "real test images", "samples / real", "VAE reconstructions"), rows
    )
    rows = [
        [name, shown(value), shown(real["accuracy_by_class"][name])]
        for name, value in samples["accuracy_by_class"].items()
    ]
    lines += markdown(("class", "accuracy of samples", "of real test images"), rows)
    return "\n".join(lines + (tables_of_words(report["words"]) if report["words"] else []))
