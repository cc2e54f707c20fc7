"""The examples of docs/http.md, run as they stand there; only the address is another."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from demo.request import Request
from ldm_core import read_settings
from ldm_core.output.file_settings import picture_text

from ..conftest import ROOT
from .conftest import launched, models_of

ADDRESS = "http://127.0.0.1:7860"
TEXT = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
RUN_BY = {
    "python": [sys.executable, "-"],
    "js": ["node", "--input-type=module", "-"],
    "sh": ["bash", "-euo", "pipefail", "-s"],
}


@pytest.fixture(scope="module")
def page(small_model, tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    with launched(models_of(small_model), files, mcp_server=True) as page:
        yield page


@pytest.fixture
def run(page, tmp_path):
    """run(language): what the examples in a language print, and leave in tmp_path. In Python they
    go on from one to the next."""
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 12:16] = 255
    Image.fromarray(digit).save(tmp_path / "digit.png")

    def run(language: str) -> str:
        if not shutil.which(RUN_BY[language][0]):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {RUN_BY[language][0]}")
        blocks = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
        blocks = ["\n".join(blocks)] if language == "python" else blocks
        said = ""
        for block in blocks:
            ended = subprocess.run(
                RUN_BY[language],
                input=block.replace(ADDRESS, page.local_url.rstrip("/")),
                cwd=tmp_path,
                env=os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "downloads")},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert ended.returncode == 0, ended.stderr
            said += ended.stdout
        return said

    return run


@pytest.fixture
def drawn(runner):
    """The picture and the settings that all examples ask for."""
    request = Request.check(runner.model, {"prompt": "a bold seven", "seed": 7})
    return runner.preview(request, None).x_t, request.settings()


def test_python(run, tmp_path, drawn):
    picture, settings = drawn
    said = run("python")
    assert f"{settings}\n" in said and picture_text(picture) in said
    assert "['generate', 'draw', 'morph', 'compare']" in said
    assert (np.asarray(Image.open(tmp_path / "seven.png")) == picture).all()
    kinds = sorted(path.suffix for path in (tmp_path / "downloads").rglob("*.*"))
    assert kinds == [*4 * [".gif"], *4 * [".png"]]
    assert Image.open(tmp_path / "seven.webp").n_frames > 2


@pytest.mark.parametrize(
    ("language", "seed", "file"),
    [("js", "seed: 7", "seven.webp"), ("sh", '"seed": 7', "seven.gif")],
)
def test_javascript_and_curl(run, tmp_path, drawn, language, seed, file):
    picture, settings = drawn
    said = run(language)
    assert seed in said and picture_text(picture) in said
    assert read_settings(tmp_path / file).items() >= settings.items()
