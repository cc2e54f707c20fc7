import pytest
import torch

from ldm_core.conditioning import LabelConditioning
from ldm_core.config import ConditioningConfig

CONDITIONING = LabelConditioning(ConditioningConfig(class_names=("cat", "dog"), n_tokens=3), 8)


def test_labels_become_several_tokens_each_its_own():
    context = CONDITIONING(torch.tensor([0, 1, 0]))
    assert context.shape == (3, 3, 8)
    assert torch.equal(context[0], context[2])
    assert not torch.equal(context[0], context[1])


def test_no_label_has_tokens_of_its_own():
    assert CONDITIONING.to_tensor([1, None, 0]).tolist() == [1, CONDITIONING.null_label, 0]
    null, *classes = CONDITIONING(CONDITIONING.to_tensor([None, 0, 1]))
    assert not any(torch.equal(null, tokens) for tokens in classes)


@pytest.mark.parametrize("label", [2, -1, 0.0, True, "cat", float("nan")])
def test_a_label_that_is_no_class_is_refused_by_name(label):
    with pytest.raises(ValueError, match=r"None or one of 0 \(cat\), 1 \(dog\), not"):
        CONDITIONING.to_tensor([0, label])
