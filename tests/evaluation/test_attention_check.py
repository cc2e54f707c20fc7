"""The check of attention, on cases whose answer is known."""

import pytest
import torch

from ldm_core.evaluation import attention_check
from ldm_core.evaluation.attention_check import area, attention_table, captions, check_attention
from ldm_core.model.inside import attention_maps


def test_the_area_is_the_share_of_pairs_in_order():
    scores = torch.tensor([[0.1, 0.4], [0.35, 0.8]])
    positive = torch.tensor([[False, False], [True, True]])
    assert area(scores, positive) == 0.75  # 3 of 4 pairs (Fawcett 2006)
    assert area(torch.zeros(2, 2), positive) == 0.5
    assert area(scores, scores > 0.3) == 1 and area(-scores, scores > 0.3) == 0


def test_captions_have_every_pair_of_styles_with_every_class(small_model):
    vocabulary = small_model.vocabulary
    found = [[vocabulary.write(phrase) for phrase in one] for one in captions(vocabulary, 120)]
    assert found[0] == ["thin", "zero", "leaning left"]
    assert len(set(map(tuple, found))) == 120
    for caption in found:
        vocabulary.read(" ".join(caption))  # nothing in it contradicts the rest


def test_a_map_is_bright_where_its_word_is_read():
    """All heads read word 1 in the left half, at both resolutions, and word 0 in the right half."""
    steps = []
    for side in (8, 4):
        left = torch.zeros(side, side)
        left[:, : side // 2] = 1
        weights = torch.stack([1 - left, left], dim=-1).view(1, 1, 1, side * side, 2)
        weights = weights.expand(2, 3, 2, -1, -1).clone()
        weights[1] = 0.5  # of the empty prompt, which counts for nothing
        steps.append({f"attention.cross.{side}": weights, "features.mid": torch.zeros(1)})
    maps = attention_maps(steps)
    assert maps.shape == (3, 2, 28, 28)
    torch.testing.assert_close(maps.sum(dim=1), torch.ones(3, 28, 28))
    assert (maps[:, 1, :, :8] == 1).all() and (maps[:, 1, :, 20:] == 0).all()


def test_words_are_measured_one_by_one(small_model, monkeypatch):
    monkeypatch.setattr(attention_check, "CHANGED", 0)  # random weights change little
    settings = small_model.settings(steps=2)
    report = check_attention(small_model, settings, 24)
    counted = sum(row["count"] for row in report["words"].values())
    assert counted + report["unchanged"] == 3 * 24
    for row in (report, *report["words"].values()):
        assert all(0 <= row[by] <= 1 for by in ("own", "other", "ink"))
    assert report["own"] == pytest.approx(
        sum(row["own"] * row["count"] for row in report["words"].values()) / counted
    )
    assert f"| all | {report['own']:.4f} | {report['other']:.4f} |" in attention_table(report)
