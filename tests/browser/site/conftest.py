"""Static sites that the export makes, served as any host would, with their engine in Chromium."""

from contextlib import contextmanager

import pytest

from hosting.browser import launch
from ldm_core.export.__main__ import main
from ldm_core.files.weights import save_unet, save_vae

from ...conftest import ROOT

# Loads the engine of the site that the page is on. It is told here because what a page evaluates
# is no module, and so has no imports.
LOAD = """async ({ base, workers }) => {
  const { Engine } = await import(`${base}engine/client.js`);
  window.engine = new Engine(`${base}model/`, { workers });
  window.progress = [];
  try {
    await engine.load((at) => progress.push(at));
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
}"""


@pytest.fixture(scope="session")
def export(packages, tmp_path_factory):
    """export(weights): the folder of a site with them."""

    def export(weights):
        folder = tmp_path_factory.mktemp("site")
        line = ["--format", "web", "--weights", weights, "--out", folder, "--runtime", packages]
        assert main(map(str, line)) == 0
        return folder

    return export


@pytest.fixture(scope="session")
def small_site(export, weights):
    """The folder of a site with small networks and random weights."""
    return export(weights)


@pytest.fixture(scope="session")
def site(export):
    """The folder of a site with the weights of this repository."""
    return export(ROOT / "weights")


@pytest.fixture(scope="session")
def label_weights(label_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    save_vae(folder / "vae.safetensors", label_model.vae, {})
    save_unet(folder / "unet.safetensors", label_model, {})
    return folder


@pytest.fixture(scope="session")
def label_site(export, label_weights):
    """The folder of a site whose model knows labels only."""
    return export(label_weights)


@contextmanager
def engine_page(browser, base, workers=1):
    """A page of its own with an engine, see `load_engine`."""
    context = browser.new_context()
    yield load_engine(context, base, workers)
    context.close()


def load_engine(context, base, workers=1):
    """A page on a site, with its `engine`; if that did not load, `page.error` says why."""
    page = context.new_page()
    page.set_default_timeout(60_000)  # a slow machine is no failure
    page.goto(f"{base}model/model.json")  # a page of the site that begins nothing of its own
    page.error = page.evaluate(LOAD, {"base": base, "workers": workers})
    return page


@pytest.fixture
def browser_with(browser, playwright):
    """browser_with(flag): another Chromium, started with that flag."""
    started = []

    def browser_with(flag):
        started.append(launch(playwright, flag))
        return started[-1]

    yield browser_with
    for one in started:
        one.close()
