"""How the page is put together: controls, hosts of parts, events, and what it tells its scripts."""

import json
import re

import orjson
import pytest

from demo import app
from demo.about import about, starts_of
from demo.request import values_of
from demo.run import Runner
from demo.web_files import modules

from .conftest import models_of
from .values import model_of


def built(model):
    page, options = app.build(models_of(model))
    return page.config, options["head"]


@pytest.fixture(scope="module")
def page(small_model):
    return built(small_model)


@pytest.fixture(scope="module")
def known(small_model):
    return about(Runner(small_model))


def components(config) -> dict[str, dict]:
    """The properties of components, by their ids on the page."""
    found = [component["props"] for component in config["components"]]
    return {one["elem_id"]: one for one in found if one.get("elem_id")}


def element_id(tab, name):
    return name if tab == "watch" else f"{tab}-{name}"


def test_a_tab_has_a_control_for_each_of_its_values(page, small_model):
    found, starts = components(page[0]), starts_of(small_model)
    for tab, start in starts.items():
        for name, value in start.items():
            assert found[element_id(tab, name)]["value"] == value, (tab, name)
    known = values_of(small_model, "denoise")
    for name, value in ((name, known[name]) for name in starts["watch"]):
        assert found[name]["label"] == value.title
        assert (found[name].get("info") or "") == value.info
    assert found["generate"]["value"] == "Generate" and found["stop"]["value"] == "Stop"


def test_labels_are_offered_by_the_names_of_classes():
    found = components(built(model_of("circle", "five-pointed star"))[0])
    offered = ["circle", "five-pointed star", "any"]
    assert [text for _, text in found["label"]["choices"]] == offered
    found = components(built(model_of("any", "1"))[0])
    assert [title for title, _ in found["label"]["choices"]] == ["any", "1", "no label"]


def test_a_property_that_the_model_has_no_words_for_has_no_slider():
    found = components(built(model_of("medium", "b"))[0])
    assert "stroke" not in found and {"lean", "width"} <= found.keys()


def test_the_head_brings_what_the_scripts_know_and_preloads_modules(page, known):
    _, head = page
    said = re.search(r'<script type="application/json" id="about">(.*?)</script>', head)[1]
    assert json.loads(said) == json.loads(json.dumps(known))
    preloaded = re.findall(r'<link rel="modulepreload" href="web/([\w/.]+)">', head)
    assert preloaded == modules("gradio.js") and "engine/remote_engine.js" in preloaded
    assert not any("worker" in name for name in preloaded)


def test_about_names_every_value_of_every_request(known):
    values = {value["name"]: value for value in known["values"]}
    for names in known["requests"].values():
        assert values.keys() >= set(names)
    assert values["steps"] == {
        "name": "steps",
        "title": "Steps",
        "info": "More steps take longer and give cleaner strokes.",
        "kind": "whole",
        "start": 12,
        "low": 1,
        "high": 100,
        "step": 1,
        "in_line": "{} step{s}",
        "says_what": False,
    }
    assert {value["kind"] for value in known["values"]} <= {
        *("label", "words", "number", "whole", "choice", "picture", "mask", "shown", "points"),
        *("boolean", "names"),
    }
    assert known["controls"] == {tab: list(start) for tab, start in known["starts"].items()}


@pytest.mark.parametrize("name", ["caf\udce9", '</script><u> a "quoted" & one'])
def test_the_page_can_be_sent_whatever_the_classes_are_called(name):
    config, head = built(model_of(name, "1"))
    assert orjson.dumps(config["components"], default=str)
    assert "<u>" not in head and head.encode()
