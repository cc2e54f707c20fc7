"""The ONNX export is all that another program needs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ldm_core import LatentDiffusion
from ldm_core.config import ModelConfig
from ldm_core.diffusion.settings import SamplingSettings
from ldm_core.diffusion.starts import Start
from ldm_core.export.onnx_format import write_onnx
from ldm_core.files.weights import weights_of

GRAPHS = ("prompt", "unet", "decoder", "encoder")
STUDENT = ("student_prompt", "student")  # where there is one


@pytest.fixture(scope="module", params=["taught_model", "release"])
def exported(request, tmp_path_factory) -> tuple[LatentDiffusion, Path]:
    """A model, and the folder to which it was written."""
    model = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("onnx")
    write_onnx(model, folder, None)
    return model, folder


def drawn(folder: Path, label: int, seed: int, place: Path) -> np.ndarray:
    """What the example draws, in a process that has neither PyTorch nor this project."""
    code = (
        "import runpy, sys; sys.modules['torch'] = sys.modules['ldm_core'] = None; "
        "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )
    line = [sys.executable, "-I", "-c", code, str(folder / "example.py"), str(label), str(seed)]
    subprocess.run(line, cwd=place, check=True)
    header, pixels = (place / "digit.pgm").read_bytes().split(b"\n", 1)
    assert header == b"P5 28 28 255"
    return np.frombuffer(pixels, np.uint8).reshape(28, 28)


def test_the_example_draws_what_python_draws(exported, tmp_path):
    model, folder = exported
    label, seed = 3, 5
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 4, 8, 8), np.float32))
    start = Start(x, model.schedule.times(model.defaults.steps))
    (expected,) = model.generate([label], seeds=[0], start=start, sampler="ddim")
    assert expected.float().std() > 10  # or the comparison would say little
    found = drawn(folder, label, seed, tmp_path)
    assert np.abs(found.astype(int) - expected.numpy()).max() <= 1


def test_model_json_rebuilds_the_configuration(exported):
    model, folder = exported
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert ModelConfig.from_dict(about["config"]) == model.config
    assert SamplingSettings.from_dict(about["defaults"]) == model.defaults
    assert about["weights"] == weights_of(model)
    assert about["vocabulary"]["rows"][1:3] == [["zero", "0"], ["one", "1"]]


def test_the_readme_names_every_input_and_output(exported):
    model, folder = exported
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for graph in GRAPHS:
        session = onnxruntime.InferenceSession(folder / f"{graph}.onnx")
        said = re.search(rf"^- `{graph}\.onnx`: (.*?) → (.*?)(?=^-|\n\n)", readme, re.M | re.S)
        for text, tensors in zip(said.groups(), (session.get_inputs(), session.get_outputs())):
            names = {re.sub(r"\d+", "i", tensor.name) for tensor in tensors}
            assert set(re.findall(r"`(\w+)`", text)) == names, graph
    assert ("student.onnx" in readme) == (model.student is not None)
