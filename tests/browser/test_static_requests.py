"""demo/web/site/request.js: a link means the same on the static page as on Gradio's, and what is
wrong with it is told in the same words."""

import json
import random
import re
from urllib.parse import urlencode

import pytest

from demo.layout import WEB
from demo.prompts import asks_of
from demo.static_page import what_the_page_knows
from ldm_core import InputError
from ldm_core.files.weights import weights_of
from ldm_core.output.file_settings import stored_settings

from ..demo.values import with_words
from .engine.conftest import node  # noqa: F401  (a fixture)

LARGE = 16  # a scale of files
ANSWERS = """async ({ Requests }, { about, links, prompts }) => {
  const { promptLanguage } = await import(prompts);
  const requests = new Requests(about, about.vocabulary && promptLanguage(about.vocabulary));
  return links.map((link) => {
    try {
      const request = requests.from_link(link);
      return request && {
        values: request.values,
        settings: Object.entries(request.settings()),
        line: request.line(),
        name: request.file_name(),
        stored: request.stored(16),
        asked: request.asks().asked,
      };
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  });
}"""
TEXTS = {  # of each kind of value, half of them right
    "label": ["7", "3", "any", "*", "ANY", "07", "4-4", "12", "0-3", "b", "B", "é", "e\u0301", ""],
    "guidance_scale": ["3.5", "0", "1", " 2 ", "1e0", ".5", "11", "-1", "nan", "-inf", "x", ""],
    "steps": ["12", "1", "3.0", "100", "0", "101", "2.5", "many", "inf"],
    "sampler": ["ddim", "heun", "unipc", "dpmpp_2m_sde", "DDIM", "best", ""],
    "seed": ["0", "11", "4294967295", "4294967296", "-1", "1.5", "seven"],
    "prompt": [
        *("seven", "a bold seven leaning left", " Thin 8. ", "", ",", "wide", "b", "upright"),
        *("a bol seven", "seven eight", "bold thin", "bold " * 13, "x" * 501, "bold\n{s} {}"),
    ],
    "negative_prompt": ["", "bold", "seven", " thin ", "bol"],
    "stroke": ["0", "1", "-0", "0.5", "-1", "1.1", "bold", ""],
    "lean": ["0", "1", "-0.25", "2"],
    "width": ["0", "-1", "0.1", "nan"],
    "__theme": ["dark"],
}
MODELS = [tuple("0123456789"), ("medium", "b"), ("é", "B", "any"), None]


def random_link(draw):
    names = draw.sample(list(TEXTS), draw.choice([0, 1, 1, 2, 3]))
    if draw.random() < 0.2:
        names = draw.sample(list(TEXTS), len(TEXTS))
    few = [1, 2, 4, 20]  # mostly right ones, or nearly all links would be wrong
    return {name: draw.choice(TEXTS[name][: draw.choice(few)]) for name in names}


def answer(model, asks, query):
    """As ANSWERS, by Python."""
    try:
        request = asks.from_link(model, query)
    except InputError as error:
        # In JavaScript 11.0 is 11.
        return "InputError: " + re.sub(r"not (-?\d+)\.0\.$", r"not \1.", str(error))
    return request and {
        "values": request.to_dict(),
        "settings": [[*item] for item in request.settings().items()],
        "line": request.line(),
        "name": request.file_name(),
        "stored": stored_settings(request.file_settings(model, scale=LARGE), weights_of(model)),
        "asked": request.asked(model),
    }


@pytest.mark.parametrize("class_names", MODELS, ids=lambda names: names[0] if names else "labels")
def test_a_link_means_what_it_means_to_gradio_s_page(node, label_model, class_names):  # noqa: F811
    model = with_words(class_names) if class_names else label_model
    asks, draw = asks_of(model), random.Random(0)
    links = [random_link(draw) for _ in range(400)]
    given = {
        "about": what_the_page_knows(model, asks),
        "links": [f"?{urlencode(link)}" for link in links],
        "prompts": (WEB / "prompt.js").as_uri(),
    }
    found = node(WEB / "site" / "request.js", ANSWERS, given)
    for link, one in zip(links, found, strict=True):
        assert one == json.loads(json.dumps(answer(model, asks, link))), link
    assert 40 < sum(isinstance(one, str) for one in found) < 360  # right and wrong ones
