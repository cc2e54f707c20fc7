"""Does cross-attention show where a word acts? Leave a word out, and see which pixels change."""

from collections import defaultdict
from itertools import combinations
from statistics import fmean

import torch
from torch import Tensor
from tqdm import tqdm

from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from ..model.inside import attention_maps
from ..model.vocabulary import HIGH, LOW, Phrase, Vocabulary
from .obedience import phrases_of
from .tables import table

BY = ("own", "other", "ink")
CHANGED = 64  # grey levels by which a pixel must differ to count as changed
BATCH = 50


def check_attention(
    model: LatentDiffusion, settings: SamplingSettings, count: int, seed: int = 0
) -> dict:
    """How well the map of a word (see `attention_maps`) foretells which pixels change when the word
    is left out and the same seed is drawn: the area under the receiver operating characteristic,
    1 is perfect and 0.5 is chance. As a JSON-able dictionary.

    count: captions, each of a class and two words of style. own: the mean by the word's own map.
    Beside it, how far one comes without: other, by the maps of the caption's other words, and ink,
    by the greys of the picture. words: the three for each word. unchanged: how often no pixel
    changed; left out.
    """
    rows, unchanged = defaultdict(list), 0
    each = captions(model.vocabulary, count)
    for first in tqdm(range(0, count, BATCH), desc="captions", leave=False, disable=None):
        batch = each[first : first + BATCH]
        seeds = range(seed + first, seed + first + len(batch))
        steps = [*_drawn(model, batch, seeds, settings, read=["attention.cross"])]
        maps = attention_maps([step.read for step in steps])
        images = model.decode(steps[-1].x_t).int()
        for word in range(len(batch[0])):
            rest = [caption[:word] + caption[word + 1 :] for caption in batch]
            *_, last = _drawn(model, rest, seeds, settings)
            changed = (model.decode(last.x_t).int() - images).abs() > CHANGED
            for caption, own, image, pixels in zip(batch, maps, images, changed):
                by_word = _by_phrase(own, caption)
                if not pixels.any():
                    unchanged += 1
                    continue
                others = [area(one, pixels) for i, one in enumerate(by_word) if i != word]
                found = area(by_word[word], pixels), fmean(others), area(image, pixels)
                rows[model.vocabulary.write(caption[word])].append(found)
    mean = lambda found: dict(zip(BY, map(fmean, zip(*found))))
    total = mean([one for found in rows.values() for one in found])
    words = {word: mean(found) | {"count": len(found)} for word, found in rows.items()}
    return {"count": count, "seed": seed, **total, "unchanged": unchanged, "words": words}


def captions(vocabulary: Vocabulary, count: int) -> list[list[Phrase]]:
    """Captions of three phrases, such as bold, seven, leaning left: each pair of style words with
    each class in turn."""
    styles = [(name, third) for name in vocabulary.styles for third in (LOW, HIGH)]
    pairs = [pair for pair in combinations(styles, 2) if pair[0][0] != pair[1][0]]
    return [
        phrases_of(vocabulary, i // len(pairs) % vocabulary.n_classes, dict(pairs[i % len(pairs)]))
        for i in range(count)
    ]


def area(scores: Tensor, positive: Tensor) -> float:
    """The area under the curve of scores for bool `positive`, both of any shape: the share of pairs
    of a positive and a negative in which the positive has the higher score. Equal ones count half.
    """
    _, which, counts = scores.unique(return_inverse=True, return_counts=True)
    below = counts.cumsum(0) - (counts + 1) / 2  # the mean rank of equal scores, from 0
    ranks = below[which[positive]].double()
    n, m = len(ranks), positive.numel() - len(ranks)
    return ((ranks.sum() - n * (n - 1) / 2) / (n * m)).item()


def attention_table(report: dict) -> str:
    """What `check_attention` returns, the best word first, as a Markdown table."""
    words = sorted(report["words"].items(), key=lambda item: -item[1]["own"])
    rows = [("all", report), *words]
    head = f"word left out ({report['count']} captions) | own map | maps of other words | ink"
    lines = table(head, ([name, *(row[by] for by in BY)] for name, row in rows))
    return "\n".join(lines).strip() + f"\n\nNo pixel changed: {report['unchanged']} times."


def _drawn(model, phrases, seeds, settings, **options):
    prompts = [model.vocabulary.write(tuple(row for p in each for row in p)) for each in phrases]
    return model.denoise(prompts, seeds=seeds, settings=settings, **options)


def _by_phrase(maps: Tensor, caption: list[Phrase]) -> list[Tensor]:
    """Maps of positions (n_tokens, 28, 28) -> one for each phrase."""
    ends = torch.tensor([len(phrase) for phrase in caption]).cumsum(0).tolist()
    return [maps[end - len(phrase) : end].sum(dim=0) for phrase, end in zip(caption, ends)]
