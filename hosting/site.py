"""Opens a static page, as `python -m ldm_core.export --format web` writes it, in a browser, below a
path as other hosts would serve it: python -m hosting.site site."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import Error, sync_playwright

from ldm_core import LatentDiffusion, UserError
from ldm_core.command_line import Parser, exit_status

from .browser import launch
from .trial import ASKED, compare, free_port, running

PROGRAM = "python -m hosting.site"
AT = "some/where"  # below the root of a host
DRAW_S = 60
# The picture in grey levels, row by row, and how wide it is.
PIXELS = """async (picture) => {
    await picture.decode();
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(picture, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    return [width, Array.from({length: rgba.length / 4}, (_, i) => rgba[4 * i])];
}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="the folder of the page")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="what it was made of")
    args = parser.parse_args(argv)
    return exit_status(PROGRAM, lambda: _try(args), file=args.folder)


def _try(args: argparse.Namespace) -> None:
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}/{AT}/"
    with running(args.folder, server, url, {}, at=AT):
        picture = visit(url)
    print("the page asked for nothing outside of its folder")
    compare(picture, LatentDiffusion.load(args.weights))
    print(f"upload it: hf upload USER/digits {args.folder} . --type space")


def visit(url: str) -> np.ndarray:
    """Open the page in a browser and have it draw what `ASKED` says: the picture.

    Raises UserError if it draws nothing, asks for anything that is not below url, or has errors,
    and playwright's Error where there is no browser.
    """
    outside, faults = [], []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        context = browser.new_context()
        # Of the context: a page does not hear what its service worker asks for.
        context.on("request", lambda r: _is_outside(r.url, url) and outside.append(r.url))
        context.on("response", lambda r: r.status >= 400 and faults.append(f"no {r.url}"))
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.set_default_timeout(DRAW_S * 1000)
        try:
            page.goto(f"{url}?{urlencode(ASKED)}")
            page.get_by_role("button", name="Generate", exact=True).click()
            player = page.locator(".player[data-state=done], .player[data-state=failed]")
            player.wait_for()
            if player.get_attribute("data-state") == "failed":
                faults.append(player.inner_text())
            width, greys = player.locator("img.x_t").evaluate(PIXELS)
        except Error as error:
            faults.insert(0, f"it drew nothing: {error.message.splitlines()[0]}")
        finally:
            with suppress(Error):
                browser.close()
    if outside:
        raise UserError(f"The page asked for {', '.join(outside)}, outside of its folder.")
    if faults:
        raise UserError(f"The page has errors: {'; '.join(faults)}")
    return np.array(greys, np.uint8).reshape(-1, width)


def _is_outside(address: str, url: str) -> bool:
    return not address.startswith((url, "data:", "blob:"))


if __name__ == "__main__":
    sys.exit(main())
