"""Captions are true, varied, and silent without a reason."""

import random
from collections import Counter

import pytest
import torch

from ldm_core.data import captions as module
from ldm_core.data.captions import Captions, amount_of, ranks_within_classes, third_of
from ldm_core.data.morphometrics import Measurements
from ldm_core.model.vocabulary import EMPTY, HIGH, LOW, MIDDLE, STYLES, Vocabulary, make_vocabulary

DIGITS = tuple("0123456789")
OTHERS = ("ankle boot", "T-shirt/top", "a", "A", "left")
COUNT = 1000  # pictures


def made(names=DIGITS, places=12, constant=False) -> Captions:
    """Captions of pictures whose style differs from class to class."""
    vocabulary = Vocabulary(make_vocabulary(names), len(names), places)
    labels = [i % len(names) for i in range(COUNT)]
    values = torch.rand(3, COUNT, generator=torch.Generator().manual_seed(0))
    values = values * 0 if constant else values + torch.tensor(labels)
    return Captions(vocabulary, labels, Measurements(*values))


def drawn(captions: Captions, rounds=3, seed=0) -> list[tuple[int, list[tuple[int, float]]]]:
    """Each picture with its caption: the words that are there, and their amounts."""
    chance, each = random.Random(seed), []
    for _ in range(rounds):
        places = captions.draw(range(COUNT), chance)
        assert places.rows.shape == places.weights.shape == (COUNT, captions.vocabulary.n_positions)
        for i, rows, amounts in zip(range(COUNT), places.rows.tolist(), places.weights.tolist()):
            each.append((i, [(r, a) for r, a in zip(rows, amounts) if r != EMPTY]))
    return each


def text(captions: Captions, words) -> str:
    return captions.vocabulary.write(tuple(row for row, amount in words if amount == 1))


def slider(captions: Captions, words) -> dict[str, float]:
    """The amounts, with a sign, of what is said by a slider."""
    said = {}
    for row, amount in words:
        for name in captions.vocabulary.styles:
            for third in (LOW, HIGH):
                if amount < 1 and row == captions.vocabulary.phrases(name, third)[0][-1]:
                    said[name] = third * amount
    return said


@pytest.mark.parametrize("names", [DIGITS, OTHERS, ("bold", "medium", "picture")])
def test_every_caption_is_true(names):
    captions = made(names)
    heard, styles = set(), captions.vocabulary.styles
    for i, words in drawn(captions):
        reading = captions.vocabulary.read(text(captions, words))
        assert reading.label in (None, captions.labels[i])
        for name, third in reading.style.items():
            assert third == third_of(captions.ranks[name][i])
            heard.add((name, third))
        for name, amount in slider(captions, words).items():
            rank = captions.ranks[name][i]
            assert rank > 2 / 3 * amount - 1e-6 if amount > 0 else rank < 1 + 2 / 3 * amount + 1e-6
        heard.add(reading.label)
    thirds = {(name, third) for name in styles for third in (LOW, MIDDLE, HIGH)}
    assert heard == {None, *range(len(names))} | thirds


def test_ranks_are_within_the_class_of_a_picture():
    values, labels = torch.tensor([3.0, 1, 2, 9, 9, 5, 7]), torch.tensor([0, 0, 0, 1, 1, 1, 2])
    expected = torch.tensor([5 / 6, 1 / 6, 3 / 6, 4 / 6, 4 / 6, 1 / 6, 1 / 2]).double()
    ranks = ranks_within_classes(values, labels, values, labels)
    torch.testing.assert_close(ranks, expected)
    assert [third_of(r) for r in (0.01, 0.33, 0.34, 0.66, 0.67, 0.99)] == [-1, -1, 0, 0, 1, 1]


def test_an_amount_stands_for_the_ranks_of_its_window():
    for rank in torch.linspace(0.005, 0.995, 100).tolist():
        low, high = amount_of(rank, 0), amount_of(rank, 1)
        assert -1 <= low < high <= 1
        assert amount_of(rank, 0.5) == pytest.approx((low + high) / 2)
        for s in torch.linspace(-0.995, 0.995, 200).tolist():
            fits = rank > 2 * s / 3 if s > 0 else rank < 1 + 2 * s / 3
            assert (low <= s <= high) == fits, (rank, s)


def test_silence_says_nothing(monkeypatch):
    """Ranks of pictures whose captions are silent about a property are as even as all ranks; and
    among captions that speak of it, so are words and amounts."""
    monkeypatch.setattr(module, "DROPPED", 0)
    captions = made()
    counts = {kind: Counter() for kind in ("silent", "words", "slider")}
    for i, words in drawn(captions, rounds=12):
        said = captions.vocabulary.read(text(captions, words)).style
        by_slider = slider(captions, words)
        for name in captions.vocabulary.styles:
            kind = "words" if name in said else "slider" if name in by_slider else "silent"
            counts[kind][int(captions.ranks[name][i] * 10)] += 1
    total = sum(sum(bins.values()) for bins in counts.values())
    for kind, share in {"silent": 0.6315, "words": 0.258, "slider": 0.1105}.items():
        bins = counts[kind]
        assert sum(bins.values()) / total == pytest.approx(share, abs=0.005)
        even = sum(bins.values()) / 10
        chi_squared = sum((bins[b] - even) ** 2 / even for b in range(10))
        assert chi_squared < 27.9  # exceeded by chance once in a thousand times; 9 degrees


def test_captions_are_of_all_kinds(monkeypatch):
    monkeypatch.setattr(module, "DROPPED", 0)
    captions = made()
    texts = Counter(text(captions, words) for _, words in drawn(captions, rounds=5))
    total = 5 * COUNT
    labels = {prompt: captions.vocabulary.read(prompt).label for prompt in texts}
    nameless = sum(n for prompt, n in texts.items() if labels[prompt] is None)
    assert nameless / total == pytest.approx(0.1, abs=0.01)
    assert texts[""] > 0
    assert 0.2 < sum(texts[row[0]] for row in captions.vocabulary.rows[1:11]) / total < 0.45
    joined = "\n".join(texts)
    for name, thirds in STYLES.items():
        for phrases in thirds.values():
            for phrase in phrases:
                first, *rest = phrase.split()
                assert phrase in joined, name
                assert not rest or f"{first} to the {rest[0]}" in joined
    for part in ("with bold strokes", "a picture of", "an eight", "a one", "digit seven", " and "):
        assert part in joined


def test_words_are_left_out_now_and_then_but_never_one_that_stands_alone(monkeypatch):
    captions = made()
    monkeypatch.setattr(module, "DROPPED", 0)
    whole = [len(words) for _, words in drawn(captions)]
    monkeypatch.setattr(module, "DROPPED", 0.05)
    left = [len(words) for _, words in drawn(captions)]
    several = sum(n for n in whole if n > 1)
    assert (sum(whole) - sum(left)) / several == pytest.approx(0.05, abs=0.015)
    monkeypatch.setattr(module, "DROPPED", 1)
    alone = [len(words) for _, words in drawn(captions)]
    assert set(alone) == {0, 1}
    assert alone.count(1) == pytest.approx(whole.count(1), rel=0.05)


@pytest.mark.parametrize("places", [9, 12])
def test_captions_have_at_most_as_many_words_as_there_are_places(places, monkeypatch):
    monkeypatch.setattr(module, "PLAIN", 0)
    monkeypatch.setattr(module, "MENTIONED", 1)
    captions = made(places=places)
    assert max(len(words) for _, words in drawn(captions)) == places


def test_pictures_that_are_all_alike_are_in_the_middle():
    captions = made(constant=True)
    style = [captions.vocabulary.read(text(captions, words)).style for _, words in drawn(captions)]
    assert {third for said in style for third in said.values()} == {MIDDLE}
    assert {name for said in style for name in said} == set(STYLES)


def test_names_of_other_data_sets_are_one_word():
    captions = made(OTHERS)
    assert captions.vocabulary.styles == ("stroke", "width")
    texts = {text(captions, words) for _, words in drawn(captions)}
    assert {"ankle boot", "T-shirt/top", "a", "A", "left"} <= texts
    assert any(t.startswith("the ") and t.endswith(" ankle boot") for t in texts)
    assert not any(t.startswith("a ") and t.endswith(" boot") for t in texts)  # "a" is a class
