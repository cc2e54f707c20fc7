"""conditioning.js: what is asked becomes the same places as in Python, or the same error."""

import random

import pytest

from ldm_core import InputError

from ...conftest import context_of, with_words
from .conftest import MADE_UP, unquoted
from .made_up import about, made_up
from .test_vocabulary import CLASSES, PLACES, random_prompt

CONTEXT = """({ made_up }, { about, cases }) => {
  const { conditioning } = made_up(about);
  return cases.map((case_) => {
    try {
      return conditioning.context(...case_);
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  });
}"""


def random_case(vocabulary, draw):
    """What is asked of one image, what it is led away from, and the style."""
    labels = [None, -1, 0, vocabulary.n_classes - 1, vocabulary.n_classes]
    amounts = [-1, -0.5, 0, 0.1, 1 / 3, 1]
    asked, away = (
        random_prompt(vocabulary, draw) if draw.random() < share else draw.choice(labels[:whole])
        for share, whole in ((0.7, 5), (0.2, 1))
    )
    names = draw.sample(vocabulary.styles, len(vocabulary.styles))  # in any order
    style = {name: draw.choice(amounts) for name in names if draw.random() < 0.4}
    return [asked], [away], style


def python_context(conditioning, asked, away, style):
    try:
        each = {
            "places": conditioning.positions(asked, style),
            "null": conditioning.positions(away),
        }
    except InputError as error:
        return f"InputError: {error}"
    flat = {
        name: {"rows": rows.flatten().tolist(), "amounts": weights.flatten().tolist()}
        for name, (rows, weights) in each.items()
    }
    return flat | {"is_guided": context_of(conditioning, asked, away, style).is_guided.tolist()}


@pytest.mark.parametrize("class_names", CLASSES, ids=lambda names: names[0])
def test_places_and_errors_are_those_of_python(node, class_names):
    model, draw = made_up(with_words(class_names, PLACES)), random.Random(0)
    cases = [random_case(model.vocabulary, draw) for _ in range(500)]
    cases.append(([0, None, "wide"], [0, "wide", "wide"], {}))
    cases.append(([None], ["leaning left"], {"lean": -0.5}))  # the same words, by another amount
    found = node(MADE_UP, CONTEXT, {"about": about(model), "cases": cases})
    for case, one in zip(cases, found, strict=True):
        wanted = python_context(model.conditioning, *case)
        if isinstance(wanted, str):
            assert unquoted(one) == unquoted(wanted), case
        else:
            assert one == wanted, case
    assert 100 < sum(isinstance(one, dict) for one in found) < 400  # both happen often
