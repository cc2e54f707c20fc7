"""Captions of pictures, made of labels and measurements and sampled afresh on every call.

A word of style stands for a third of the measurements within the picture's class: a wide 1 is wide
for a 1, also in captions without a class. Which properties a caption mentions is random, so leaving
one out carries no information.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.conditioning import Positions, Words, as_positions
from ..model.vocabulary import EMPTY, HIGH, LOW, MIDDLE, NUMBER_NOUNS, Phrase, Vocabulary
from .morphometrics import Measurements

# Probabilities
PLAIN = 0.33  # a caption has no style
MENTIONED = 0.55  # another caption mentions a property
BY_SLIDER = 0.3  # it does so by the position of a slider instead of words
BARE = 0.5  # a caption without style is the name of the class alone
NAMELESS = 0.1  # a caption does not name the class
BEFORE = 0.6  # a phrase stands before the class instead of after it
DROPPED = 0.05  # a word is left out of a caption of several words


class Captions:
    """The captions of a data set, from the class and the measurements of each picture."""

    def __init__(self, vocabulary: Vocabulary, labels: Sequence[int], measurements: Measurements):
        self.vocabulary, self.labels = vocabulary, labels
        measured, classes = measurements._asdict(), torch.as_tensor(labels)
        self.ranks = {
            name: ranks_within_classes(measured[name], classes, measured[name], classes).tolist()
            for name in vocabulary.styles
        }
        self.nouns = self._known(*NUMBER_NOUNS)

    def draw(self, indices: Sequence[int], chance: random.Random) -> Positions:
        """Sample a caption for each of the pictures."""
        words = [self._dropped(self._caption(i, chance), chance) for i in indices]
        return as_positions(words, self.vocabulary.n_positions)

    def _caption(self, i: int, chance: random.Random) -> Words:
        styles = self.vocabulary.styles if chance.random() > PLAIN else ()
        mentioned = [name for name in styles if chance.random() < MENTIONED]
        amounts, before, after = [], [], []
        for name in mentioned:
            rank = self.ranks[name][i]
            if chance.random() < BY_SLIDER:
                amounts += self._by_slider(name, amount_of(rank, chance.random()))
            else:
                phrase = self._phrase(name, third_of(rank), chance)
                if chance.random() < BEFORE:
                    before.append(phrase)
                elif name == "stroke" and chance.random() < 0.2:
                    after.append((*self._known("with"), *phrase, *self._known("strokes")))
                else:
                    after.append(phrase)
        name = () if chance.random() < NAMELESS else (self.vocabulary.class_row(self.labels[i]),)
        if name and not before + after and chance.random() < BARE:
            rows = name
        else:
            rows = self._sentence(before, name, after, chance)
            if len(rows) + len(amounts) > self.vocabulary.n_positions:
                rows = (*_joined(before), *name, *_joined(after))
        return [(row, 1.0) for row in rows] + amounts

    def _sentence(
        self, before: list[Phrase], name: Phrase, after: list[Phrase], chance: random.Random
    ) -> Phrase:
        """A caption with small words, such as "a picture of a bold digit seven, leaning left"."""
        for phrases in (before, after):
            phrases.sort(key=lambda _: chance.random())
        noun = ()
        if self.nouns and chance.random() < (0.15 if name else 0.5):
            noun = (_pick(self.nouns, chance),)
        subject = (*_joined(before), *noun, *name)
        kind = chance.random()
        if subject and kind < 0.6:
            first = self.vocabulary.write(subject[:1])
            vowel = first[0] in "aeiou" and first != "one"
            subject = (*self._known("the" if kind < 0.1 else "an" if vowel else "a"), *subject)
            if kind > 0.52:
                subject = (*self._known("a", "picture", "of"), *subject)
        rest = _joined(after)
        if len(after) > 1 and chance.random() < 0.3:
            rest = (*_joined(after[:-1]), *self._known("and"), *after[-1])
        return (*subject, *rest)

    def _phrase(self, name: str, third: int, chance: random.Random) -> Phrase:
        """A way to say a third, such as "bold" or "slanted to the left"."""
        phrase = _pick(self.vocabulary.phrases(name, third), chance)
        if len(phrase) > 1 and chance.random() < 0.2:
            phrase = (*phrase[:-1], *self._known("to", "the"), phrase[-1])
        return phrase

    def _by_slider(self, name: str, amount: float) -> Words:
        phrase = self.vocabulary.phrases(name, HIGH if amount > 0 else LOW)[0]
        return [(row, abs(amount)) for row in phrase]

    def _dropped(self, words: Words, chance: random.Random) -> Words:
        if len(words) == 1:
            return words
        return [(EMPTY, 1.0) if chance.random() < DROPPED else word for word in words]

    def _known(self, *words: str) -> Phrase:
        """The rows of those words that the model knows."""
        return tuple(row for word in words if (row := self.vocabulary.row(word)) is not None)


def ranks_within_classes(
    values: Tensor, labels: Tensor, of_values: Tensor, of_labels: Tensor
) -> Tensor:
    """Rank values (N,) among the `of_values` (M,) of the same class: float64 (N,), the share below,
    where equal ones count half. NaN for a class that `of_values` lacks."""
    ranks = torch.full((len(values),), torch.nan, dtype=torch.float64)
    for label in of_labels.unique():
        own = labels == label
        ordered = of_values[of_labels == label].sort().values
        below, up_to = (torch.searchsorted(ordered, values[own], right=r) for r in (False, True))
        ranks[own] = (below + up_to).double() / (2 * len(ordered))
    return ranks


def third_of(rank: float) -> int:
    """The third of a rank in [0, 1]: LOW, MIDDLE or HIGH."""
    return LOW if rank < 1 / 3 else HIGH if rank > 2 / 3 else MIDDLE


def amount_of(rank: float, share: float) -> float:
    """Choose a slider position in [-1, 1] that suits a rank; share in [0, 1] says which.

    A position s above 0 stands for the ranks above 2s/3, and one below 0 for those below 1 + 2s/3:
    all ranks at 0, and a third of them at either end.
    """
    low, high = -min(1.0, 1.5 * (1 - rank)), min(1.0, 1.5 * rank)
    return low + share * (high - low)


def _pick(options: Sequence, chance: random.Random):
    return options[int(chance.random() * len(options))]


def _joined(phrases: Sequence[Phrase]) -> Phrase:
    return tuple(row for phrase in phrases for row in phrase)
