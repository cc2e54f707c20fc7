"""Watch: runs that are shown step by step, played, stopped and refused; their files and links."""

import re

import numpy as np
from PIL import Image, ImageSequence

from ldm_core import read_settings
from ldm_core.sample import main

from .actions import (
    RECORD,
    STEPS,
    apart,
    asked_by,
    be_still,
    generate,
    picture,
    pixels,
    set_steps,
    settings,
    slide,
    status,
    step,
    wait_for_state,
    wait_for_step,
    write,
)

SEED = 6  # what the page starts with


def test_generate_draws_the_example_and_shows_every_step_which_is_scrubbed_and_played(open_page):
    page = open_page()
    assert "label 7 " in settings(page) and f"seed {SEED}" in settings(page)
    example = picture(page)
    page.evaluate(RECORD)
    generate(page)
    assert apart(picture(page), example) <= 1
    seen = page.evaluate("seen")
    assert [one["step"] for one in seen] == [f"Step {i} of {STEPS}" for i in range(STEPS + 1)]
    assert seen[0]["noise"] == "100% noise" and seen[-1]["noise"] == "0% noise"
    assert len({one["x_t"] for one in seen}) == STEPS + 1
    assert status(page) == f"Done in {STEPS} steps."
    scrub_and_play(page)
    be_still(page)
    set_steps(page, 1)
    generate(page)
    assert step(page) == "Step 1 of 1"


def scrub_and_play(page):
    """Neither asks the engine for anything."""
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

    box = page.locator(".scrubber").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, y, steps=5)
    wait_for_step(page, STEPS // 2)
    page.mouse.move(box["x"], y, steps=5)
    page.mouse.up()
    wait_for_step(page, 0)

    # Recorded in the page, because all could be played between two calls from here.
    page.evaluate("""() => {
      const play = document.querySelector(".play");
      window.labels = [];
      new MutationObserver(() => labels.push(play.ariaLabel))
        .observe(play, {attributeFilter: ["aria-label"]});
    }""")
    page.keyboard.press("Space")
    page.wait_for_function("labels.includes('Pause') && labels.at(-1) === 'Play'")
    assert step(page) == f"Step {STEPS} of {STEPS}"
    # In the page, because all could be played between two calls from here.
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
    assert requests == []


def test_stop_stops_the_next_run_works_and_a_second_press_starts_no_second_run(open_page):
    page = open_page()
    be_still(page)
    set_steps(page, 100)
    page.click("#generate")
    # Stop is pressed in the page, because a fast run is over before a press from here arrives.
    # The page shows the run before, of fewer steps, until the first step of this run arrives.
    page.evaluate("""() => new Promise((pressed) => {
      requestAnimationFrame(function look() {
        const match = /^Step (\\d+) of 100$/.exec(document.querySelector('.step').textContent);
        if (!match || Number(match[1]) < 5) return requestAnimationFrame(look);
        document.querySelector('#stop').click();
        pressed();
      });
    })""")
    wait_for_state(page, "stopped")
    steps = int(re.fullmatch(r"Stopped after (\d+) steps\. .*", status(page))[1])
    assert 5 <= steps < 100
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert step(page) == f"Step {steps} of 100"

    set_steps(page, 3)
    generate(page)
    assert step(page) == "Step 3 of 3"

    set_steps(page, 20)
    # In the page, because the whole run could pass between two calls from here.
    page.evaluate("""() => {
      const press = () => document.querySelector("#generate").click();
      const player = document.querySelector(".player");
      window.states = [];
      new MutationObserver(() => {
        states.push(player.dataset.state);
        if (player.dataset.state === "running") press();
      }).observe(player, {attributeFilter: ["data-state"]});
      for (let i = 0; i < 3; i++) press();
    }""")
    wait_for_state(page, "done")
    assert page.evaluate("states") == ["waiting", "running", "done"]


def test_links_bring_the_settings_back(open_page):
    query = "?prompt=a+wide+three&negative_prompt=bold&lean=0.5&guidance_scale=2&steps=3"
    query += "&sampler=unipc&seed=11"
    page = open_page(f"{query}&__theme=dark&__sign=secret#secret")
    page.wait_for_selector("#label label.selected:has-text('3')")
    assert page.input_value("#width [type=range]") == "1"
    generate(page)
    line = "“a wide three” · not “bold” · lean 0.5 · guidance 2 · 3 steps · unipc · seed 11"
    assert settings(page) == line
    asked = asked_by(page)
    assert asked["prompt"] == "a wide three" and "label" not in asked
    assert "secret" not in page.url and list(asked)[-1] == "seed"
    shown = picture(page)
    # As HTML writes links, and with new lines in a prompt.
    again = page.url.partition("?")[2].replace("&", "&amp;").replace("a+wide", "a%0D%0Awide")
    page = open_page("?" + again)
    page.wait_for_selector("#label label.selected:has-text('3')")
    generate(page)
    assert settings(page) == line and (picture(page) == shown).all()


def test_a_link_switches_parts_off_and_moves_sliders(open_page, small_model):
    page = open_page("?label=4&stroke=1&seed=11&steps=2&off=time,skip.0")
    page.wait_for_selector("#label label.selected:has-text('4')")
    assert page.input_value("#stroke [type=range]") == "1"
    assert page.input_value("#prompt input") == "four"
    generate(page)
    assert settings(page).endswith("seed 11 · without skip.0, time")
    assert asked_by(page)["off"] == "skip.0,time"
    options = {"seeds": [11], "steps": 2, "style": {"stroke": 1}}
    without = small_model.generate([4], off=["time", "skip.0"], **options)[0]
    assert apart(picture(page), without) <= 1 < apart(small_model.generate([4], **options), without)


def test_a_bad_link_is_told_and_does_no_harm(open_page):
    page = open_page("?steps=many&label=4")
    told = page.locator(".notice")
    told.filter(has_text="This link does not work.").wait_for()
    assert "Steps must be a whole number from 1 to 100, not 'many'." in told.inner_text()
    generate(page)


CLIPBOARDS = [
    "{writeText: (text) => ((window.copied = text), Promise.resolve())}",
    "undefined",  # as on http
    "{writeText: () => Promise.reject(new DOMException('no', 'NotAllowedError'))}",
]


def test_a_link_is_copied_or_shown_to_be_copied_by_hand(open_page):
    page = open_page("?__sign=secret")
    for clipboard in CLIPBOARDS:
        define = f"{{value: {clipboard}, configurable: true}}"
        page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {define})")
        page.click(".link")
        said = "text=Link copied." if "copied" in clipboard else ".status a:has-text('Copy this')"
        page.wait_for_selector(said)
        read = (
            "window.copied" if "copied" in clipboard else "document.querySelector('.status a').href"
        )
        link = page.evaluate(read)
        assert "label=7" in link and "secret" not in link


def test_files_hold_the_pictures_and_settings_that_make_them_again(open_page, weights, tmp_path):
    page = open_page()
    be_still(page)
    write(page, "a bold seven")
    slide(page, "width", 0.5)
    set_steps(page, 3)
    page.evaluate(RECORD)
    generate(page)
    shown = [pixels(one["x_t"]) for one in page.evaluate("seen")]
    for kind, scale in (("gif", 8), ("png", 16)):
        with page.expect_download() as download:
            page.click(f".keep .{kind}")
        assert download.value.suggested_filename == f"a-bold-seven-seed-{SEED}.{kind}"
        file = tmp_path / f"a.{kind}"
        download.value.save_as(file)
        frames = frames_of(file)
        wanted = shown if kind == "gif" else shown[-1:]
        for frame, one in zip(frames, wanted, strict=True):
            assert (frame == one.repeat(scale, 0).repeat(scale, 1)).all()
        said = read_settings(file)
        assert said["prompt"] == "a bold seven" and said["width"] == 0.5
        again = tmp_path / f"again.{kind}"
        assert main(["--like", str(file), "--weights", str(weights), "--out", str(again)]) == 0
        for frame, one in zip(frames_of(again), frames, strict=True):
            assert apart(frame, one) <= 1
        assert read_settings(again) == said
    gif = Image.open(tmp_path / "a.gif")
    times = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert times == [80, 80, 80, 1500] and gif.info["loop"] == 0


def frames_of(file):
    frames = ImageSequence.Iterator(Image.open(file))
    return [np.asarray(frame.convert("L")) for frame in frames]


def test_keyboard_alone(open_page):
    """Where the Tab key goes, the tests of accessibility know."""
    page = open_page()
    be_still(page)
    page.focus("#label input:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#label label.selected:has-text('8')")
    page.focus("#generate")
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert "label 8" in settings(page)
    page.focus(".fold")
    page.keyboard.press("Enter")
    assert page.get_attribute(".fold", "aria-expanded") == "true"
    page.fill("#seed input", "11")
    page.keyboard.press("Enter")
    page.wait_for_selector(".settings:has-text('seed 11')")
    page.focus(".dice >> visible=true")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#seed input').value !== '11'")
