import torch

from ldm_core.data.datasets import LabelledImages
from ldm_core.evaluation.classifier import Classifier
from ldm_core.evaluation.judge import Judge


def judge_of(labels):
    pixels = torch.zeros(len(labels), 28, 28, dtype=torch.uint8)
    data = LabelledImages(pixels, torch.tensor(labels), ("a", "b", "c"))
    return Judge(Classifier(), data, data)


def test_real_pictures_have_the_classes_of_the_samples():
    judge = judge_of([0] * 20 + [1] * 10 + [2] * 3)
    asked = torch.tensor([0] * 4 + [1] * 9 + [2] * 5)
    found = judge.real_like(asked, torch.Generator().manual_seed(0))
    assert judge.test.labels[found].bincount().tolist() == [4, 9, 3]  # there are 3 of the last
    assert len(found.unique()) == len(found)
    all_of_them = judge.real_like(torch.zeros(33).long(), torch.Generator().manual_seed(0))
    assert all_of_them.sort().values.tolist() == list(range(33))
