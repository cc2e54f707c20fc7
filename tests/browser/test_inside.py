"""The tab Inside on both pages: each panel's main path and one bad input, and the lesson."""

import pytest
from PIL import Image

from demo.lesson import lesson

from .actions import STEPS, be_still, generate, open_tab, set_steps, visible
from .conftest import STILL, pages

# The pixels of a canvas, as text.
PIXELS = """(name) => {
  const canvas = [...document.querySelectorAll(`[data-heat="${name}"]`)]
    .find((one) => one.checkVisibility());
  return canvas.toDataURL();
}"""
# Collects in `asked` what is asked of the engine.
REQUESTS = """() => {
  window.asked = [];
  const { fetch } = window;
  window.fetch = (address, ...given) => {
    if (String(address).endsWith("engine/inside")) asked.push(JSON.parse(given[0].body).what);
    return fetch(address, ...given);
  };
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...given) {
    if (message.call === "inside") asked.push(message.given.what);
    return postMessage.call(this, message, ...given);
  };
}"""


@pytest.fixture(scope="module")
def page(browser, address):
    """The tab Inside, on which one panel is tested after the other."""
    with pages(browser, address) as open_page:
        page = open_page(media=STILL)
        page.evaluate(REQUESTS)
        open_tab(page, "Inside")
        page.wait_for_selector(".inside .parts button >> visible=true")
        yield page


def open_panel(page, name, says):
    """Wait for the panel itself, too: the one before may have said the same."""
    button = page.locator(f".inside .parts [data-panel={name}]")
    button.click()
    page.wait_for_selector(f".inside .panel h2:text-is('{button.inner_text()}')")
    told(page, says)


def told(page, says):
    page.wait_for_selector(f".inside .told:has-text('{says}')")


def pixels(page, name):
    return page.evaluate(PIXELS, name)


def changed_by(page, act, *names):
    """Wait until an act has changed the pictures of these names."""
    before = {name: pixels(page, name) for name in names}
    act()
    for name, picture in before.items():
        page.wait_for_function(f"(before) => ({PIXELS})('{name}') !== before", arg=picture)


def scrub(page, index):
    visible(page, ".inside .scrubber").fill(str(index))


def set_slider(page, selector, value):
    page.fill(f".inside {selector}", str(value))


def test_noise(page):
    open_panel(page, "noise", "At t = 0.50")
    set_slider(page, ".slide input", 0)
    told(page, "At t = 0.00 the latent is 1.00 of the signal")
    page.evaluate("asked = []")
    changed_by(page, lambda: set_slider(page, ".slide input", 1), "x_t")
    told(page, "At t = 1.00 the latent is 0.01 of the signal")
    assert "noise" not in page.evaluate("asked")  # all times have come at once


def test_a_real_digit_and_one_that_was_drawn(page):
    """Two panels look at the same one."""
    open_panel(page, "noise", "At t = ")
    assert page.locator("[data-digit^=real] canvas").count() == 10
    assert page.is_disabled("[data-digit=drawn]")  # nothing is drawn yet
    changed_by(page, lambda: page.click("[data-digit='real 3']"), "decoded", "estimate")
    open_panel(page, "vae", "0 of 784 pixels")
    page.wait_for_selector("[data-digit='real 3'][aria-pressed=true]")
    own = page.evaluate("document.querySelector(\"[data-digit='real 3'] canvas\").toDataURL()")
    assert pixels(page, "digit") == own
    open_tab(page, "Draw")
    page.wait_for_selector(".seen .digit[src]")
    open_tab(page, "Inside")
    page.wait_for_selector("[data-digit=drawn]:enabled")
    told(page, "0 of 784 pixels")
    changed_by(page, lambda: page.click("[data-digit=drawn]"), "digit", "back")
    changed_by(page, lambda: page.click("[data-digit=run]"), "digit", "back")


def test_score(page):
    open_panel(page, "score", "grey levels")
    changed_by(page, lambda: scrub(page, 2), "cond", "null", "difference", "score")
    told(page, "Step 2")
    changed_by(page, lambda: set_slider(page, ".slide input", 10), "guided")
    told(page, "at 10.0 the estimate is")
    page.evaluate("asked = []")
    set_slider(page, ".slide input", 3)
    told(page, "at 3.0 the estimate is")
    set_slider(page, ".slide input", 10)
    told(page, "at 10.0 the estimate is")
    assert page.evaluate("asked.filter((what) => what === 'score').length") == 1


def test_unet(page):
    open_panel(page, "unet", "All parts are on")
    assert page.locator(".diagram canvas >> visible=true").count() == 5 + 3
    page.wait_for_function(f"({PIXELS})('features.mid').length > 500")
    changed_by(page, lambda: scrub(page, 3), "features.down.0", "features.mid", "original")
    changed_by(page, lambda: page.click("[data-switch=time]"), "without", "apart", "features.up.0")
    told(page, "Without time")
    page.click("[data-switch='skip.1']")
    told(page, "Without skip.1 and time")
    page.evaluate("asked = []")
    changed_by(page, lambda: scrub(page, 1), "without")
    assert "features" not in page.evaluate("asked")
    page.click("[data-switch=time]")
    page.click("[data-switch='skip.1']")
    told(page, "All parts are on")


def test_attention(page):
    open_panel(page, "attention", "row 4, column 5")
    assert page.inner_text(".words-of-maps").split() == ["seven"] + ["empty"] * 11
    page.evaluate("asked = []")
    page.focus("[data-heat=self]")
    changed_by(page, lambda: page.keyboard.press("ArrowDown"), "self")
    told(page, "row 5, column 5")
    page.hover("[data-heat=self]", position={"x": 1, "y": 1})
    told(page, "row 1, column 1 looks at")
    changed_by(page, lambda: page.click("[data-stage=mid]"), "self")
    changed_by(page, lambda: page.click("[data-steps=all]"), "word-0")
    assert "attention" not in page.evaluate("asked")
    with page.expect_download() as download:
        page.click(".keep-maps")
    animation = Image.open(download.value.path())
    assert (animation.format, animation.n_frames, animation.is_animated) == ("PNG", STEPS, True)


def test_vae(page):
    open_panel(page, "vae", "0 of 784 pixels")
    page.focus("[data-heat=latent]")
    page.keyboard.press("ArrowDown")
    told(page, "Number 36 of channel 1")
    changed_by(page, lambda: set_slider(page, "[data-move=channel]", 4), "moved", "latent")
    page.click(".inside .undo")
    told(page, "0 of 784 pixels")


def test_text(page):
    open_panel(page, "text", "1 of")
    page.fill(".words-of-text input", "bold seven")
    told(page, "2 of")
    assert page.locator(".plot .lit").count() == 3  # and their mean
    assert page.inner_text(".near").startswith("bold is near")
    page.fill(".words-of-text input", "a dog")
    told(page, "“dog” is not known")


def test_samplers(page):
    open_panel(page, "samplers", "Ends within a distance")
    assert page.locator(".ways polyline").count() == 7
    scrub(page, 3)
    told(page, "Step 3 of")
    dots = page.locator(".ways circle").count()
    page.evaluate("asked = []")
    scrub(page, 1)
    told(page, "Step 1 of")
    assert page.locator(".ways circle").count() == 7 * 2 < dots
    assert "path" not in page.evaluate("asked")
    assert "was not measured" in page.inner_text(".errors")  # of these weights


def test_panels_follow_the_run_that_was_made(page):
    open_tab(page, "Watch")
    be_still(page)
    set_steps(page, 5)
    generate(page)
    open_tab(page, "Inside")
    open_panel(page, "samplers", "Step 5 of 5")


def test_an_error_is_told(page):
    open_panel(page, "vae", "of 784 pixels")
    page.evaluate("""() => {
      window.fetch = async () => { throw new Error("Too busy."); };
      Worker.prototype.postMessage = () => { throw new Error("Too busy."); };
    }""")
    set_slider(page, "[data-move=number]", 2)
    page.wait_for_function(
        "/busy|answer/.test([...document.querySelectorAll('.told')].map((e) => e.textContent))"
    )


def test_a_link_leads_into_the_lesson(open_page):
    page, steps = open_page("?lesson=4", media=STILL), lesson()
    for number in (*range(4, len(steps) + 1), 1, 2, 3):
        step = steps[number - 1]
        page.wait_for_selector(f".lesson-steps h3:has-text('{number} of ')")
        assert page.inner_text(".lesson-steps .says") == step["says"]
        page.click(".lesson-steps .press")
        state = step["state"]
        page.wait_for_selector(f".parts [data-panel={state['panel']}][aria-pressed=true]")
        if "step" in state:
            at = min(int(state["step"]), STEPS)
            page.wait_for_selector(f".inside .step:has-text('Step {at} of ')")
        page.wait_for_function("document.querySelector('.inside .told').textContent")
        page.click(".lesson-steps .next")
        if number == len(steps):
            page.click(".lesson-steps .begin >> visible=true")
