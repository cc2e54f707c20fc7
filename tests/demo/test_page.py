"""How the page is put together: controls, tabs, endpoint, errors."""

import os
from types import SimpleNamespace

import gradio as gr
import orjson
import pytest
from demo.endpoint import add_endpoint
from demo.parts import shown_to_people
from demo.prompts import PromptRequest
from demo.requests import Request
from demo.runs import Runner

from demo import app, parts
from demo.tabs import watch
from ldm_core import LatentDiffusion, UserError

from ..conftest import small_parts
from .values import WithEta, with_words


def controls(page: gr.Blocks) -> dict[str, dict]:
    """The properties of all components of a page that have a label, by their label: those of the
    first tab, where others have the same."""
    properties = [component["props"] for component in reversed(page.config["components"])]
    return {one["label"]: one for one in properties if one.get("label")}


def watch_page(model: LatentDiffusion) -> gr.Blocks:
    """The page with one tab: others have controls of the same names."""
    return app.build(model, (watch,))


def kinds(page: gr.Blocks) -> list[str]:
    return [component["type"] for component in page.config["components"]]


def endpoint(page: gr.Blocks) -> list[tuple]:
    """Name, type and default of each value that /generate takes."""
    keys = ("parameter_name", "type", "parameter_default")
    parameters = page.get_api_info()["named_endpoints"]["/generate"]["parameters"]
    return [(p[keys[0]], p[keys[1]].get("type"), p[keys[2]]) for p in parameters]


def test_the_page_has_a_control_for_each_value(label_model):
    page = watch_page(label_model)
    found = controls(page)
    start = Request.start(label_model)
    for name, value in Request.values().items():
        assert found[value.title]["value"] == start[name]
        assert found[value.title]["info"] == value.info


def test_the_page_offers_the_classes_by_their_names():
    names = ("circle", "five-pointed star")
    page = watch_page(LatentDiffusion(small_parts(names)))
    offered = [text for _, text in controls(page)["Label"]["choices"]]
    assert offered == [*names, "any"]


def test_a_class_called_any_is_not_no_label():
    page = watch_page(LatentDiffusion(small_parts(("any", "1"))))
    choices = controls(page)["Label"]["choices"]
    assert [text for text, _ in choices] == ["any", "1", "no label"]
    assert len({value for _, value in choices}) == 3


@pytest.mark.parametrize("name", ["x" * 240, "caf\udce9"])
def test_the_page_can_be_sent_whatever_the_classes_are_called(name):
    page = watch_page(LatentDiffusion(small_parts((name, "1"))))
    assert orjson.dumps(page.config["components"], default=str)


@pytest.mark.parametrize(
    ("allowed", "quota", "wanted"),
    [(4, "max 100000", 4), (4, "150000 100000", 2), (1, "400000 100000", 1), (4, "5 100000", 1)],
)
def test_as_many_runs_at_once_as_cores_may_be_used(allowed, quota, wanted, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(parts, "CPU_MAX", tmp_path / "cpu.max")
    assert parts.cores() == allowed
    (tmp_path / "cpu.max").write_text(quota)
    assert parts.cores() == wanted


def test_the_endpoint_takes_the_values_of_a_request(label_model):
    types = ("string", "number", "integer", "string", "integer")
    start = Request.start(label_model)
    assert endpoint(watch_page(label_model)) == [
        (name, type_, start[name]) for name, type_ in zip(start, types, strict=True)
    ]


def test_a_new_value_has_a_control_and_a_place_in_the_endpoint(runner):
    with gr.Blocks() as page:
        watch.build(page, runner, WithEta)
        add_endpoint(runner, WithEta)
    assert controls(page)["Fresh noise"]["maximum"] == 1
    assert endpoint(page)[-1] == ("eta", "number", 0.0)
    run = next(event for event in page.config["dependencies"] if event["targets"][0][1] == "click")
    assert len(run["inputs"]) == len(WithEta.values())


def test_a_model_with_words_has_a_control_for_each_of_its_values():
    model = with_words()
    page = watch_page(model)
    found, start = controls(page), PromptRequest.start(model)
    for name, value in PromptRequest.values().items():
        assert found[value.title]["value"] == start[name]
    assert found["Prompt"]["value"] == "seven"
    fields = ("prompt", "negative_prompt", "stroke", "lean", "width")
    left_out = PromptRequest.left_out(model)
    assert [name for name, _, _ in endpoint(page)] == [*Request.values(), *fields]
    assert [default for _, _, default in endpoint(page)] == list(left_out.values())
    assert left_out["label"] is None and left_out["prompt"] == ""


def test_a_model_of_labels_has_no_control_for_words(label_model):
    titles = {value.title for value in PromptRequest.values().values()}
    assert controls(watch_page(label_model)).keys() & titles == {
        value.title for value in Request.values().values()
    }


def test_a_property_that_the_model_has_no_words_for_has_no_slider():
    found = controls(watch_page(with_words(("medium", "b"))))
    assert [found[title]["visible"] for title in ("Stroke", "Lean", "Width")] == [False, True, True]


def test_one_tab_has_no_bar_and_a_second_one_needs_a_module_only(label_model):
    assert "tabs" not in kinds(watch_page(label_model))

    def build(page: gr.Blocks, runner: Runner) -> None:
        gr.Textbox(label="Of the second tab")

    second = SimpleNamespace(TITLE="Second", build=build)
    page = app.build(label_model, (watch, second))
    assert kinds(page).count("tabitem") == 2
    assert controls(page).keys() >= {"Watch", "Second", "Seed", "Of the second tab"}


def test_people_are_shown_what_they_can_act_on():
    with pytest.raises(gr.Error, match="Try again") as shown, shown_to_people():
        raise UserError("Try again")
    assert not shown.value.print_exception


def test_a_fault_of_the_program_keeps_its_traceback_in_the_log():
    with pytest.raises(gr.Error, match="Its log says what") as shown, shown_to_people():
        _ = 1 / 0
    assert shown.value.print_exception
    assert isinstance(shown.value.__cause__, ZeroDivisionError)
