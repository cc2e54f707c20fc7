"""What the engine says where it cannot be had."""

import shutil

from ..hosting import hosting
from .conftest import engine_page, load_engine

FAULTS = {  # of each file: what is there in its place, and what is said
    "model/unet.onnx.bin": (None, "unet.onnx.bin did not load: the server answers 404."),
    "model/decoder.onnx.bin": (lambda all: all[:-100], "decoder.onnx.bin was cut off after"),
    "model/prompt.onnx.bin": (
        lambda all: all[:500] + bytes([all[500] ^ 1]) + all[501:],
        "prompt.onnx.bin is not the file that belongs to",
    ),
    "packages/onnxruntime.js": (None, "A part of the engine did not load."),
    "model/model.json": (lambda all: all[:-100], "model.json is damaged."),
}


def error_of(browser, folder):
    with hosting(folder) as base, engine_page(browser, base) as page:
        return page.error


def test_a_file_that_did_not_load_is_named(browser, small_site, tmp_path):
    context, folder = browser.new_context(), shutil.copytree(small_site, tmp_path / "site")
    for name, (harm, said) in FAULTS.items():
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        if harm:
            (folder / name).write_bytes(harm(whole))
        with hosting(folder) as base:  # another address, of which the browser has kept nothing
            error = load_engine(context, base).error
        assert error.startswith("LoadError: ") and said in error
        assert error.endswith("Reload the page; if that does not help, the site is not whole.")
        (folder / name).write_bytes(whole)
    context.close()


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
