import json

import numpy as np
import pytest
import torch

from ldm_core.config import ConditioningConfig
from ldm_core.model.conditioning import LabelConditioning

from ..conftest import with_words

CONDITIONING = LabelConditioning(ConditioningConfig(class_names=("cat", "dog"), n_tokens=3), 8)


def test_labels_become_several_tokens_each_its_own():
    context = CONDITIONING(CONDITIONING.ids([0, 1, 0]))
    assert context.shape == (3, 3, 8)
    assert torch.equal(context[0], context[2])
    assert not torch.equal(context[0], context[1])


@pytest.mark.parametrize("label", [2, -2, 0.0, True, b"cat", float("nan")])
def test_a_label_that_is_no_class_is_refused_by_name(label):
    with pytest.raises(ValueError, match=r"None or one of 0 \(cat\), 1 \(dog\), not"):
        CONDITIONING.ids([0, label])


def test_the_context_of_a_batch_holds_what_is_asked_and_what_guidance_leads_away_from():
    context = CONDITIONING.context([1, None])
    assert torch.equal(context.tokens, CONDITIONING(CONDITIONING.ids([1, None])))
    assert torch.equal(context.null, CONDITIONING(CONDITIONING.ids([None, None])))
    assert context.is_guided.tolist() == [True, False]


def test_without_words_prompts_and_style_are_refused():
    with pytest.raises(ValueError, match="know labels only, and no prompts such as 'a cat'"):
        CONDITIONING.context([0, "a cat"])
    with pytest.raises(ValueError, match="know labels only, and no prompts such as 'dog'"):
        CONDITIONING.context([0], ["dog"])
    with pytest.raises(ValueError, match="know labels only, and no style"):
        CONDITIONING.context([0], style={"stroke": 1})


def test_labels_of_numpy_and_pytorch_are_numbers_too_and_minus_one_is_none():
    """As the labels of an .npz file."""
    expected = CONDITIONING.ids([1, None, 0])
    assert torch.equal(CONDITIONING.ids(np.array([1, -1, 0])), expected)
    assert torch.equal(CONDITIONING.ids(torch.tensor([1, -1, 0])), expected)
    for wrong in (np.array([True]), np.array([1.0]), torch.tensor([True]), torch.tensor([1.0])):
        with pytest.raises(ValueError, match="label must be None or one of"):
            CONDITIONING.ids(wrong)


@pytest.mark.parametrize("names", [("cat", "cat"), ("cat", "*")])
def test_names_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(ValueError, match="names of classes must differ, and none may be"):
        ConditioningConfig(class_names=names)


def test_a_configuration_with_words_comes_back_from_json():
    config = with_words(("cat", "dog"))
    again = ConditioningConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert ConditioningConfig.from_dict(config.to_dict()) == config
