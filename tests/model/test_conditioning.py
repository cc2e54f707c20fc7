"""The text encoder, and what prompts, labels and style become on their way to it."""

import numpy as np
import pytest
import torch

from ldm_core.checks import InputError
from ldm_core.config import ConditioningConfig
from ldm_core.model.conditioning import Conditioning, as_positions
from ldm_core.model.vocabulary import EMPTY

from ..conftest import context_of, with_words

NO_CLASS = [10, -2, 0.0, True, b"cat", torch.tensor(True)]


@pytest.fixture(scope="module")
def conditioning() -> Conditioning:
    torch.manual_seed(0)
    made = Conditioning(with_words(tuple("0123456789")), 64)
    return made.eval().requires_grad_(False)


@pytest.fixture
def batches(conditioning):
    """How many prompts the encoder has read at each call."""
    sizes = []
    hook = conditioning.encoder.register_forward_hook(lambda _, args, out: sizes.append(len(out)))
    yield sizes
    hook.remove()


def read(conditioning, asked, style=None) -> list[list[tuple[str, float]]]:
    """The words of each place, and the amounts, up to the last that is not empty."""
    places = conditioning.positions(asked, style)
    words = [row[0] if row else "" for row in conditioning.config.vocabulary]
    each = []
    for rows, amounts in zip(*places):
        assert len(rows) == len(amounts) == conditioning.config.n_tokens
        filled = max((i + 1 for i, row in enumerate(rows) if row != EMPTY), default=0)
        assert (amounts[filled:] == 1).all()
        each.append([(words[r], round(a.item(), 6)) for r, a in zip(rows[:filled], amounts)])
    return each


# The encoder


def test_a_word_that_counts_in_part_is_between_itself_and_the_empty_place(conditioning):
    encoder = conditioning.encoder
    seen = []
    hook = encoder.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    rows, amounts = as_positions([[(8, 0.3), (3, 1.0), (25, 0.0)]], 12)
    conditioning(rows, amounts)
    hook.remove()
    words, places = encoder.words.weight, encoder.places.weight
    expected = [a * words[row] + (1 - a) * words[EMPTY] for row, a in zip(rows[0], amounts[0])]
    torch.testing.assert_close(seen[0][0], torch.stack(expected) + places)


# What is asked


def test_a_label_is_the_prompt_of_its_name_and_nothing_the_empty_prompt(conditioning):
    asked = [7, "7", "seven", " Seven!", np.int64(7), torch.tensor(7), np.array(7)]
    rows, amounts = conditioning.positions(asked)
    assert (rows == rows[0]).all()
    assert (amounts == 1).all()
    rows, amounts = conditioning.positions([None, "", " ,", -1, np.int64(-1), torch.tensor(-1)])
    assert (rows == EMPTY).all()
    assert (amounts == 1).all()


def test_style_is_said_after_the_prompt_by_its_amount(conditioning):
    style = {"lean": -0.4, "stroke": 0.7, "width": 0}
    assert read(conditioning, [7, None, "a 3"], style) == [
        [("seven", 1), ("bold", 0.7), ("leaning", 0.4), ("left", 0.4)],
        [("bold", 0.7), ("leaning", 0.4), ("left", 0.4)],
        [("a", 1), ("three", 1), ("bold", 0.7), ("leaning", 0.4), ("left", 0.4)],
    ]


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ({"stroke": 1}, "bold"),
        ({"stroke": -1}, "thin"),
        ({"width": 1}, "wide"),
        ({"width": 1, "stroke": -1}, "thin wide"),
    ],
)
def test_style_at_an_end_is_the_word(conditioning, style, words):
    by_style, by_words = (
        conditioning.positions([7], style),
        conditioning.positions([f"seven {words}"]),
    )
    assert all(map(torch.equal, by_style, by_words))


def test_style_may_say_again_what_the_prompt_says_but_nothing_else(conditioning):
    assert read(conditioning, ["thick 7"], {"stroke": 1}) == [[("thick", 1), ("seven", 1)]]
    for prompt, said, amount in (("thick 7", "bold", -1), ("bold", "bold", 0.7), ("medium", 0, 1)):
        message = f"The prompt says {said or 'medium'}, and style says stroke {amount}: leave one"
        with pytest.raises(InputError, match=message):
            conditioning.positions([7, prompt], {"stroke": amount})
    assert read(conditioning, ["medium"], {"stroke": 0}) == [[("medium", 1)]]


@pytest.mark.parametrize(
    ("asked", "style", "message"),
    [
        ([], None, "There is no prompt"),
        ("seven", None, r"a list with one for each image: \['seven'\]"),
        *(([one], None, r"None or one of 0 \(0\), 1 .*, not") for one in NO_CLASS),
        ([7, "a " * 13], None, "at most 12 words, not 13"),
        (["a " * 11], {"lean": 1}, "have 13 words together, and there is room for 12"),
        ([7], {"height": 1}, "style may have stroke, lean, width, not 'height'"),
        ([7], {"stroke": 1.01}, "style stroke must be a number from -1 to 1, not 1.01"),
        ([7], {"stroke": "bold"}, "style stroke must be a number from -1 to 1, not 'bold'"),
        ([7], ["stroke"], r"style must be a dictionary such as .*, not \['stroke'\]"),
    ],
)
def test_what_cannot_be_asked_is_refused(conditioning, asked, style, message):
    with pytest.raises(InputError, match=message):
        conditioning.positions(asked, style)


def test_a_model_without_some_words_has_less_style():
    conditioning = Conditioning(with_words(("left", "wide")), 64)
    assert read(conditioning, ["left", 1]) == [[("left", 1)], [("wide", 1)]]
    with pytest.raises(InputError, match="style may have stroke, width, not 'lean'"):
        conditioning.positions([0], {"lean": 1})
    assert read(conditioning, [0], {"width": 1}) == [[("left", 1), ("broad", 1)]]


# The context of a request


def test_a_context_holds_what_is_asked_and_what_guidance_leads_away_from(conditioning):
    asked, negative = ["a bold 7", 3, None, 3, "3"], ["bold", None, "thin", "three", 4]
    context = context_of(conditioning, asked, negative, {"lean": 0.5})
    tokens = conditioning(*conditioning.positions(asked, {"lean": 0.5}))
    torch.testing.assert_close(context.tokens, tokens, atol=1e-6, rtol=1e-5)
    null = conditioning(*conditioning.positions(negative))
    torch.testing.assert_close(context.null, null, atol=1e-6, rtol=1e-5)
    assert context.is_guided.tolist() == [True] * 5
    assert context.is_guided.device.type == "cpu"


def test_what_is_the_same_has_the_same_bits(conditioning):
    tokens = context_of(conditioning, [7, "7", 3, "Seven", "seven"]).tokens
    for i in (1, 3, 4):
        assert torch.equal(tokens[0], tokens[i])
    context = context_of(conditioning, [7, None, "", -1, "bold"], ["7", None, "", "", None])
    assert context.is_guided.tolist() == [False, False, False, False, True]
    same = ~context.is_guided
    assert torch.equal(context.tokens[same], context.null[same])
    agreeing = context_of(conditioning, ["7"], ["seven bold"], {"stroke": 1})
    assert not agreeing.is_guided.any()


def test_the_encoder_reads_each_different_prompt_of_a_request_once(conditioning, batches):
    asked, negative = [7, "7", "bold 7", None, 7], ["", "bold 7", "thin", None, None]
    context_of(conditioning, asked * 20, negative * 20)
    assert batches == [4]  # seven; bold seven; thin; nothing


# The configuration


@pytest.mark.parametrize("names", [("cat", "cat"), ("cat", "*")])
def test_names_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(ValueError, match="names of classes must differ, and none may be"):
        ConditioningConfig(names, vocabulary=((), ("a",), ("b",)))


@pytest.mark.parametrize("rows", [7, None, [], "abc", [[]] * 2, [[], "ab", 7]])
def test_a_vocabulary_that_is_no_list_of_words_is_refused(rows):
    """Such as that of weights from before there were words."""
    config = with_words(("cat", "dog")).to_dict()
    with pytest.raises(InputError, match="vocabulary must be a list of spellings"):
        ConditioningConfig.from_dict(config | {"vocabulary": rows})
