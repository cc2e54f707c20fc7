"""A made-up model writes the style of a picture into its pixels, where a made-up measure and
classifier find it: so every figure is known."""

import json
from types import SimpleNamespace

import pytest
import torch

from ldm_core import SamplingSettings
from ldm_core.data.datasets import LabelledImages
from ldm_core.data.morphometrics import Measurements
from ldm_core.evaluation import obedience
from ldm_core.evaluation.judge import Judge
from ldm_core.evaluation.obedience import measure_obedience, write_prompt
from ldm_core.evaluation.tables import tables_of_words
from ldm_core.model.vocabulary import HIGH, LOW, Vocabulary, make_vocabulary

NAMES = tuple("0123456789")
STYLES = ("stroke", "lean", "width")


def vocabulary(names: tuple[str, ...] = NAMES) -> Vocabulary:
    return Vocabulary(make_vocabulary(names), len(names), n_positions=12)


def pictures(labels: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
    """labels (N,), and 0 to 255 for each of STYLES (N, 3) -> uint8 (N, 28, 28)."""
    pixels = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    pixels[:, 0, 0] = labels
    pixels[:, 0, 1:4] = styles
    return pixels


def dataset(labels: list[int], names: tuple[str, ...] = NAMES) -> LabelledImages:
    """Of each class 9 pictures, with the styles 10, 20, ... 90."""
    values = torch.arange(10, 100, 10).repeat(len(labels))
    labels = torch.tensor(labels).repeat_interleave(9)
    return LabelledImages(pictures(labels, values[:, None].expand(-1, 3)), labels, names)


class Obedient:
    """Takes the place of `make_samples`, and keeps what it is asked for."""

    def __init__(self, strength: float = 1):
        self.strength = strength
        self.asked = []  # prompts, seed

    def __call__(self, model, asked, settings, seed, processes, negative=None, style=None):
        self.asked.append((asked, seed))
        readings = [model.vocabulary.read(prompt) for prompt in asked]
        away = model.vocabulary.read(negative).style if negative else {}
        style = style or {}
        said = [
            [r.style.get(s, 0) + style.get(s, 0) - 0.5 * away.get(s, 0) for s in STYLES]
            for r in readings
        ]
        labels = torch.tensor([reading.label for reading in readings])
        return pictures(labels, 50 + 30 * self.strength * torch.tensor(said))


@pytest.fixture
def measured(monkeypatch):
    """measure_obedience with a made-up measure and made-up samples; returns its result."""
    measure = lambda pixels: Measurements(*pixels[:, 0, 1:4].float().unbind(dim=1))
    monkeypatch.setattr(obedience, "measure", measure)
    classifier = SimpleNamespace(judge=lambda pixels: (None, pixels[:, 0, 0].long()))

    def measured(samples, count=20, names=NAMES, data=None, settings=SamplingSettings()):
        monkeypatch.setattr(obedience, "make_samples", samples)
        data = dataset(list(range(len(names))), names) if data is None else data
        model = SimpleNamespace(vocabulary=vocabulary(names), class_names=names)
        judge = Judge(classifier, data, data)
        words = measure_obedience(model, judge, settings, count, seed=7)
        json.dumps(words, allow_nan=False)
        return words

    return measured


def test_prompts_are_what_people_write():
    words = vocabulary()
    assert write_prompt(words, 7, {"stroke": HIGH, "lean": LOW}) == "bold seven leaning left"
    assert write_prompt(words, 7, {"lean": HIGH, "width": HIGH}) == "wide seven leaning right"
    assert write_prompt(words, 0, {}) == "zero"


def test_a_model_that_obeys_has_full_marks(measured):
    words = measured(Obedient())
    single = {row["word"]: row for row in words["single"]}
    usual = ["thin", "bold", "leaning left", "leaning right", "narrow", "wide"]
    assert list(single) == usual
    for row in single.values():
        assert row["count"] == 20
        assert row["right_side"] == row["asked_third"] == row["label_accuracy"] == 1
        assert row["without"]["right_side"] == row["without"]["asked_third"] == 0
        assert row["real"]["right_side"] == pytest.approx(4 / 9)
        assert row["real"]["asked_third"] == pytest.approx(1 / 3)
    pairs = [row["words"] for row in words["pairs"]]
    assert len(pairs) == len(set(map(tuple, pairs))) == 12
    assert ["bold", "leaning left"] in pairs
    assert all(row["right_side"] == 1 and row["count"] == 5 for row in words["pairs"])
    # Half of the word: 15 of the way from 20 to 80.
    assert words["negative"]["word"] == "thin"
    assert words["negative"]["move"] == pytest.approx(15 / 60)
    assert words["negative"]["means"] == [50, 65]
    for row, ends in zip(words["sliders"], zip(usual[::2], usual[1::2]), strict=True):
        assert row["words"] == list(ends)
        assert row["means"] == [20, 35, 50, 65, 80]
        assert row["training_means"] == [20, 50, 80]
        assert row["rises"]

    lines = tables_of_words(words)
    found = "\n".join(lines).split("\n\n")
    assert len(found) == 4
    for table in found:
        assert len({line.count("|") for line in table.strip().splitlines()}) == 1
    assert "| bold | 1.0000 | 0.0000 | 0.4444 | 1.0000 | 0.0000 | 0.3333 | 1.0000 |" in lines
    assert "| bold, leaning left | 1.0000 | 0.0000 | 0.0000 | 1.0000 | 1.0000 | 1.0000 |" in lines
    assert "| thin | 50.0000 | 65.0000 | 0.2500 | 1.0000 | 1.0000 |" in lines
    means = "20.0000 | 35.0000 | 50.0000 | 65.0000 | 80.0000 | yes | 20.0000 | 80.0000"
    assert f"| narrow to wide: width | {means} |" in lines


def test_a_model_that_does_the_opposite_has_none(measured):
    words = measured(Obedient(-1))
    assert not any(row["right_side"] or row["asked_third"] for row in words["single"])
    assert not any(row["right_side"] or any(row["right_side_each"]) for row in words["pairs"])
    assert words["negative"]["move"] == pytest.approx(-15 / 60)
    assert not any(row["rises"] for row in words["sliders"])


def test_all_rows_have_the_same_seeds_and_the_classes_in_turn(measured):
    samples = Obedient()
    measured(samples, count=40)
    assert {seed for _, seed in samples.asked} == {7}
    known = vocabulary()
    for prompts, _ in samples.asked:
        assert [known.read(p).label for p in prompts] == [i % 10 for i in range(len(prompts))]
    counts = [len(prompts) for prompts, _ in samples.asked]
    assert sorted(counts) == [10] * 12 + [20] * (1 + 1 + 12) + [40] * 6


def test_few_samples_or_pictures_are_no_error(measured):
    words = measured(Obedient(), count=1)  # of one class
    assert {row["count"] for row in words["pairs"]} == {1}
    assert words["negative"]["move"] == pytest.approx(15 / 60)

    samples = Obedient()
    words = measured(samples, data=dataset([1, 3]))  # a class without pictures is not asked for
    assert {prompt.split()[-1] for prompt in samples.asked[0][0]} == {"one", "three"}
    assert words["single"][0]["asked_third"] == 1

    labels = torch.arange(10)
    equal = LabelledImages(pictures(labels, torch.zeros(10, 3)), labels, NAMES)
    words = measured(Obedient(), data=equal)
    assert words["negative"]["move"] is None
    assert "| thin | 50.0000 | 65.0000 | – |" in "\n".join(tables_of_words(words))


def test_words_that_the_model_lacks_are_left_out(measured):
    words = measured(Obedient(), names=("left", "bold"))  # no "leaning left"; "thick" remains
    assert [row["word"] for row in words["single"]] == ["thin", "thick", "narrow", "wide"]
    assert len(words["pairs"]) == 4
    assert [row["property"] for row in words["sliders"]] == ["stroke", "width"]

    words = measured(Obedient(), names=("thin", "light", "fine", "left"))
    assert words["negative"] is None
    assert [row["word"] for row in words["single"]] == ["narrow", "wide"]
    assert words["pairs"] == []
    assert "negative prompt" not in "\n".join(tables_of_words(words))

    names = ("medium", "upright", "vertical", "normal")
    words = measured(lambda *_, **__: pytest.fail("it sampled"), names=names)
    assert "no words of style" in "\n".join(tables_of_words(words))

    words = measured(Obedient(), settings=SamplingSettings(guidance_scale=1))  # nothing leads away
    assert words["negative"] is None
    assert len(words["sliders"]) == 3
