"""What a person can do on the page, done in a real browser."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image, ImageSequence

from demo.generation import FIRST_SEED
from ldm_core import SamplingSettings
from ldm_core.files.metadata import read_settings

ROOT = Path(__file__).resolve().parents[2]
STEPS = SamplingSettings().steps

# Keeps every frame that reaches the screens, in order.
RECORD = """() => {
  window.seen = [];
  const screens = document.querySelector(".screens");
  const picture = (name) => screens.querySelector(name).src;
  new MutationObserver(() => seen.push({
    step: document.querySelector(".step").textContent,
    noise: document.querySelector(".noise").textContent,
    x_t: picture(".x_t"),
    x_0: picture(".x_0"),
  })).observe(screens.querySelector(".x_t"), {attributeFilter: ["src"]});
}"""


def generate(page, **wait):
    page.click("#generate")
    wait_for_state(page, "done", **wait)


def wait_for_state(page, state, **wait):
    page.wait_for_selector(f".player[data-state={state}]", **wait)


def set_steps(page, steps):
    page.fill("[aria-label='number input for Steps']", str(steps))
    page.keyboard.press("Tab")


def step(page):
    return page.inner_text(".step")


def wait_for_step(page, index):
    """Some input (a drag, a tap) reaches the page only after the call that made it."""
    page.wait_for_function(
        "text => document.querySelector('.step').textContent === text",
        arg=f"Step {index} of {STEPS}",
    )


def choose_label(page, name):
    page.click(f"#label label:has-text('{name}')")
    page.wait_for_selector(f"#label label.selected:has-text('{name}')")


def pixels(data_uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1]))))


def test_generate_shows_every_step_in_order(open_page):
    page = open_page()
    page.evaluate(RECORD)
    generate(page)
    seen = page.evaluate("seen")
    assert [frame["step"] for frame in seen] == [f"Step {i} of {STEPS}" for i in range(STEPS + 1)]
    assert seen[0]["noise"] == "100% noise" and seen[-1]["noise"] == "0% noise"
    assert len({frame["x_t"] for frame in seen}) == STEPS + 1
    assert page.inner_text(".status") == f"Done in {STEPS} steps."


def test_one_step_is_enough(open_page):
    page = open_page()
    set_steps(page, 1)
    generate(page)
    assert step(page) == "Step 1 of 1"


def test_gif_holds_the_very_steps_that_were_shown(open_page, tmp_path):
    page = open_page()
    page.evaluate(RECORD)
    generate(page)
    seen = page.evaluate("seen")
    with page.expect_download() as download:
        page.click(".gif")
    assert re.fullmatch(rf"7-seed-{FIRST_SEED}-\w+\.gif", download.value.suggested_filename)
    gif = Image.open(download.value.path())
    frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]
    assert len(frames) == STEPS + 1
    for frame, shown in zip(frames, seen, strict=True):
        small = pixels(shown["x_t"])
        scale = len(frame) // len(small)
        assert (frame == small.repeat(scale, 0).repeat(scale, 1)).all()
    settings = read_settings(download.value.path())
    assert settings["label"] == "7" and settings["seed"] == FIRST_SEED
    assert settings["steps"] == STEPS
    line = [sys.executable, "-m", "ldm_core.sample", "--like", download.value.path()]
    subprocess.run([*line, "--out", tmp_path / "again.gif"], cwd=ROOT, check=True)
    assert (tmp_path / "again.gif").read_bytes() == download.value.path().read_bytes()


def test_png_is_the_final_image_enlarged(open_page):
    page = open_page()
    generate(page)
    with page.expect_download() as download:
        page.click(".png[href]")
    image = np.asarray(Image.open(download.value.path()).convert("L"))
    assert image.shape == (448, 448)
    assert (image[::16, ::16] == pixels(page.get_attribute(".x_t", "src"))).all()
    settings = read_settings(download.value.path())
    assert settings["label"] == "7" and len(settings["weights"]) == 16


def test_scrubbing_and_playing_make_no_request(open_page):
    page = open_page()
    generate(page)
    requests = []
    page.on("request", lambda r: r.url.startswith("http") and requests.append(r.url))
    page.focus(".scrubber")
    for key, expected in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        wait_for_step(page, expected)
    page.keyboard.press("Home")
    wait_for_step(page, 0)
    assert page.is_visible(".nothing") and not page.is_visible(".x_0")
    page.keyboard.press("End")
    wait_for_step(page, STEPS)

    box = page.locator(".scrubber").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=5)
    wait_for_step(page, STEPS // 2)
    page.mouse.move(box["x"], y, steps=5)
    page.mouse.up()
    wait_for_step(page, 0)

    # Kept in the page itself: between two calls from here a whole replay could pass.
    page.evaluate("""() => {
      const play = document.querySelector(".play");
      window.labels = [];
      new MutationObserver(() => labels.push(play.ariaLabel))
        .observe(play, {attributeFilter: ["aria-label"]});
    }""")
    page.keyboard.press("Space")
    page.wait_for_function("labels.includes('Pause') && labels.at(-1) === 'Play'")
    assert step(page) == f"Step {STEPS} of {STEPS}"
    assert requests == []


def test_play_can_be_paused(open_page):
    page = open_page()
    # In the page itself: between two calls from here a whole replay could pass.
    paused, later = page.evaluate("""async () => {
      const frames = (n) => new Promise(function wait(done) {
        requestAnimationFrame(() => (n-- > 0 ? wait(done) : done()));
      });
      const step = () => document.querySelector(".step").textContent;
      const play = document.querySelector(".play");
      play.click();
      while (!step().startsWith("Step 2 ")) await frames(1);
      play.click();
      const paused = step();
      await frames(30);
      return [paused, step()];
    }""")
    assert paused == later
    assert page.get_attribute(".play", "aria-label") == "Play"


def test_a_finger_scrubs(open_page):
    page = open_page(width=375, height=812, has_touch=True, is_mobile=True)
    box = page.locator(".scrubber").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for_step(page, STEPS // 2)


def test_stop_stops_and_the_next_run_works(open_page):
    page = open_page()
    set_steps(page, 100)
    page.click("#generate")
    # Pressed from within the page: a fast run is over before a press from here arrives. "of 100":
    # until the first frame of this run arrives, the run before is still shown.
    page.evaluate("""() => new Promise((pressed) => {
      requestAnimationFrame(function look() {
        const match = /^Step (\\d+) of 100$/.exec(document.querySelector('.step').textContent);
        if (!match || Number(match[1]) < 5) return requestAnimationFrame(look);
        document.querySelector('#stop').click();
        pressed();
      });
    })""")
    wait_for_state(page, "stopped")
    steps = int(re.fullmatch(r"Stopped after (\d+) steps\. .*", page.inner_text(".status"))[1])
    assert 5 <= steps < 100
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert step(page) == f"Step {steps} of 100"

    set_steps(page, 3)
    generate(page)
    assert step(page) == "Step 3 of 3"


def test_scrubbing_before_the_first_frame_does_no_harm(open_page):
    page = open_page()
    page.evaluate("""() => {
      const scrub = () => document.querySelector(".scrubber").dispatchEvent(new Event("input"));
      new MutationObserver(scrub).observe(document.querySelector(".settings"), {childList: true});
    }""")
    page.click("#generate")
    page.wait_for_selector(".keep a[download]")


def test_stop_at_once(open_page):
    page = open_page()
    set_steps(page, 100)
    page.click("#generate")
    page.click("#stop")
    wait_for_state(page, "stopped")
    set_steps(page, 2)
    generate(page)
    assert step(page) == "Step 2 of 2"


def test_a_second_press_starts_no_second_run(open_page):
    page = open_page()
    runs = []
    page.on("request", lambda r: "queue/join" in r.url and runs.append(r.post_data))
    set_steps(page, 20)
    # In the page itself: between two calls from here the whole run could pass.
    page.evaluate("""() => {
      const press = () => document.querySelector("#generate").click();
      const player = document.querySelector(".player");
      window.pressedWhile = [];
      new MutationObserver(() => {
        const state = player.dataset.state;
        if (state !== "running" || pressedWhile.includes(state)) return;
        pressedWhile.push(state);
        press();
      }).observe(player, {attributeFilter: ["data-state"]});
      for (let i = 0; i < 3; i++) press();
    }""")
    wait_for_state(page, "done")
    assert page.evaluate("pressedWhile") == ["running"]
    assert len(runs) == 1


def test_two_people_at_once(open_page):
    pages = [open_page(), open_page()]
    for page, label in zip(pages, "25"):
        choose_label(page, label)
        page.click("#generate")
    for page, label in zip(pages, "25"):
        wait_for_state(page, "done")
        assert f"label {label} " in page.inner_text(".settings")


def test_what_is_wrong_is_said_and_the_page_goes_on(open_page):
    page = open_page()
    page.fill("#seed input", "")
    page.keyboard.press("Tab")
    page.click("#generate")
    wait_for_state(page, "failed")
    page.wait_for_selector("text=Seed must be a whole number from 0 to 4294967295, not empty.")
    page.click("#dice")
    page.wait_for_function("document.querySelector('#seed input').value !== ''")
    generate(page)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number"),
        ({"steps": True}, "Steps must be a whole number"),
        ({"steps": 101}, "from 1 to 100, not 101"),
        ({"guidance_scale": None}, "Guidance scale must be a number from 0 to 10, not empty"),
        ({"guidance_scale": "NaN"}, "Guidance scale must be a number"),
        ({"sampler": "magic"}, "Sampler must be one of"),
        ({"sampler": ["ddim"]}, "Sampler must be one of"),
        ({"label": "x" * 100_000}, "Label must be one of"),
        ({"seed": -1}, "Seed must be a whole number"),
    ],
)
def test_http_refuses_with_a_message(client, values, message):
    with pytest.raises(Exception, match=message):
        client.predict(api_name="/generate", **values)


def test_http_draws_what_the_page_draws(client, open_page):
    page = open_page()
    generate(page)
    png, gif, settings = client.predict(label="7", seed=FIRST_SEED, api_name="/generate")
    assert (np.asarray(Image.open(png)) == pixels(page.get_attribute(".x_t", "src"))).all()
    assert Image.open(gif).n_frames == STEPS + 1
    for file in (png, gif):
        assert read_settings(file).items() >= settings.items()
    again = client.predict(api_name="/generate", **settings)
    assert np.array_equal(np.asarray(Image.open(again[0])), np.asarray(Image.open(png)))


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    return Client(server, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def test_link_brings_the_settings_back(open_page):
    page = open_page()
    choose_label(page, "4")
    set_steps(page, 5)
    page.click("#dice")
    page.wait_for_function(f"document.querySelector('#seed input').value !== '{FIRST_SEED}'")
    generate(page)
    settings, picture = page.inner_text(".settings"), page.get_attribute(".x_t", "src")
    query = "?" + page.url.split("?")[1]
    assert "label=4" in query and "steps=5" in query

    page = open_page(query)
    page.wait_for_selector("#label label.selected:has-text('4')")
    # All five values need not come at once.
    seed = re.search(r"seed=(\d+)", query)[1]
    for field, value in (("#seed input", seed), ("[aria-label='number input for Steps']", "5")):
        page.wait_for_function(
            "([field, value]) => document.querySelector(field).value === value", arg=[field, value]
        )
    generate(page)
    assert page.inner_text(".settings") == settings
    assert page.get_attribute(".x_t", "src") == picture


def test_a_bad_link_is_told_and_does_no_harm(open_page):
    page = open_page("?steps=many")
    page.wait_for_selector("text=Steps must be a whole number from 1 to 100, not 'many'.")
    generate(page)


def test_keyboard_alone(open_page):
    page = open_page()

    def tab_to(selector):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        pytest.fail(f"the Tab key does not reach {selector}")

    tab_to(".scrubber")
    tab_to("#label input")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#label label.selected:has-text('8')")
    tab_to("#generate")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert "label 8" in page.inner_text(".settings")
    for selector in ("#stop", "[type=range]", "[role=combobox]", "#seed input", "#dice"):
        tab_to(selector)


def test_enter_in_the_seed_field_generates(open_page):
    page = open_page()
    page.fill("#seed input", "11")
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert "seed 11" in page.inner_text(".settings")
