"""What stands under the player of Watch: more like this, and what people take away."""

import base64
import shlex
from pathlib import Path

import numpy as np
from PIL import Image

from ldm_core import write_png
from ldm_core.sample import main

from .actions import (
    PHONE,
    apart,
    be_still,
    generate,
    picture,
    pixels,
    set_steps,
    settings,
    wait_for_line,
    write,
)

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(".title").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def ask_for(page, prompt, steps):
    be_still(page)
    write(page, prompt)
    set_steps(page, steps)
    generate(page)


def test_one_of_more_becomes_the_main_picture(open_page):
    page = open_page(**PHONE)
    page.locator(".pictures button:enabled img[src]").nth(7).wait_for()  # an example
    assert page.locator(".pictures button").all_inner_texts() == [str(n) for n in range(7, 15)]
    ask_for(page, "a bold seven", 3)
    page.click(".more-like-this .draw")
    page.wait_for_selector(".more-like-this .said:has-text('Press one')")
    pictures = page.locator(".pictures button")
    assert pictures.all_inner_texts() == [str(seed) for seed in range(7, 15)]
    write(page, "a wide two")  # the strip remembers what it shows
    small = pixels(pictures.nth(4).locator("img").get_attribute("src"))
    pictures.nth(4).click()
    wait_for_line(page, "“a bold seven”")
    assert "seed 11" in settings(page)
    assert apart(picture(page), small) <= 1
    assert page.input_value("#seed input") == "11"
    assert page.input_value("#prompt input") == "a bold seven"
    assert page.locator(".pictures [aria-current=true]").all_inner_texts() == ["11"]
    page.click(".more-like-this .draw")
    page.wait_for_selector(".pictures button:enabled:has-text('15')")


def test_what_is_taken_away_makes_the_picture_again(open_page, weights, tmp_path, monkeypatch):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask_for(page, "a bold seven leaning left", 3)
    shown = picture(page)
    page.click(".takeaway summary")
    page.select_option(".takeaway .show", "both")
    page.select_option(".takeaway .speed", "320")
    copied = {}
    for name in ("link", "python", "command"):
        page.click(f"[data-copy=take-{name}]")
        page.wait_for_selector(".copied:has-text('Copied.')")
        copied[name] = page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.click(".takeaway .make")
    file = tmp_path / "seven.gif"
    download.value.save_as(file)

    assert copied["link"].partition("?")[2] == page.url.partition("?")[2]

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").symlink_to(weights)
    monkeypatch.chdir(tmp_path / "elsewhere")
    exec(copied["python"], {})
    (made,) = Path().glob("*.png")
    assert apart(Image.open(made), shown) <= 1
    python, module, program, *line = shlex.split(copied["command"])
    assert (python, module, program) == ("python", "-m", "ldm_core.sample")
    assert main(line) == 0
    (made,) = Path().glob("*.gif")
    frames = [last_frame(one) for one in (made, file)]
    assert apart(*frames) <= 1
    assert (frames[1][::8, ::8][:, :28] == shown).all()

    ask_for(page, "a wide two", 2)
    data = base64.b64encode(file.read_bytes()).decode()
    assert page.evaluate(DROP, [file.name, data])
    wait_for_line(page, "“a bold seven leaning left”")
    assert (picture(page) == shown).all()
    assert page.inner_text(".opened") == "seven.gif is opened."
    assert page.input_value("#prompt input") == "a bold seven leaning left"
    assert page.input_value("#steps [type=number]") == "3"
    page.click(".takeaway summary")
    assert page.input_value(".takeaway .speed") == "320"
    assert page.input_value(".takeaway .show") == "both"

    before = settings(page)
    grid = {"across": "seed", "across_values": [1, 2], "fixed": {}}
    write_png(
        "grid.png",
        np.zeros((28, 28), np.uint8),
        settings={"compare": grid, "weights": "0"},
        scale=1,
    )
    for name, content, said in (
        ("grid.png", Path("grid.png").read_bytes(), "grid.png was made on the tab compare"),
        ("cat.png", b"no", "cat.png holds no settings"),
        ("big.gif", bytes(4_000_001), "big.gif is too large: a file may have 4 MB at most."),
    ):
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        page.set_input_files(".open input", file)
        page.wait_for_selector(f".opened:has-text('{said}')")
    assert settings(page) == before


def last_frame(path):
    with Image.open(path) as gif:
        gif.seek(gif.n_frames - 1)
        return np.asarray(gif.convert("L"))
