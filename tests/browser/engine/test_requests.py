"""requests.js and grid.js: a request means in the browser what it means on the server, and is
refused where it is there, mostly in the same words."""

import json
import random
import re

import pytest

from demo.about import about
from demo.reproduce import checked, kind_of
from demo.run import Runner
from ldm_core import InputError, LatentDiffusion
from ldm_core.files.weights import weights_of
from ldm_core.output.file_settings import stored_settings

from ...conftest import small_parts
from .conftest import ENGINE

LARGE = 16  # a scale of files
ANSWERS = """async ({ Requests }, { about, cases, base }) => {
  const { promptLanguage } = await import(`${base}/vocabulary.js`);
  const { Grid } = await import(`${base}/grid.js`);
  const requests = new Requests(about, about.vocabulary && promptLanguage(about.vocabulary));
  return cases.map((given) => {
    try {
      if ("across" in given) return new Grid(requests, given).header();
      const request = requests.check(given);
      return { values: request.values, ...request.header(), stored: request.stored({ scale: 16 }) };
    } catch (error) {
      return `${error.name}: ${error.message}`;
    }
  });
}"""
GREYS = "Q" * 1045 + "A=="  # 784 greys, of which the last is another
HALF = "/" * 522 + "8" + "A" * 523 + "=="
VALUES = {  # of each name, the first half right
    "label": [
        *("7", "3", "any", "*", "ANY", "07", 7),
        *("12", "0-3", "b", "é", "e\u0301", "", 1.5),
    ],
    "guidance_scale": [3.5, 0, 1, 2, 0.25, 11, -1, "x", True],
    "steps": [12, 1, 3, 100, 0, 101, 2.5, "many"],
    "sampler": ["ddim", "student", "unipc", "dpmpp_2m_sde", "DDIM", "best", ""],
    "seed": [0, 11, 4294967295, 4294967296, -1, 1.5, "seven"],
    "prompt": [
        *("seven", "a bold seven leaning left", " Thin 8. ", "", ",", "wide", "b", "upright"),
        *("a bol seven", "seven eight", "bold thin", "bold " * 13, "x" * 501, "bold\n{s} {}"),
        *("seven\n leaning\u3000left", "bold:1.1", "two sevens"),
    ],
    "negative_prompt": ["", "bold", "seven", " thin ", "bol"],
    "stroke": [0, 1, 0.5, -1, 1.1, "bold"],
    "lean": [0, 1, -0.25, 2],
    "width": [0, -1, 0.1, "x"],
    "off": [["time", "skip.0"], "skip.1, guidance,", [], "", ["skip.2"], "tim", 3],
    "speed": [1],
}
DRAWN = {
    "strength": [None, 0, 0.7, 1, 2],
    "mask": [None, HALF, "A" * 1046 + "==", "/" * 1045 + "w=="],
    "invert": [None, "", "seven", "7", "bol"],
}
AXES = {
    "seed": ["1, 2, 3", [5, 6], "1, x", "", "1,2,", "1,,2"],
    "steps": ["4, 8", [1, 2.5], "0"],
    "label": ["3, any", ["4"], "33"],
    "prompt": [
        *('bold, thin seven, ,"",', '"a ""bold"", thin" , \u201cwide,\u201d \nupright', '"bold'),
        *(["", "wide, bold", 'a "b" '], '""', "bol", '" bold"" ", wide'),
    ],
    "eta": ["0,1", "0,5, 0,1", [0, 0.5], "1,,0", "2", '"0,5"', "0,1,0.5"],
    "speed": ["1"],
}
MODELS = [tuple("0123456789"), ("medium", "b"), ("é", "B", "any")]


def random_values(draw, values):
    names = draw.sample(list(values), min(len(values), draw.choice([0, 1, 1, 2, 3])))
    few = [1, 2, 4, 20]  # mostly right ones, or nearly all would be wrong
    return {name: draw.choice(values[name][: draw.choice(few)]) for name in names}


def random_case(draw):
    given, kind = random_values(draw, VALUES), draw.randrange(4)
    if kind == 0:
        return given
    if kind == 1:
        start = {"start_from": draw.choice([GREYS, GREYS, GREYS, HALF, "A" * 1046 + "==", "", "?"])}
        return given | start | random_values(draw, DRAWN)
    if kind == 2:
        points = draw.sample(["3:1", "7:2", "seven:3", "b:4", "any:5", "bold:6", "9:", "x"], 3)
        names = ("guidance_scale", "steps", "sampler")
        given = {name: value for name, value in given.items() if name in names}
        more = {"frames": [2, 24, 25], "loop": [True, False]}
        return {"morph": points[: draw.choice([1, 2, 2, 2, 3])]} | given | random_values(draw, more)
    across, down = draw.sample(list(AXES), 2) if draw.random() < 0.9 else ("seed", "seed")
    grid = {"across": across, "across_values": draw.choice(AXES[across][: draw.choice([1, 2, 8])])}
    if draw.random() < 0.5:
        grid |= {"down": down, "down_values": draw.choice(AXES[down][: draw.choice([1, 2, 8])])}
    return grid | {"fixed": given}


def answer(model, given):
    """As ANSWERS, by Python."""
    try:
        request = checked(model, kind_of(given), given)
    except InputError as error:
        # In JavaScript 11.0 is 11, and a list is shown for its type.
        return "InputError: " + re.sub(r"not (-?\d+)\.0\.$", r"not \1.", str(error))
    if "across" in given:
        return request.header()
    shown = request.shown(scale=LARGE)
    return {
        "settings": request.settings(),
        "name": request.file_name(),
        "stored": stored_settings(shown, weights_of(model, shown.sampling.sampler)),
    }


@pytest.mark.parametrize("class_names", MODELS, ids=lambda names: names[0])
def test_a_request_means_what_it_means_on_the_server(node, class_names):
    model = LatentDiffusion(small_parts(class_names))
    if "7" in class_names:
        model.student = model.unet
    draw = random.Random(0)
    cases = [random_case(draw) for _ in range(200)]
    given = {"about": about(Runner(model)), "cases": cases, "base": ENGINE.as_uri()}
    found = node("requests.js", ANSWERS, json.loads(json.dumps(given)))
    wanted = [json.loads(json.dumps(answer(model, case))) for case in cases]
    refused = 0
    for case, one, answer_ in zip(cases, found, wanted, strict=True):
        if isinstance(answer_, dict):
            assert isinstance(one, dict), (case, one)
            assert {name: one[name] for name in answer_} == answer_, case
        else:
            assert isinstance(one, str) and one.startswith("InputError: "), (case, answer_)
            refused += 1
    # Of several wrong values each names its first.
    in_the_same_words = sum(one == answer_ for one, answer_ in zip(found, wanted))
    assert 20 < refused < 180 and in_the_same_words > 0.8 * refused
