"""The tab Morph: its main path, its stop, a bad point."""

from PIL import Image

from .actions import generate, open_tab, set_number, step, visible, write
from .conftest import STILL


def noise(page):
    return visible(page, ".noise").inner_text()


def test_it_opens_with_an_example_and_three_points_make_a_loop(open_page):
    # It does not play by itself where people want to see less motion.
    page = open_page(media=STILL)
    open_tab(page, "Morph")
    visible(page, ".player[data-state=example] .x_t[src]").wait_for()
    assert step(page) == "Picture 23 of 23"
    assert noise(page) == "8:2 → 3:1, 92%"
    assert visible(page, ".tiles img[src]").is_visible()

    set_number(page, "morph-frames", 4)
    set_number(page, "morph-steps", 2)
    write(page, "a bold zero", "morph-what_3")
    page.fill("#morph-seed_3 input", "9")
    generate(page, "morph-")
    assert step(page) == "Picture 11 of 11"
    assert noise(page) == "a bold zero:9 → 3:1, 75%"
    with page.expect_download() as download:
        visible(page, ".keep .gif").click()
    assert Image.open(download.value.path()).n_frames == 12
    visible(page, ".scrubber").focus()
    page.keyboard.press("Home")
    assert noise(page) == "3:1"
    assert visible(page, ".x_0").is_visible()  # the noise that it began with
