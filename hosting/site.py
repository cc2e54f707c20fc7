"""The static page in a folder, as `python -m ldm_core.export --format web` writes it, checked and
opened in a browser: python -m hosting.site site."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np

from ldm_core import LatentDiffusion, UserError
from ldm_core.command_line import Parser, exit_status, say

from .browser import launch
from .checks import check_front_matter, check_links, files_of, summary, too_large
from .space import ASKED, MAX_APART, free_port, python_draws
from .trial import trial, who

PROGRAM = "python -m hosting.site"
AT = "some/where"  # below the root of a host
LOADS = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|/", re.IGNORECASE)  # an address with a scheme, or a root
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


class Seen(NamedTuple):
    """What a browser saw: the picture, requests that left the folder, and faults of the page."""

    picture: np.ndarray
    outside: list[str]
    faults: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="the folder of the page")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="what it was made of")
    args = parser.parse_args(argv)
    return exit_status(PROGRAM, lambda: _try(args), file=args.folder)


def _try(args: argparse.Namespace) -> None:
    check(args.folder)
    say(f"{args.folder}: {summary(args.folder)}, as a static Space asks, and all paths relative")
    for path in too_large(args.folder):  # other hosts know no Git LFS
        say(f"{path} is too large for a plain git push to a Space, but not for hf upload")
    port = free_port()
    url = f"http://127.0.0.1:{port}/{AT}/"
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with trial(args.folder, sys.executable, AT) as site:
        say(f"served at {url} by {who(site.user, sys.executable)}")
        with site.running(server, url, {}, folder=site.root):
            seen = visit(url)
    if seen is None:
        say("no browser, so the page was not opened: pip install playwright, and a Chromium")
    else:
        _judge(seen, python_draws(LatentDiffusion.load(args.weights)))
    say(f"upload it: hf upload USER/digits {args.folder} . --type space")


def _judge(seen: Seen, own: np.ndarray) -> None:
    """Raises UserError for what is not as it should be."""
    if seen.outside:
        raise UserError(f"The page asked for {', '.join(seen.outside)}, outside of its folder.")
    if seen.faults:
        raise UserError(f"The page has errors: {'; '.join(seen.faults)}")
    if seen.picture.shape != own.shape:
        raise UserError(f"The picture has the shape {seen.picture.shape}, not {own.shape}.")
    apart = int(abs(seen.picture.astype(int) - own).max())
    say(f"a picture of {ASKED}: {apart} grey levels from Python's")
    if apart > MAX_APART:
        raise UserError(f"The pictures are {apart} grey levels apart, more than {MAX_APART}.")
    say("the page asked for nothing outside of its folder")


def check(folder: Path) -> None:
    """All that can be checked without a browser. Raises UserError."""
    if check_front_matter(folder)["sdk"] != "static":
        raise UserError(f"{folder / 'README.md'} must say sdk: static.")
    check_links(folder)
    for path, address in _loaded(folder):
        if address.startswith("data:"):
            continue
        if ELSEWHERE.match(address):
            raise UserError(f"{path} loads {address}: only relative paths work wherever it is put.")
        if not (path.parent / address.partition("?")[0]).exists():
            raise UserError(f"{path} loads {address}, which is not there.")


def visit(url: str) -> Seen | None:
    """Open the page, have it draw what `ASKED` says, and look at the picture; None without a
    browser. Raises UserError if there is none in the end."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        return None
    outside, faults = [], []
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Error:
            return None
        try:
            page = browser.new_page()
            page.on("request", lambda r: _is_outside(r.url, url) and outside.append(r.url))
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("response", lambda r: r.status >= 400 and faults.append(f"no {r.url}"))
            page.goto(f"{url}?{urlencode(ASKED)}")
            page.set_default_timeout(DRAW_S * 1000)
            page.get_by_role("button", name="Generate", exact=True).click()
            player = page.locator(".player[data-state=done], .player[data-state=failed]")
            player.wait_for()
            if player.get_attribute("data-state") == "failed":
                raise UserError(f"The page says that it failed: {player.inner_text()}")
            width, greys = page.locator(".player img.x_t").evaluate(PIXELS)
        except Error as error:
            said = f"; the page has errors: {'; '.join(faults)}" if faults else ""
            raise UserError(
                f"The page drew nothing: {error.message.splitlines()[0]}{said}"
            ) from error
        finally:
            with suppress(Error):
                browser.close()
    return Seen(np.array(greys, np.uint8).reshape(-1, width), outside, faults)


def _is_outside(address: str, url: str) -> bool:
    return not address.startswith((url, "data:", "blob:"))


def _loaded(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file, and each address that HTML and CSS load. What scripts load shows in a browser."""
    for path in files_of(folder):
        if path.suffix == ".html":
            reader = _Addresses()
            reader.feed(path.read_text(encoding="utf-8"))
            yield from ((path, address) for address in reader.found)
        elif path.suffix == ".css":
            for address in IN_CSS.findall(path.read_text(encoding="utf-8")):
                yield path, address


class _Addresses(HTMLParser):
    """Collects what the elements of a page load; links are followed by people only."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        address = dict(attributes).get(LOADS.get(tag, ""))
        if address:
            self.found.append(address)


if __name__ == "__main__":
    sys.exit(main())
