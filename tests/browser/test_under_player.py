"""What stands under the player of Watch: more like this, and what people take away."""

import base64
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ..conftest import ROOT
from .actions import generate, pixels, wait_for_state

PHONE = {"width": 360, "height": 740, "has_touch": True, "is_mobile": True}
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(".title, body").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def ask_for(page, prompt, steps=None):
    page.fill("#prompt input", prompt)
    if steps:
        page.fill("[aria-label='number input for Steps']", str(steps))
        page.keyboard.press("Tab")


def shown_picture(page):
    return pixels(page.get_attribute("#stage .x_t", "src")).astype(int)


def wait_for_run(page, settings):
    page.wait_for_function(
        "text => document.querySelector('#stage .settings').textContent.includes(text)",
        arg=settings,
    )
    wait_for_state(page, "done")


def make_file(page, kind):
    page.click(f".formats label:has([value={kind}])")
    with page.expect_download() as download:
        page.click(".takeaway .make")
    return download.value.path()


def drop(page, path, name=None):
    data = base64.b64encode(path.read_bytes()).decode()
    assert page.evaluate(DROP, [name or path.name, data])


def test_one_of_more_becomes_the_main_picture(open_word_page):
    page = open_word_page(**PHONE)
    ask_for(page, "a bold seven", steps=3)
    generate(page)
    page.click(".more-like-this .draw")
    page.wait_for_selector(".pictures button img")
    pictures = page.locator(".pictures button")
    assert pictures.all_inner_texts() == [str(seed) for seed in range(7, 15)]
    page.fill("#prompt input", "a wide two")  # the strip remembers what it shows
    small = pixels(pictures.nth(4).locator("img").get_attribute("src"))
    pictures.nth(4).click()
    wait_for_run(page, "“a bold seven”")
    assert "seed 11" in page.inner_text("#stage .settings")
    assert np.abs(shown_picture(page) - small).max() <= 1
    assert page.input_value("#seed input") == "11"
    assert page.input_value("#prompt input") == "a bold seven"
    assert page.locator(".pictures [aria-current]").all_inner_texts() == ["11"]
    page.click(".more-like-this .draw")
    page.wait_for_selector(".pictures button:has-text('15')")
    page.click(".takeaway summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    targets = ".takeaway :is(button, select, summary, .choose, .formats label), .pictures button"
    for target in page.locator(targets).all():
        assert target.bounding_box()["height"] >= 44, target.evaluate("e => e.outerHTML")


def start(command, folder, weights):
    """A program that was copied from the page, started where the weights are."""
    folder.mkdir()
    (folder / "weights").symlink_to(weights)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *command], cwd=folder, env=environment)


def test_what_is_taken_away_makes_the_picture_again(open_word_page, word_weights, tmp_path):
    page = open_word_page(permissions=["clipboard-read", "clipboard-write"])
    ask_for(page, "a bold seven leaning left", steps=3)
    generate(page)
    picture = shown_picture(page)
    page.click(".takeaway summary")
    page.select_option(".takeaway .show", "both")
    page.select_option(".takeaway .speed", "320")
    page.wait_for_function("document.querySelector('#take-command').value.includes('320')")
    copied = {}
    for name in ("link", "python", "command"):
        page.click(f"[data-copy=take-{name}]")
        page.wait_for_selector(".copied:has-text('Copied.')")
        copied[name] = page.evaluate("navigator.clipboard.readText()")
    program, *line = shlex.split(copied["command"])
    assert program == "python"
    folders = tmp_path / "python", tmp_path / "command"
    python = start(["-c", copied["python"]], folders[0], word_weights)
    command = start(line, folders[1], word_weights)
    file = make_file(page, "gif")

    page = open_word_page("?" + copied["link"].partition("?")[2])
    page.wait_for_function("document.querySelector('#prompt input').value.includes('leaning')")
    generate(page)
    assert (shown_picture(page) == picture).all()

    assert python.wait() == command.wait() == 0
    (made,) = folders[0].glob("*.png")
    assert (np.asarray(Image.open(made)).astype(int) == picture).all()
    (made,) = folders[1].glob("*.gif")
    assert made.read_bytes() == file.read_bytes()
    with Image.open(made) as gif:
        gif.seek(gif.n_frames - 1)
        last = np.asarray(gif.convert("L")).astype(int)
    assert (last[::8, ::8][:, :28] == picture).all()

    ask_for(page, "a wide two", steps=2)
    generate(page)
    drop(page, file, "seven.gif")
    wait_for_run(page, "“a bold seven leaning left”")
    assert (shown_picture(page) == picture).all()
    assert page.inner_text(".opened") == "seven.gif is opened."
    assert page.input_value("#prompt input") == "a bold seven leaning left"
    assert page.input_value("[aria-label='number input for Steps']") == "3"
    page.click(".takeaway summary")
    assert page.input_value(".takeaway .speed") == "320"
    assert page.input_value(".takeaway .show") == "both"

    settings = page.inner_text("#stage .settings")
    for name, content, said in (
        ("cat.png", b"no", "cat.png holds no settings"),
        ("big.gif", bytes(4_000_001), "big.gif is too large: a file may have 4 MB at most."),
    ):
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        page.set_input_files(".open input", file)
        page.wait_for_selector(f".opened:has-text('{said}')")
    assert page.inner_text("#stage .settings") == settings

    page.click("button[role=tab]:has-text('Morph')")  # its run is none of Watch
    page.wait_for_selector("#morph-player .player .x_t[src]")
    assert "morph" not in page.evaluate("shownRun.settings")


def test_the_endpoint_makes_each_kind_of_file(word_server, tmp_path):
    client = Client(word_server, verbose=False, download_files=tmp_path)
    _, gif, settings = client.predict(label="4", steps=2, api_name="/generate")
    again = client.predict(settings, api_name="/animation")
    assert Path(again).read_bytes() == Path(gif).read_bytes()
    strip = client.predict(settings, "strip", "both", 2, api_name="/animation")
    assert Image.open(strip).size == (2 * (3 * 30 - 2), 2 * (2 * 30 - 2))
    with pytest.raises(Exception, match="The settings of one image have no lable"):
        client.predict({"lable": "4"}, api_name="/animation")
