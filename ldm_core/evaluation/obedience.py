"""Do samples have the style that was asked for?

Words of style, alone and in pairs, a negative prompt and sliders are tried, and the samples are
measured. Samples of the class alone and real test images are measured too: they tell what comes
without being asked for.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import LabelledImages
from ..data.morphometrics import measure
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from ..model.vocabulary import HIGH, LOW, Vocabulary
from .classifier import Classifier
from .figures import markdown, shown
from .samples import make_samples
from .style_figures import (
    POSITIONS,
    Judged,
    Said,
    TrainingStyles,
    negative_figures,
    slider_figures,
    style_scores,
)

NEGATIVE = ("stroke", LOW)  # what the negative prompt says


class Run(NamedTuple):
    """Samples to be made. count: how many; said: beside the class; options: what else
    `make_samples` takes."""

    count: int
    said: Said = {}
    options: Mapping[str, Any] = {}


class Plan(NamedTuple):
    """All samples to be made. plain: of the class alone; single and pairs: with one word and with
    two; negative: with a negative prompt, or none; sliders: for a property and a position."""

    plain: Run
    single: list[Run]
    pairs: list[Run]
    negative: Run | None
    sliders: dict[tuple[str, float], Run]

    @property
    def count(self) -> int:
        negative = [self.negative] if self.negative else []
        runs = [self.plain, *self.single, *self.pairs, *negative, *self.sliders.values()]
        return sum(run.count for run in runs)


def make_plan(vocabulary: Vocabulary, count: int, guidance_scale: float) -> Plan:
    """count: samples of each word; two words have a quarter of it, all else half, and at least one.
    Only those properties are asked for of which the model has all words."""
    quarter, half = max(1, count // 4), max(1, count // 2)
    thirds = [(name, third) for name in vocabulary.styles for third in (LOW, HIGH)]
    negative = None
    if NEGATIVE in thirds and guidance_scale != 1:  # at 1 it would not be heard
        negative = Run(half, options={"negative": write_words(vocabulary, *NEGATIVE)})
    return Plan(
        plain=Run(half),
        single=[Run(count, {name: third}) for name, third in thirds],
        pairs=[Run(quarter, {a: x, b: y}) for (a, x), (b, y) in combinations(thirds, 2) if a != b],
        negative=negative,
        sliders={
            (name, at): Run(half, options={"style": {name: at}})
            for name in vocabulary.styles
            for at in POSITIONS
            if at != 0  # there it says nothing
        },
    )


def write_words(vocabulary: Vocabulary, name: str, third: int) -> str:
    """The usual words for a third of a property, such as "leaning left"."""
    return vocabulary.write(vocabulary.phrases(name, third)[0])


def write_prompt(vocabulary: Vocabulary, label: int, said: Said) -> str:
    """A class and words of style, such as "bold seven leaning left": phrases of one word stand
    before the class, longer ones after it."""
    phrases = [vocabulary.phrases(name, third)[0] for name, third in said.items()]
    ordered = [
        *(phrase for phrase in phrases if len(phrase) == 1),
        (vocabulary.class_row(label),),
        *(phrase for phrase in phrases if len(phrase) > 1),
    ]
    return vocabulary.write(tuple(row for phrase in ordered for row in phrase))


def measure_obedience(
    model: LatentDiffusion,
    judge: Classifier,
    data: LabelledImages,
    test: LabelledImages,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
) -> dict:
    """How a model that knows words obeys them, as a JSON-able dictionary.

    data, test: the training and the test set. count: samples of each word; see `make_plan` for the
    rest. All rows have the same seeds, from `seed` on, and the classes of the training set in turn.

    single and pairs: the `style_scores` of one word and of two. Beside them stand those `without`,
    of samples that were asked for the class alone, and those of the `real` test images. negative:
    see `negative_figures`; None where it cannot be said or heard. sliders: see `slider_figures`.
    """
    vocabulary = model.vocabulary
    plan = make_plan(vocabulary, count, settings.guidance_scale)
    training = TrainingStyles(data.labels, measure(data.pixels)._asdict(), len(model.class_names))
    classes = torch.tensor(training.classes)
    known = torch.isin(test.labels, classes)  # test images that have pictures to be ranked among

    def draw(run: Run) -> Judged:
        labels = classes[torch.arange(run.count) % len(classes)]
        prompts = [write_prompt(vocabulary, label, run.said) for label in labels.tolist()]
        samples = make_samples(model, prompts, settings, seed, bar, **run.options)
        return _judged(judge, samples, labels)

    def scores(run: Run) -> dict:
        others = {"without": plain, "real": real}
        return style_scores(training, run.said, draw(run)) | {
            name: style_scores(training, run.said, other) for name, other in others.items()
        }

    def written(run: Run) -> list[str]:
        return [write_words(vocabulary, name, third) for name, third in run.said.items()]

    if not vocabulary.styles:
        return {"single": [], "pairs": [], "negative": None, "sliders": []}
    with tqdm(total=plan.count, desc="words", unit="image", disable=None) as bar:
        plain, real = draw(plan.plain), _judged(judge, test.pixels[known], test.labels[known])
        words = {
            "single": [{"word": written(run)[0], **scores(run)} for run in plan.single],
            "pairs": [{"words": written(run), **scores(run)} for run in plan.pairs],
            "negative": None,
            "sliders": [],
        }
        if run := plan.negative:
            figures = negative_figures(training, *NEGATIVE, plain, draw(run), model.class_names)
            words["negative"] = {"word": run.options["negative"], **figures}
        for name in vocabulary.styles:
            ends = [write_words(vocabulary, name, third) for third in (LOW, HIGH)]
            samples = [draw(plan.sliders[name, at]) if at else plain for at in POSITIONS]
            words["sliders"].append({"words": ends, **slider_figures(training, name, samples)})
    return words


def _judged(judge: Classifier, pixels: Tensor, labels: Tensor) -> Judged:
    return Judged(labels, measure(pixels)._asdict(), judge.judge(pixels)[1].cpu() == labels)


def tables_of_words(words: dict) -> list[str]:
    """The lines of Markdown for what `measure_obedience` returns."""
    if not words["single"]:
        return ["", "The names of the classes leave these weights no words of style."]
    return [
        *_table_of_words(words["single"]),
        *_table_of_pairs(words["pairs"]),
        *(_table_of_negative(words["negative"]) if words["negative"] else []),
        *_table_of_sliders(words["sliders"]),
    ]


def _table_of_words(single: list[dict]) -> list[str]:
    beside = ("without the word", "real test images")
    head = (_counted("word", single[0]), "right side", *beside, "asked third", *beside)
    rows = []
    for row in single:
        sources = (row, row["without"], row["real"])
        figures = [s[key] for key in ("right_side", "asked_third") for s in sources]
        rows.append([row["word"], *map(shown, [*figures, row["label_accuracy"]])])
    return markdown((*head, "label accuracy"), rows)


def _table_of_pairs(pairs: list[dict]) -> list[str]:
    if not pairs:
        return []
    head = (_counted("two words", pairs[0]), "both on the right side", "without the words")
    rows = []
    for row in pairs:
        both = [source["right_side"] for source in (row, row["without"], row["real"])]
        figures = [*both, *row["right_side_each"], row["label_accuracy"]]
        rows.append([", ".join(row["words"]), *map(shown, figures)])
    return markdown((*head, "real test images", "first", "second", "label accuracy"), rows)


def _table_of_negative(negative: dict) -> list[str]:
    head = (_counted("negative prompt", negative), f"{negative['property']} without", "with")
    head += ("move / distance of the thirds", "label accuracy without", "with")
    figures = [*negative["means"], negative["move"], *negative["label_accuracy"]]
    return markdown(head, [[negative["word"], *map(shown, figures)]])


def _table_of_sliders(sliders: list[dict]) -> list[str]:
    head = (_counted("slider", sliders[0]), *(f"{at:g}" for at in POSITIONS), "rises")
    rows = []
    for row in sliders:
        name = " to ".join(row["words"])
        low, _, high = map(shown, row["training_means"])
        rises = "yes" if row["rises"] else "no"
        rows.append([f"{name}: {row['property']}", *map(shown, row["means"]), rises, low, high])
        rows.append([f"{name}: label accuracy", *map(shown, row["label_accuracy"]), "", "", ""])
    return markdown((*head, "lowest third of the training set", "highest third"), rows)


def _counted(name: str, row: dict) -> str:
    return f"{name} ({row['count']} samples)"
