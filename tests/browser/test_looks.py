"""What the pages must look like, as far as a machine can tell."""

import re

import pytest

from .actions import (
    PHONE,
    STEPS,
    generate,
    open_fold,
    visible,
    wait_for_state,
    wait_for_step,
    write,
)
from .conftest import STILL

SHIFT = """() => new Promise((resolve) => {
  let sum = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) sum += entry.value;
  });
  observer.observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => setTimeout(() => resolve(sum), 100));
})"""


# The visibility of tiles that wait for their pictures: in the page, because the run goes on between
# two calls from here.
EMPTY_TILES = """() => new Promise((resolve) => {
  new MutationObserver((_, observer) => {
    const empty = [...document.querySelectorAll(".tiles img:not([src])")];
    if (empty.length) resolve(empty.map((tile) => getComputedStyle(tile).visibility));
    if (empty.length) observer.disconnect();
  }).observe(document.querySelector(".tiles"), {childList: true});
  document.querySelector("#generate").click();
})"""


@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_and_tiles_wait_unseen(open_page, size):
    page = open_page(**size)
    page.locator(".pictures button:enabled img[src]").nth(7).wait_for()
    before = page.evaluate("document.body.scrollHeight")
    assert set(page.evaluate(EMPTY_TILES)) == {"hidden"}
    wait_for_state(page, "done")
    assert page.evaluate(SHIFT) < 0.01
    assert page.evaluate("document.body.scrollHeight") == before


def is_on_top(page, selector, x=0.5, y=0.5):
    """Whether a press at this share of the element's width and height would meet it."""
    return visible(page, selector).evaluate(
        """(node, [x, y]) => {
          const box = node.getBoundingClientRect();
          const at = [box.left + x * box.width, box.top + y * box.height];
          return node.contains(document.elementFromPoint(...at));
        }""",
        [x, y],
    )


def test_a_phone_shows_the_picture_and_the_line_of_settings_whole(open_page):
    page = open_page("?seed=4294967295&sampler=dpmpp_2m", **PHONE)
    page.wait_for_function("document.querySelector('#seed input').value === '4294967295'")
    generate(page)
    line = visible(page, ".settings")
    assert line.inner_text().endswith("seed 4294967295")
    assert line.evaluate("node => node.scrollHeight <= node.clientHeight")
    assert line.evaluate("node => node.scrollWidth <= node.clientWidth")

    box = page.locator(".scrubber").first.bounding_box()  # a finger scrubs
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for_step(page, STEPS // 2)

    open_fold(page)
    for selector in ("#label", "#generate", "#sampler", "#seed"):
        page.locator(selector).scroll_into_view_if_needed()
        assert visible(page, ".screens").bounding_box()["y"] >= 0, selector
    for scroll in range(150, 600, 25):
        page.evaluate("y => scrollTo(0, y)", scroll)
        assert is_on_top(page, ".player", x=0.1, y=0.01), scroll

    page.set_viewport_size({"width": 812, "height": 375})  # on its side
    page.locator("#generate").scroll_into_view_if_needed()
    assert is_on_top(page, "#generate")


NAMES = [
    ("radiogroup", "Label"),
    ("textbox", "Prompt"),
    ("textbox", "Negative prompt"),
    ("slider", "range slider for Guidance scale"),
    ("spinbutton", "number input for Steps"),
    ("spinbutton", "Seed"),
    ("button", "Generate"),
    ("button", "Stop"),
    ("button", "New seed"),
]


def test_all_is_in_sight_crisp_has_the_same_name_on_both_pages_and_fits_any_width(open_page):
    page = open_page(height=900)
    ends = {".player": 800, "#prompt": 800, "#generate": 800, "#width": 800, "#steps": 800}
    ends |= {".more-like-this .pictures": 910, "#seed": 920}  # what is beyond is a margin
    for selector, end in ends.items():
        box = visible(page, selector).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= end, (selector, box)
    screen = visible(page, ".screen").bounding_box()
    assert screen["width"] >= 250 and abs(screen["width"] - screen["height"]) < 1
    assert brightness(page) > 200
    shown = visible(page, ".x_t")
    assert shown.evaluate("node => getComputedStyle(node).imageRendering") == "pixelated"
    assert shown.bounding_box()["width"] % 28 == 0
    open_fold(page)
    for role, name in NAMES:
        name = re.compile(f"^{name}")  # Gradio adds what a control does
        found = page.get_by_role(role, name=name).and_(page.locator(":visible"))
        assert found.count() == 1, name
    write(page, "x" * 100)
    for width in (320, 375, 600, 900, 901, 1280, 2000):
        page.set_viewport_size({"width": width, "height": 800})
        # A moment later: the browser may answer before it has laid out the new width.
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_dark_scheme_has_no_motion_where_less_is_wanted(open_page):
    page = open_page(media=STILL | {"color_scheme": "dark"})
    assert brightness(page) < 50
    generate(page)
    running = "document.getAnimations().filter((a) => a.playState === 'running').length"
    assert page.evaluate(running) == 0


def brightness(page):
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, background.strip("rgb()").split(","))) / 3
