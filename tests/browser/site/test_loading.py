"""What the engine says where it cannot be had."""

import shutil

import pytest

from ..hosting import hosting
from .conftest import engine_page, load_engine


def copied(site, folder):
    """A copy that may be changed."""
    return shutil.copytree(site, folder / "site")


def error_of(browser, folder):
    with hosting(folder) as base, engine_page(browser, base) as page:
        return page.error


def absent(file):
    file.unlink()


def cut_off(file):
    file.write_bytes(file.read_bytes()[:-100])


def changed(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("model/unet.onnx.bin", absent, "unet.onnx.bin did not load: the server answers 404."),
        ("model/decoder.onnx.bin", cut_off, "decoder.onnx.bin was cut off after"),
        ("model/prompt.onnx.bin", changed, "prompt.onnx.bin is not the file that belongs to"),
        ("packages/onnxruntime.js", absent, "A part of the engine did not load."),
        ("model/model.json", cut_off, "model.json is damaged."),
    ],
)
def test_a_file_that_did_not_load_is_named(browser, small_site, tmp_path, name, harm, said):
    folder = copied(small_site, tmp_path)
    harm(folder / name)
    error = error_of(browser, folder)
    assert error.startswith("LoadError: ") and said in error
    assert error.endswith("Reload the page; if that does not help, the site is not whole.")


def test_a_browser_without_webassembly_is_told(browser_with, small_site):
    said = error_of(browser_with("--js-flags=--jitless"), small_site)
    assert "This browser has no WebAssembly, or it is switched off" in said


def test_memory_that_ends_while_the_model_is_made_ready_is_the_same_error(browser_with, site):
    limit = "--js-flags=--wasm-max-mem-pages=300"  # enough to begin with
    assert "There is too little memory for the model" in error_of(browser_with(limit), site)


def test_a_browser_that_is_too_old_is_told(browser, small_site):
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream")
    with hosting(small_site) as base:
        error = load_engine(context, base).error
    context.close()
    assert error.startswith("LoadError: This browser is too old: it cannot unpack files.")
