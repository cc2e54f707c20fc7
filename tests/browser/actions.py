"""What the tests of the page do on it, and read from it."""

import base64
import io

import numpy as np
from PIL import Image

from ldm_core import LatentDiffusion

from ..conftest import ROOT

STEPS = LatentDiffusion.load(ROOT / "weights", backend="torch").defaults.steps

# Keeps everything that reaches the screens, in order.
RECORD = """() => {
  window.seen = [];
  window.recorder?.disconnect();
  const screens = document.querySelector(".screens");
  const picture = (name) => screens.querySelector(name).src;
  window.recorder = new MutationObserver(() => seen.push({
    step: document.querySelector(".step").textContent,
    noise: document.querySelector(".noise").textContent,
    x_t: picture(".x_t"),
    x_0: picture(".x_0"),
  }));
  recorder.observe(screens.querySelector(".x_t"), {attributeFilter: ["src"]});
}"""


def generate(page, **wait):
    page.click("#generate")
    wait_for_state(page, "done", **wait)


def wait_for_state(page, state, **wait):
    page.wait_for_selector(f".player[data-state={state}]", **wait)


def open_fold(page):
    """Where there is a prompt, some controls are folded away."""
    fold = page.locator("#fold[aria-expanded=false]")
    if fold.count():
        fold.click()


def set_steps(page, steps):
    open_fold(page)
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
