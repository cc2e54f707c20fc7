"""Do samples have the style that their prompts ask for?

Words of style alone and in pairs, a negative prompt and sliders are tried, and the samples are
measured. Samples of the class alone and real test images are measured too: they show what comes
by chance.
"""

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ..data.morphometrics import measure
from ..diffusion.samplers import STUDENT
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from ..model.vocabulary import HIGH, LOW, Phrase, Vocabulary
from ..runtime.processes import ALONE, Processes
from .judge import Judge
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

PLAIN = "the class alone"
NEGATIVE = ("stroke", LOW)  # the negative prompt names this third


class Run(NamedTuple):
    """Samples to make. said: words of style beside the class; options: more for `make_samples`."""

    count: int
    said: Said = {}
    options: Mapping[str, Any] = {}


def make_plan(vocabulary: Vocabulary, count: int, guidance_scale: float) -> dict[Hashable, Run]:
    """All samples to make. A key is PLAIN, NEGATIVE, a tuple of one or two words (each a property
    and a third), or ("slider", property, position).

    count: samples of each word; pairs have a quarter of it and all others half, and at least one.
    Only properties for which the model has all words are used. There is no negative prompt without
    guidance, which alone would hear it.
    """
    quarter, half = max(1, count // 4), max(1, count // 2)
    words = [(name, third) for name in vocabulary.styles for third in (LOW, HIGH)]
    plan = {PLAIN: Run(half)}
    plan |= {(word,): Run(count, dict([word])) for word in words}
    plan |= {two: Run(quarter, dict(two)) for two in combinations(words, 2) if len(dict(two)) == 2}
    if NEGATIVE in words and guidance_scale != 1:
        plan[NEGATIVE] = Run(half, options={"negative": write_words(vocabulary, *NEGATIVE)})
    sliders = [(name, at) for name in vocabulary.styles for at in POSITIONS if at]  # at 0: PLAIN
    return plan | {
        ("slider", name, at): Run(half, options={"style": {name: at}}) for name, at in sliders
    }


def write_words(vocabulary: Vocabulary, name: str, third: int) -> str:
    """The usual words for a third of a property, such as "leaning left"."""
    return vocabulary.write(vocabulary.phrases(name, third)[0])


def phrases_of(vocabulary: Vocabulary, label: int, said: Said) -> list[Phrase]:
    """A class and words of style, as in "bold seven leaning left": phrases of one word stand before
    the class, longer ones after it."""
    phrases = [vocabulary.phrases(name, third)[0] for name, third in said.items()]
    return [
        *(phrase for phrase in phrases if len(phrase) == 1),
        (vocabulary.class_row(label),),
        *(phrase for phrase in phrases if len(phrase) > 1),
    ]


def write_prompt(vocabulary: Vocabulary, label: int, said: Said) -> str:
    phrases = phrases_of(vocabulary, label, said)
    return vocabulary.write(tuple(row for phrase in phrases for row in phrase))


def measure_obedience(
    model: LatentDiffusion,
    judge: Judge,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
    processes: Processes = ALONE,
) -> dict | None:
    """How a model obeys words, as a JSON-able dictionary.

    count: samples of each word; see `make_plan` for the rest. All rows have the same seeds, from
    `seed` on, and the classes of the training set in turn.

    single and pairs: the `style_scores` of one word and of two. Beside them stand those `without`,
    of samples of the class alone, and those of the `real` test images. negative: see
    `negative_figures`; None where `make_plan` has none. sliders: see `slider_figures`.
    All processes make samples; only the first measures them, and the others return None.
    """
    vocabulary = model.vocabulary
    words = {"single": [], "pairs": [], "negative": None, "sliders": []}
    if not vocabulary.styles:
        return words
    classes = judge.training.labels.unique()
    plan = make_plan(vocabulary, count, settings.guidance_scale)
    if settings.sampler == STUDENT:
        plan.pop(NEGATIVE, None)  # it knows none

    def draw(run: Run) -> tuple[Tensor, Tensor]:
        labels = classes[torch.arange(run.count) % len(classes)]
        prompts = [write_prompt(vocabulary, label, run.said) for label in labels.tolist()]
        return make_samples(model, prompts, settings, seed, processes, **run.options), labels

    rows = tqdm(plan.items(), desc="words", unit="row", disable=processes.silent)
    drawn = {key: draw(run) for key, run in rows}
    if not processes.first:
        return None
    pixels, labels = judge.training.pixels, judge.training.labels
    training = TrainingStyles(labels, measure(pixels)._asdict(), len(model.class_names))

    def judged(pixels: Tensor, labels: Tensor) -> Judged:
        predicted = judge.classifier.judge(pixels)[1].cpu()
        return Judged(labels, measure(pixels)._asdict(), predicted == labels)

    samples = {key: judged(*pair) for key, pair in drawn.items()}
    plain, known = samples[PLAIN], torch.isin(judge.test.labels, classes)  # of classes with ranks
    real = judged(judge.test.pixels[known], judge.test.labels[known])
    for key, run in plan.items():
        if run.said:
            beside = {"without": plain, "real": real}
            scores = style_scores(training, run.said, samples[key]) | {
                name: style_scores(training, run.said, other) for name, other in beside.items()
            }
            first, *second = [write_words(vocabulary, *word) for word in key]
            if second:
                words["pairs"].append({"words": [first, *second], **scores})
            else:
                words["single"].append({"word": first, **scores})
    if NEGATIVE in plan:
        figures = negative_figures(training, *NEGATIVE, plain, samples[NEGATIVE])
        words["negative"] = {"word": plan[NEGATIVE].options["negative"], **figures}
    for name in vocabulary.styles:
        ends = [write_words(vocabulary, name, third) for third in (LOW, HIGH)]
        positions = [samples["slider", name, at] if at else plain for at in POSITIONS]
        words["sliders"].append({"words": ends, **slider_figures(training, name, positions)})
    return words
