"""A headless Chromium, through Playwright."""

import shutil

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def launch(playwright, *flags: str):
    """The browser that is installed here, else Playwright's own. Raises playwright's Error where
    there is none."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    return playwright.chromium.launch(executable_path=installed, args=[*FLAGS, *flags])
