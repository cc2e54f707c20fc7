"""The static page: what a visitor does on it, in a browser that runs the model itself."""

import re
import shutil
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ldm_core import read_settings

from ...conftest import ROOT
from ..actions import RECORD, choose_label, generate, open_fold, pixels, set_steps, step
from ..conftest import pages
from ..hosting import hosting
from ..test_looks import CONTRASTS, PHONE, SHIFT
from ..test_prompts import slide, wait_for_values, write

SEED = 6  # what the page starts with
# As somebody would who sets each control back. The picture follows.
RESET = """() => {
  const fields = document.querySelectorAll("#controls :is([type=text], [type=range], #seed input)");
  for (const field of [...fields].reverse()) {
    field.value = field.defaultValue;
    field.dispatchEvent(new Event("input", {bubbles: true}));
  }
}"""


@pytest.fixture(scope="module")
def address(small_site, tmp_path_factory):
    """Of a site under some path of its host."""
    host = tmp_path_factory.mktemp("host")
    shutil.copytree(small_site, host / "some" / "path")
    with hosting(host) as url:
        yield f"{url}some/path/"


@pytest.fixture(scope="module")
def loaded(browser, address):
    """A page with a model; most tests share it, as loading takes a second or two."""
    with pages(browser, address) as open_page:
        page = open_page()
        wait_until_loaded(page)
        yield page


@pytest.fixture
def page(loaded):
    """The page with its controls as at the start, and nothing going on."""
    loaded.evaluate(RESET)
    wait_for_values(loaded, "seven", "7")
    loaded.wait_for_selector(".player[data-state=done]")
    return loaded


@pytest.fixture
def open_page(browser, address):
    """For tests of what happens while the page loads."""
    with pages(browser, address) as open_page:
        yield open_page


def wait_until_loaded(page):
    page.wait_for_selector("text=/^Ready\\./")


def record(page):
    """From now on, when what was being drawn is done, all that is shown."""
    page.wait_for_selector(".player[data-state=done]")
    page.evaluate(RECORD)


def picture_of(page):
    return pixels(page.get_attribute(".x_t", "src"))


def apart(picture, wanted):
    return np.abs(picture.astype(int) - np.asarray(wanted).astype(int)).max()


def asked_by(page):
    """The settings in the address of the page, as a run has left them there."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_key_and_generate_show_every_step_and_python_s_picture(page, small_model):
    choose_label(page, "4")
    record(page)
    generate(page)
    seen, steps = page.evaluate("seen"), small_model.defaults.steps
    assert [one["step"] for one in seen] == [f"Step {i} of {steps}" for i in range(steps + 1)]
    assert seen[0]["noise"] == "100% noise" and seen[-1]["noise"] == "0% noise"
    assert len({one["x_t"] for one in seen}) == steps + 1
    assert page.inner_text(".status") == f"Done in {steps} steps."
    wanted = list(small_model.denoise([4], seeds=[SEED]))
    for one, shown in zip(wanted, seen, strict=True):
        assert apart(pixels(shown["x_t"]), small_model.decode(one.x_t)[0]) <= 1
    assert apart(pixels(seen[-1]["x_0"]), small_model.decode(wanted[-1].x_0)[0]) <= 1
    assert asked_by(page)["label"] == "4"


def test_generate_waits_for_the_model_and_may_be_stopped_meanwhile(open_page):
    page = open_page()
    waits = """() => {
      const player = document.querySelector(".player");
      window.states = [];
      new MutationObserver(() => states.push(player.dataset.state))
        .observe(player, {attributeFilter: ["data-state"]});
      document.querySelector("#generate").click();
      document.querySelector("#stop").click();
    }"""
    page.evaluate(waits)
    page.wait_for_selector(".player[data-state=stopped]")
    assert page.inner_text(".status").startswith("Stopped after 0 steps.")
    wait_until_loaded(page)
    generate(page)
    states = page.evaluate("states")
    assert states.count("done") == 1 and states.index("stopped") < states.index("done")


def test_stop_ends_a_run_within_a_step(page):
    set_steps(page, 100)
    # In the page, because steps go on between two calls from here.
    at, later = page.evaluate("""async () => {
      const turn = () => new Promise((done) => setTimeout(done, 10));
      const words = () => document.querySelector(".step").textContent.split(" ");
      const step = () => Number(words()[1]);
      document.querySelector("#generate").click();
      while (words()[3] !== "100" || step() < 3 || step() === 100) await turn();
      document.querySelector("#stop").click();
      const at = step();
      for (let i = 0; i < 30; i++) await turn();
      return [at, step()];
    }""")
    assert 3 <= at == later < 100
    assert page.inner_text(".status") == f"Stopped after {at} steps. Generate starts it again."
    set_steps(page, 2)
    generate(page)


def test_the_picture_follows_a_slider_and_the_newest_wins(page, small_model):
    page.evaluate("""async () => {
      const slider = document.querySelector("#width [type=range]");
      for (let i = -10; i <= 5; i++) {
        slider.value = i / 10;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        await new Promise((done) => setTimeout(done, 20));
      }
    }""")
    page.wait_for_selector(".player[data-state=done]")
    assert page.inner_text(".settings").startswith("label 7 · width 0.5 · ")
    wanted = small_model.generate([7], seeds=[SEED], style={"width": 0.5})[0]
    assert apart(picture_of(page), wanted) <= 1
    assert asked_by(page)["width"] == "0.5"

    page.focus(".scrubber")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    before = picture_of(page)
    write(page, "a bold three")
    wait_for_values(page, "a bold three", "3", stroke=1, width=0.5)
    page.wait_for_function("document.querySelector('.settings').textContent.startsWith('“a bold')")
    page.wait_for_selector(".player[data-state=done]")
    assert step(page).startswith("Step 1 ")  # of the new run
    assert apart(picture_of(page), before) > 1
    settings = page.inner_text(".settings")
    write(page, "a bol three")
    page.keyboard.press("Tab")
    page.wait_for_selector("#prompt-notes li")
    assert page.inner_text(".settings") == settings


def test_a_wrong_word_is_named_and_draws_nothing(page):
    write(page, "a bol seven ")
    page.click("#generate")
    page.wait_for_selector("text=Nothing was drawn: the prompt has a mistake.")
    assert page.inner_text("#prompt-notes li").startswith("“bol” is not known. Nearest:")
    page.click("[aria-label='Write bold instead of bol']")
    wait_for_values(page, "a bold seven ", "7", stroke=1)
    generate(page)


def test_what_may_not_be_asked_together_is_told(page):
    open_fold(page)
    page.fill("[aria-label='number input for Guidance scale']", "1")
    page.fill("#negative_prompt input", "bold")
    page.click("#generate")
    page.wait_for_selector(".player[data-state=failed]")
    assert page.inner_text(".status").startswith("A negative prompt needs guidance")
    page.fill("#negative_prompt input", "")
    generate(page)


def test_a_link_with_nonsense_is_told_and_does_no_harm(open_page):
    page = open_page("?steps=many&label=4")
    told = page.inner_text("#notice")
    assert told == (
        "This link does not work. Steps must be a whole number from 1 to 100, not 'many'."
    )
    generate(page)
    assert page.is_hidden("#notice")


def test_a_link_brings_the_settings_back(open_page):
    query = "?prompt=a+wide+three&guidance_scale=2&steps=3&sampler=unipc&seed=11&lean=0.5"
    page = open_page(f"{query}&negative_prompt=bold&__theme=dark")
    wait_for_values(page, "a wide three", "3", width=1, lean=0.5)
    assert page.input_value("#sampler select") == "unipc"
    generate(page)
    line = "“a wide three” · not “bold” · lean 0.5 · guidance 2 · 3 steps · unipc · seed 11"
    assert page.inner_text(".settings") == line
    values = parse_qs(query[1:]) | {"negative_prompt": ["bold"]}
    assert asked_by(page) == {name: value[0] for name, value in values.items()}


def test_files_hold_the_pictures_and_settings_that_make_them_again(page, weights, tmp_path):
    write(page, "a bold seven")
    slide(page, "width", 0.5)
    set_steps(page, 3)
    record(page)
    generate(page)
    shown = [pixels(one["x_t"]) for one in page.evaluate("seen")]
    found = {}
    for kind, scale in (("gif", 8), ("png", 16)):
        with page.expect_download() as download:
            page.click(f".{kind}[href]")
        assert download.value.suggested_filename == f"a-bold-seven-seed-{SEED}.{kind}"
        file = tmp_path / f"a.{kind}"
        download.value.save_as(file)
        frames = ImageSequence.Iterator(Image.open(file))
        found[kind] = [np.asarray(frame.convert("L")) for frame in frames]
        wanted = shown if kind == "gif" else shown[-1:]
        for frame, picture in zip(found[kind], wanted, strict=True):
            assert (frame == picture.repeat(scale, 0).repeat(scale, 1)).all()
        settings = read_settings(file)
        assert settings["prompt"] == "a bold seven" and settings["width"] == 0.5
        again = tmp_path / f"again.{kind}"
        line = ["--like", file, "--weights", weights, "--out", again]
        subprocess.run([sys.executable, "-m", "ldm_core.sample", *line], cwd=ROOT, check=True)
        frames = ImageSequence.Iterator(Image.open(again))
        for frame, one in zip(frames, found[kind], strict=True):
            assert apart(np.asarray(frame.convert("L")), one) <= 1
        assert read_settings(again) == settings
    gif = Image.open(tmp_path / "a.gif")
    times = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert times == [80, 80, 80, 1500] and gif.info["loop"] == 0


def test_the_second_visit_needs_no_connection(open_page, address):
    page = open_page()
    page.wait_for_selector("text=Works offline from now on.")
    page.context.set_offline(True)
    page.goto(f"{address}?label=4&steps=2")
    page.wait_for_selector("#label label.selected:has-text('4')")
    generate(page)
    assert asked_by(page)["label"] == "4"


def test_a_file_that_does_not_load_is_told_and_can_be_tried_again(browser, address):
    page = browser.new_page()
    page.route("**/unet*", lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector("#model[data-failed]")
    told = page.inner_text("#model .said")
    assert re.match(r"unet\S+ did not load: there is no connection", told)
    assert page.get_attribute(".player", "data-state") == "example"
    page.click("#generate")  # tries again, too
    page.wait_for_selector(".player[data-state=failed]")
    assert page.inner_text(".status") == told
    page.unroute("**/unet*")
    page.click("text=Try again")
    wait_until_loaded(page)
    assert page.locator("#model[data-failed]").count() == 0
    generate(page)
    page.close()


def test_a_page_that_is_not_whole_says_so(browser, address):
    page = browser.new_page()
    page.route("**/request.js", lambda route: route.abort())
    page.goto(address)
    page.wait_for_selector("text=A part of this page did not load.")
    page.close()


def test_without_javascript_the_page_says_what_is_missing(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert "JavaScript, which is switched off" in page.inner_text("#model")
    context.close()


def test_weights_of_labels_have_a_page_without_words(browser, export, label_weights):
    with hosting(export(label_weights)) as address, pages(browser, address) as open_page:
        page = open_page("?prompt=seven")
        assert "These weights know labels only, and no prompt" in page.inner_text("#notice")
        for selector in ("#prompt", "#stroke", "#fold"):
            assert page.locator(selector).count() == 0
        choose_label(page, "4")
        set_steps(page, 2)
        generate(page)
        assert page.inner_text(".settings").startswith("label 4 · ")


# Looks


def test_no_horizontal_scrolling(page):
    open_fold(page)
    write(page, "x" * 100)
    for width in (320, 360, 900, 901, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.strip("rgb()").split(","))) / 3
    assert brightness > 200 if scheme == "light" else brightness < 50
    open_fold(page)
    write(page, "bol sevn ")
    worst, element = page.evaluate(CONTRASTS)[0]
    assert worst >= 4.5, element


def test_what_is_touched_is_large_enough_and_nothing_jumps(open_page):
    page = open_page(**PHONE)
    wait_until_loaded(page)
    generate(page)
    assert page.evaluate(SHIFT) < 0.01
    open_fold(page)
    targets = "#controls :is(button, input:not([type=radio]), select), #label label, .player button"
    boxes = [(one.bounding_box(), one) for one in page.locator(targets).all()]
    assert len(boxes) > 30
    for box, target in boxes:
        assert box["height"] >= 44 and box["width"] >= 44, target


def test_controls_have_the_names_of_gradio_s(page):
    open_fold(page)
    for role, name in [
        ("radiogroup", "Label"),
        ("textbox", "Prompt"),
        ("textbox", "Negative prompt"),
        ("slider", "range slider for Guidance scale"),
        ("spinbutton", "number input for Steps"),
        ("combobox", "Sampler"),
        ("spinbutton", "Seed"),
        ("button", "Generate"),
        ("button", "Stop"),
        ("button", "New seed"),
    ]:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name


def test_keys_are_enough(page):
    page.focus("#label input:checked")
    page.keyboard.press("ArrowRight")
    wait_for_values(page, "eight", "8")
    page.focus("#seed input")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".player[data-state=done]")
    assert asked_by(page)["label"] == "8" and "1" in asked_by(page)["seed"]
