import pytest
import torch

from ldm_core.evaluation.style_figures import (
    Judged,
    TrainingStyles,
    negative_figures,
    slider_figures,
    style_scores,
)
from ldm_core.model.vocabulary import HIGH, LOW

# Strokes 0 to 8 in class 0 and 0 to 80 in class 1, out of order; class 2 has no pictures.
ORDER = torch.tensor([4, 0, 8, 3, 7, 1, 5, 2, 6])
LABELS = torch.tensor([0] * 9 + [1] * 9)
STROKES = torch.cat([ORDER, 10 * ORDER]).float()
LEANS = torch.cat([-ORDER, -ORDER]).float()


@pytest.fixture
def training() -> TrainingStyles:
    return TrainingStyles(LABELS, {"stroke": STROKES, "lean": LEANS}, n_classes=3)


def judged(labels: list[int], strokes: list[float], leans=None, right=None) -> Judged:
    measured = {"stroke": torch.tensor(strokes), "lean": torch.tensor(leans or [0.0] * len(labels))}
    right = torch.tensor(right or [True] * len(labels))
    return Judged(torch.tensor(labels), measured, right)


def test_the_side_and_the_third_are_those_of_the_own_class(training):
    # 9 is above all of class 0, and among the thinnest of class 1.
    samples = judged([0, 0, 0, 1], [9, 5, 1, 9], right=[True, True, True, False])
    bold = style_scores(training, {"stroke": HIGH}, samples)
    assert bold["count"] == 4
    assert bold["right_side"] == 2 / 4
    assert bold["asked_third"] == 1 / 4
    assert bold["label_accuracy"] == 3 / 4
    thin = style_scores(training, {"stroke": LOW}, samples)
    assert thin["right_side"] == thin["asked_third"] == 2 / 4
    for third in (LOW, HIGH):  # the median itself is on neither side
        assert style_scores(training, {"stroke": third}, judged([0], [4]))["right_side"] == 0


def test_two_words_must_both_be_right(training):
    samples = judged([0] * 4, [5, 5, 1, 7], leans=[-5, -1, -5, -7])
    both = style_scores(training, {"stroke": HIGH, "lean": LOW}, samples)
    assert both["right_side_each"] == [3 / 4, 3 / 4]
    assert both["right_side"] == 2 / 4
    assert both["asked_third"] == 1 / 4


def test_the_move_of_a_negative_prompt_is_a_share_of_the_way_between_the_thirds(training):
    # The means of the outer thirds are 1 and 7 in class 0, and 10 and 70 in class 1.
    neutral = judged([0, 1, 0], [1, 20, 3])
    led = judged([0, 1, 0], [5, 26, 5], right=[True, False, False])
    figures = negative_figures(training, "stroke", LOW, neutral, led)
    assert figures["move"] == pytest.approx(0.3)  # the mean of 0.5 and 0.1; class 2 is left out
    assert figures["means"] == [11, 15.5]  # over classes: of 2 and 20, and of 5 and 26
    assert figures["label_accuracy"] == [1, pytest.approx(1 / 3)]
    back = negative_figures(training, "stroke", LOW, led, neutral)
    away_from_bold = negative_figures(training, "stroke", HIGH, led, neutral)
    assert [back["move"], away_from_bold["move"]] == pytest.approx([-0.3, 0.3])


@pytest.mark.parametrize(
    ("strokes", "rises"),
    [((1, 2, 3, 4, 5), True), ((1, 2, 2, 4, 5), False), ((5, 2, 3, 4, 1), False)],
)
def test_a_slider_rises_where_each_mean_is_above_the_one_before(training, strokes, rises):
    # Class 0 has two samples, class 1 one: classes have the same weight in the mean, not samples.
    samples = [
        judged([0, 0, 1], [s, s, 10 * s], right=[True, True, i < 4]) for i, s in enumerate(strokes)
    ]
    figures = slider_figures(training, "stroke", samples)
    assert figures["positions"] == [-1, -0.5, 0, 0.5, 1]
    assert figures["means"] == [5.5 * s for s in strokes]
    assert figures["rises"] is rises
    assert figures["training_means"] == [5.5, 22, 38.5]
    assert figures["label_accuracy"] == [1, 1, 1, 1, pytest.approx(2 / 3)]
