"""What the tests of the pages do on them, and read from them: they are the same on both."""

import base64
import io
from urllib.parse import parse_qsl

import numpy as np
from PIL import Image

from ldm_core.diffusion.settings import SamplingSettings

STEPS = SamplingSettings().steps  # of a model that says nothing else
PHONE = {"width": 375, "height": 812, "has_touch": True, "is_mobile": True}

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

# Stops a run before its first picture, however fast it is.
STOP_AT_ONCE = """([part, go, stop]) => {
  const root = [...document.querySelectorAll(part)].find((one) => one.checkVisibility());
  new MutationObserver((_, observer) => {
    if (root.dataset.state !== "waiting") return;
    observer.disconnect();
    document.querySelector(stop).click();
  }).observe(root, {attributeFilter: ["data-state"]});
  document.querySelector(go).click();
}"""


def open_tab(page, name):
    page.click(f"role=tab[name='{name}']")


def visible(page, selector):
    """What is shown of a selector: tabs that are not open may be in the page, too."""
    return page.locator(f"{selector} >> visible=true").first


def generate(page, prefix="", **wait):
    """Run what the controls say. prefix: of the ids of a tab other than Watch."""
    page.click(f"#{prefix}generate")
    wait_for_state(page, "done", **wait)


def wait_for_state(page, state, **wait):
    visible(page, f".player[data-state={state}]").wait_for(**wait)


def wait_until_ready(page):
    """Until the model of the static page is there; a server has its own."""
    said = "document.querySelector('#model .said')?.textContent.startsWith('Ready') ?? true"
    page.wait_for_function(said)


def open_fold(page):
    """Some controls are folded away."""
    fold = visible(page, ".fold")
    if fold.get_attribute("aria-expanded") == "false":
        fold.click()


def set_number(page, control, number):
    field = page.locator(f"#{control} input[type=number]")
    field.fill(str(number))
    field.press("Tab")


def set_steps(page, steps):
    set_number(page, "steps", steps)


def slide(page, name, value):
    page.fill(f"#{name} [type=range]", str(value))


def write(page, text, field="prompt"):
    page.fill(f"#{field} :is(input, textarea)", text)


def choose_label(page, name):
    page.click(f"#label label:has-text('{name}')")
    page.wait_for_selector(f"#label label.selected:has-text('{name}')")


def be_still(page):
    """Switch live pictures off: what is tested are runs."""
    page.uncheck(".live input")


def step(page):
    return visible(page, ".step").inner_text()


def status(page):
    return visible(page, ".status").inner_text()


def settings(page):
    return visible(page, ".settings").inner_text()


def picture(page):
    """What the player shows, decoded."""
    return pixels(visible(page, ".x_t").get_attribute("src"))


def wait_for_step(page, index, steps=STEPS):
    """Some input (a drag, a tap) reaches the page only after the call that made it."""
    visible(page, f".step:text-is('Step {index} of {steps}')").wait_for()


def wait_for_line(page, text):
    """Until the player shows a run with such settings, and it is done."""
    visible(
        page, f".player[data-state=done]:not([data-glance]) .settings:has-text('{text}')"
    ).wait_for()


def asked_by(page):
    """The settings in the address of the page, as a run has left them there."""
    return dict(parse_qsl(page.url.partition("?")[2]))


def pixels(data_uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1]))))


def apart(one, other):
    """The largest difference of two pictures, in grey levels."""
    return np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max()
