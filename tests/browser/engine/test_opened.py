"""opened.js: every file that the page and the command line make brings its settings back."""

import base64

import numpy as np
import pytest

from demo.about import about
from demo.reproduce import Wanted, formats
from demo.run import Runner
from ldm_core import LatentDiffusion, write_animation
from ldm_core.sample import main

from .conftest import ENGINE

OPENED = """async ({ opened }, { about, files, base }) => {
  const { promptLanguage } = await import(`${base}/vocabulary.js`);
  const { Requests } = await import(`${base}/requests.js`);
  const requests = new Requests(about, promptLanguage(about.vocabulary));
  const engine = { check: async (_, given) => requests.check(given).header() };
  return Promise.all(
    files.map(async ([name, text]) => {
      const file = new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name);
      return opened(engine, about, file).catch(({ name, message }) => `${name}: ${message}`);
    }),
  );
}"""
PICTURE = np.zeros((28, 28), np.uint8)
PICTURE[6:22, 12:16] = 255
ASKED = {
    "label": {"label": "7", "guidance_scale": 3, "steps": 2, "sampler": "ddim", "seed": 5},
    "any": {"label": "any", "steps": 3, "seed": 4294967295},
    "words": {"prompt": "a bold seven", "negative_prompt": "wide", "lean": -0.3, "steps": 2},
}


@pytest.fixture(scope="module")
def runner(weights):
    return Runner(LatentDiffusion.load(weights))


@pytest.fixture(scope="module")
def opened(node, runner):
    """opened({name: content}): what each file says, or the refusal."""
    known = about(runner)

    def opened(files):
        texts = [(name, base64.b64encode(content).decode()) for name, content in files.items()]
        given = {"about": known, "files": texts, "base": ENGINE.as_uri()}
        return dict(zip(files, node(ENGINE.parent / "opened.js", OPENED, given)))

    return opened


def test_a_file_brings_its_settings_back(opened, runner):
    files, wanted = {}, {}
    for name, asked in ASKED.items():
        for format in formats()["denoise"]:
            one = Wanted.check(runner.model, asked, format, show="both", scale=2, frame_ms=160)
            ending = one.name().rpartition(".")[2]
            name_ = f"{name}-{format}.{ending}"
            files[name_], wanted[name_] = one.content(runner), (one, format)
    assert len(files) == 18
    for name, found in opened(files).items():
        one, format = wanted[name]
        assert found["tab"] == "watch" and found["settings"] == one.request.settings()
        assert found["show"] == {"format": format, "show": "both", "scale": 2, "frame_ms": 160}
        assert found["said"] == f"{name} is opened."


LINES = {
    "--label 7 --eta 0.5 --sampler ddim": ("7", "no control for eta 0.5, so the picture"),
    "--label 7 --spacing karras --guidance-interval 0.2 0.8": (
        "7",
        "no control for spacing karras and guidance interval 0.2,0.8,",
    ),
    "--label 3-5": ("3", "Of its images, this is the first."),
    "": ("0", "Of its images, this is the first."),
    "--prompt= --count 2": ("any", "Of its images, this is the first."),
}


def test_a_file_of_the_command_line_is_opened_too(opened, weights, tmp_path):
    files = {}
    for i, line in enumerate(LINES):
        path = tmp_path / f"{i}.png"
        words = f"{line} --seed 9 --steps 2 --weights {weights} --out {path}"
        assert main(words.split()) == 0
        files[path.name] = path.read_bytes()
    for found, (label, said) in zip(opened(files).values(), LINES.values(), strict=True):
        settings = found["settings"]
        assert (settings["label"], settings["seed"], settings["steps"]) == (label, 9, 2)
        assert said in found["said"]


def test_what_cannot_be_opened_is_told(opened, runner, tmp_path):
    good = Wanted.check(runner.model, ASKED["label"], "gif").content(runner)
    files = {"cut.gif": good[:100], "bytes.png": b"\x89PNG", "empty.webp": b""}
    path, frame = tmp_path / "made.gif", np.zeros((1, 28, 28), np.uint8)
    made = {"many.gif": {"label": "7", "steps": 500, "weights": "0"}, "foreign.gif": {"by": "hand"}}
    settings = Wanted.check(runner.model, ASKED["label"]).settings.to_dict()
    made["other.gif"] = settings | {"weights": "0" * 16}
    for name, settings in made.items():
        write_animation(path, frame, settings=settings, scale=1)
        files[name] = path.read_bytes()
    found = opened(files)
    for name in ("cut.gif", "bytes.png", "empty.webp", "foreign.gif"):
        assert found[name].startswith(f"InputError: {name} holds no settings")
    assert found["many.gif"].startswith("InputError: many.gif cannot be opened here. Steps must be")
    assert "made with other weights, so the picture is not the same" in found["other.gif"]["said"]
