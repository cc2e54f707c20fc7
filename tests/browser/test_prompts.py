"""The prompt on the page: in step with keys and sliders, its mistakes, and where it goes."""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ldm_core import read_settings

from ..conftest import ROOT
from .actions import choose_label, generate, open_fold, pixels, set_steps
from .test_looks import CONTRASTS, PHONE

STATE = """() => [
  document.querySelector("#prompt input").value,
  document.querySelector("#label .selected").textContent.trim(),
  ...["stroke", "lean", "width"].map((name) =>
    Number(document.querySelector(`#${name} [type=range]`).value)),
]"""
BOLD = "a bold seven leaning left"


def wait_for_values(page, prompt, label, stroke=0, lean=0, width=0):
    """Of all that is kept in step, as it stands on the page."""
    wanted = [prompt, label, stroke, lean, width]
    page.wait_for_function(f"(wanted) => `${{({STATE})()}}` === `${{wanted}}`", arg=wanted)


def write(page, text):
    page.fill("#prompt input", text)


def slide(page, name, value):
    page.fill(f"#{name} [type=range]", str(value))


def notes(page, field="prompt"):
    return page.locator(f"#{field}-notes li").all_inner_texts()


def test_prompt_keys_and_sliders_keep_in_step_without_the_server(open_word_page):
    page = open_word_page()
    page.click(".live")  # live pictures do ask the server
    wait_for_values(page, "seven", "7")
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose_label(page, "4")
    wait_for_values(page, "four", "4")
    slide(page, "stroke", 1)
    wait_for_values(page, "bold four", "4", stroke=1)
    slide(page, "lean", -1)
    wait_for_values(page, "bold four leaning left", "4", 1, -1)
    slide(page, "stroke", 0.5)
    wait_for_values(page, "four leaning left", "4", 0.5, -1)
    page.click("#label label:last-child")
    wait_for_values(page, "leaning left", "any", 0.5, -1)
    write(page, "Narrow, upright 9")
    wait_for_values(page, "Narrow, upright 9", "9", 0.5, 0, -1)
    page.click(f".examples button:has-text('{BOLD}')")
    wait_for_values(page, BOLD, "7", 1, -1)
    write(page, "")
    wait_for_values(page, "", "any")
    page.keyboard.insert_text("a wide three")  # as a paste does, without keys
    wait_for_values(page, "a wide three", "3", width=1)
    assert not asked


def test_what_is_being_typed_is_left_alone(open_word_page):
    page = open_word_page()
    write(page, "")
    page.type("#prompt input", "bold  sev")
    assert notes(page) == []  # it may still become a word
    page.keyboard.type("en")
    wait_for_values(page, "bold  seven", "7", 1)
    page.keyboard.type(" leanin")
    page.keyboard.press("Tab")
    assert notes(page) == ["“leanin” is not known. Nearest:\nleaning"]


def test_mistakes_are_named_word_by_word_and_mended_by_a_press(open_word_page):
    page = open_word_page()
    field = page.locator("#prompt input")
    assert field.get_attribute("aria-invalid") == "false"
    assert page.get_attribute(f"#{field.get_attribute('aria-describedby')}", "aria-live")
    write(page, "a bol sevn leaning left ")
    assert [note.split("\n") for note in notes(page)] == [
        ["“bol” is not known. Nearest:", "bold"],
        ["“sevn” is not known. Nearest:", "seven"],
    ]
    assert field.get_attribute("aria-invalid") == "true"
    page.click("[aria-label='Write bold instead of bol']")
    page.click("[aria-label='Write seven instead of sevn']")
    wait_for_values(page, BOLD + " ", "7", 1, -1)
    assert notes(page) == [] and field.get_attribute("aria-invalid") == "false"
    write(page, "seven eight")
    assert notes(page) == ["A prompt names one class at most, not seven and eight."]


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("by", ["press", "Enter"])
def test_a_prompt_with_a_mistake_starts_no_run(open_word_page, field, by):
    page = open_word_page()
    runs = []
    page.on("request", lambda r: "queue/join" in r.url and runs.append(r.url))
    open_fold(page)
    page.fill(f"#{field} input", "bol")  # while it is written, it may still become "bold"
    if field == "negative_prompt" and by == "press":
        page.click("#fold")
    if by == "press":
        page.click("#generate")
    else:
        page.keyboard.press("Enter")
    page.wait_for_selector(f"text=Nothing was drawn: the {field.replace('_', ' ')} has a mistake.")
    assert len(notes(page, field.replace("_", "-"))) == 1
    assert page.evaluate("document.activeElement.closest('.block').id") == field
    assert page.get_attribute(".player", "data-state") == "example" and not runs
    page.keyboard.type("d")
    set_steps(page, 2)
    generate(page)


def test_a_run_of_a_prompt_is_that_of_the_command_line(open_word_page, word_weights, tmp_path):
    page = open_word_page()
    write(page, BOLD)
    slide(page, "width", 0.5)
    set_steps(page, 3)
    generate(page)
    assert page.inner_text(".settings").startswith(f"“{BOLD}” · width 0.5 · guidance")
    with page.expect_download() as download:
        page.click(".gif")
    gif = download.value.path()
    line = ["--weights", word_weights, "--prompt", BOLD, "--width", "0.5", "--steps", "3"]
    line += ["--seed", str(read_settings(gif)["seed"]), "--count", "1"]
    run = [sys.executable, "-m", "ldm_core.sample", *line, "--out", tmp_path / "same.gif"]
    subprocess.run(run, cwd=ROOT, check=True)
    assert (tmp_path / "same.gif").read_bytes() == gif.read_bytes()


def test_a_link_brings_prompt_and_style_back(open_word_page):
    page = open_word_page()
    write(page, BOLD)
    slide(page, "width", -0.5)
    open_fold(page)
    page.fill("#negative_prompt input", "wide")
    set_steps(page, 2)
    generate(page)
    query = "?" + page.url.split("?")[1]
    asked = dict(urllib.parse.parse_qsl(query[1:]))
    assert asked["prompt"] == BOLD and asked["width"] == "-0.5" and "label" not in asked
    picture = page.get_attribute(".x_t", "src")

    page = open_word_page(query)
    wait_for_values(page, BOLD, "7", 1, -1, -0.5)
    assert page.input_value("#negative_prompt input") == "wide"
    generate(page)
    assert page.get_attribute(".x_t", "src") == picture


def test_a_link_may_leave_the_prompt_to_label_and_style(open_word_page):
    page = open_word_page("?label=4&stroke=1&lean=0.5")
    wait_for_values(page, "bold four", "4", 1, 0.5)


def test_http_takes_prompts(open_word_page, word_server, tmp_path):
    client = Client(word_server, verbose=False, download_files=tmp_path)
    page = open_word_page()
    write(page, BOLD)
    generate(page)
    png, gif, settings = client.predict(prompt=BOLD, api_name="/generate")
    assert (np.asarray(Image.open(png)) == pixels(page.get_attribute(".x_t", "src"))).all()
    assert settings["prompt"] == BOLD
    assert read_settings(gif).items() >= settings.items()
    again = client.predict(**settings, api_name="/generate")
    assert np.array_equal(np.asarray(Image.open(again[0])), np.asarray(Image.open(png)))
    assert client.predict("4", 1.5, 2, "ddim", 5, api_name="/generate")[2]["label"] == "4"
    for values, message in [
        ({"prompt": "a bol seven"}, "the unknown word 'bol'"),
        ({"prompt": "seven", "label": "4"}, "must say the same, not 4 and 7"),
        ({"prompt": "bold", "stroke": 0.5}, "leave one out"),
        ({"lean": 2}, "Lean must be a number from -1 to 1"),
    ]:
        with pytest.raises(Exception, match=message):
            client.predict(**values, api_name="/generate")


@pytest.fixture(scope="module")
def label_server(label_model, tmp_path_factory):
    """The page of a model of labels, whatever the weights of this repository know."""
    from demo import app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("labels")))
        page = app.build(label_model)
        page.launch(prevent_thread_lock=True, quiet=True, **app.launch_options())
        yield page.local_url
        page.close(verbose=False)


def test_weights_of_labels_refuse_words_over_http(label_server):
    url = f"{label_server}gradio_api/call/v2/generate"
    body = json.dumps({"prompt": "seven"}).encode()
    ask = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(ask, timeout=60)
    assert refusal.value.code == 422
    assert "know labels only, and no prompt" in json.load(refusal.value)["detail"]


def test_weights_of_labels_have_a_page_without_words(browser, label_server):
    page = browser.new_page()
    page.goto(f"{label_server}?prompt=bold+seven")
    page.wait_for_selector("text=This link does not work. These weights know labels only")
    page.wait_for_selector("body[data-ready]")
    for selector in ("#prompt", "#stroke", "#fold"):
        assert page.locator(selector).count() == 0
    assert page.is_visible("#steps")
    page.close()


# Looks


def test_prompt_and_controls_are_shown_at_once(open_word_page):
    page = open_word_page()
    for selector in (".player", "#prompt", "#generate", "#width", "#guidance_scale", "#steps"):
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 800, selector


def test_a_mistake_or_two_move_nothing(open_word_page):
    page = open_word_page()
    before = page.locator("#label").bounding_box()["y"]
    write(page, "bol sevn ")
    assert len(notes(page)) == 2 and page.is_hidden(".examples")
    assert page.locator("#label").bounding_box()["y"] == before


def test_what_is_touched_is_large_enough(open_word_page):
    page = open_word_page(**PHONE)
    open_fold(page)
    targets = (
        "#prompt input, .examples button, #fold, #sliders [type=range], #negative_prompt input"
    )
    sizes = [target.bounding_box() for target in page.locator(targets).all()]
    write(page, "bol ")
    sizes.append(page.locator(".notes button").bounding_box())
    assert len(sizes) >= 10
    assert all(min(box["width"], box["height"]) >= 44 for box in sizes)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_light_and_dark(open_word_page, scheme):
    page = open_word_page(color_scheme=scheme)
    open_fold(page)
    for prompt in ("seven", "bol sevn "):
        write(page, prompt)
        worst, element = page.evaluate(CONTRASTS)[0]
        assert worst >= 4.5, element


def test_no_horizontal_scrolling_with_a_prompt(open_word_page):
    page = open_word_page()
    open_fold(page)
    write(page, "x" * 100)
    for width in (320, 375, 900, 901):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_tab_key_goes_from_the_prompt_downwards(open_word_page):
    page = open_word_page()
    page.focus("#prompt input")
    order = ["#prompt", ".examples", "#label", "#actions", "#stroke", "#lean", "#width"]
    order += ["#guidance_scale", "#steps", "#fold"]
    seen = []
    while not seen or seen[-1] != "#seed":
        at = page.evaluate(
            "(order) => order.find((one) => document.activeElement.closest(one))", [*order, "#seed"]
        )
        seen += [at] if at not in seen else []
        page.keyboard.press("Tab")
        assert len(seen) <= len(order) + 1
    assert seen == [*order, "#seed"]
    page.focus("#fold")
    assert page.get_attribute("#fold", "aria-expanded") == "false"
    page.keyboard.press("Enter")
    assert page.get_attribute("#fold", "aria-expanded") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#sampler') !== null")
