import copy
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

# Small tensors gain nothing from a second thread, and on a busy machine threads that wait for each
# other at every layer make seconds into minutes. Read when torch starts, here and in subprocesses.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from demo.real_digits import write_digits
from ldm_core import LatentDiffusion
from ldm_core.checks import UserError
from ldm_core.config import (
    ConditioningConfig,
    ModelConfig,
    TrainingConfig,
    UNetConfig,
    VAEConfig,
)
from ldm_core.data.datasets import load_dataset
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.files.weights import save_student, save_unet, save_vae
from ldm_core.model.conditioning import Conditioning, Context
from ldm_core.model.vocabulary import make_vocabulary
from ldm_core.sample import main

# A shell may start background processes so that they ignore Ctrl-C; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
# Of a file: what each format must give back.
SETTINGS = {"label": "7", "seed": 4294967295, "guidance_interval": [0.1, 0.9], "name": "é" * 300}


def with_words(class_names: tuple[str, ...], n_tokens: int = 12) -> ConditioningConfig:
    return ConditioningConfig(class_names, n_tokens, vocabulary=make_vocabulary(class_names))


def small_parts(class_names: tuple[str, ...]) -> ModelConfig:
    """Small parts: what trains in seconds."""
    unet = UNetConfig(channels=(16, 32), d_head=8, d_time=32)
    return ModelConfig(VAEConfig(width=8, n_blocks=1), unet, conditioning=with_words(class_names))


def context_of(conditioning: Conditioning, *asked) -> Context:
    """asked: as `Conditioning.read` takes it."""
    return conditioning.encode(conditioning.read(*asked))


SMALL = small_parts(tuple("0123456789"))


def steps_saved(state: Path) -> int:
    """Steps in a state file that another process may be replacing: copied, because a reader that
    opens it twice could see two files."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / state.name
        try:
            shutil.copyfile(state, copy)
        except FileNotFoundError:
            return 0
        return len(read_checkpoint(copy, "training state")[0]["losses"])


def wait_for_steps(state: Path, process: subprocess.Popen, steps: int = 1) -> None:
    while steps_saved(state) < steps:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def in_two(module: str, *arguments: object, cwd: Path = ROOT) -> subprocess.Popen:
    """Start two processes of a module, connected by gloo."""
    return start("tests.in_two", module, *arguments, cwd=cwd)


def start(*line: object, cwd: Path = ROOT) -> subprocess.Popen:
    """Start Python with a module and its arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, line)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children_of(process: subprocess.Popen) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return list(map(int, found.stdout.split()))


def record_of(folder: Path, stage: str) -> dict:
    """What a checkpoint says of its training."""
    return read_checkpoint(folder / f"{stage}.safetensors", stage)[1]["training"]


def train_small(patch: pytest.MonkeyPatch) -> None:
    """Have train.py make small parts, from small batches, and draw small grids."""
    patch.setattr("ldm_core.training.run.model_config", small_parts)
    patch.setattr("ldm_core.training.run.TrainingConfig", partial(TrainingConfig, unet_batch=64))
    patch.setattr("ldm_core.training.stages.GRID_IMAGES", 10)
    patch.setattr("ldm_core.training.stages.GRID_ROWS", 1)


@pytest.fixture(scope="module")
def small_training():
    """train.py makes small parts; in processes of their own, tests.small_training does."""
    with pytest.MonkeyPatch.context() as patch:
        train_small(patch)
        yield


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """A fresh network with its zero-initialised layers filled too, so that everything shows."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1, generator=generator)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def small_model() -> LatentDiffusion:
    """A small model with random weights: right in every way except what it draws."""
    torch.manual_seed(0)
    return randomised(LatentDiffusion(SMALL))


@pytest.fixture(scope="session")
def release() -> LatentDiffusion:
    """The weights of this repository, run by PyTorch."""
    return LatentDiffusion.load(ROOT / "weights", backend="torch")


def save(folder: Path, model: LatentDiffusion, vae: dict | None = None, unet: dict | None = None):
    """Write both checkpoints of a model, with these records of their training."""
    folder.mkdir(exist_ok=True)
    save_vae(folder / "vae.safetensors", model.vae, vae or {})
    save_unet(folder / "unet.safetensors", model, unet or {})


@pytest.fixture(scope="session")
def weights(small_model, tmp_path_factory):
    """A folder with all of a model; its real digits are made up."""
    folder = tmp_path_factory.mktemp("weights")
    save(folder, small_model)
    squares = torch.zeros(10, 28, 28, dtype=torch.uint8)
    for i, picture in enumerate(squares):
        picture[6:22, 6 : 8 + i] = 255
    write_digits(folder, small_model, squares, torch.arange(10))
    return folder


@pytest.fixture(scope="session")
def taught_model(small_model) -> LatentDiffusion:
    """The small model with a student, which is another network."""
    model = copy.deepcopy(small_model)
    model.student = copy.deepcopy(model.unet)
    model.student.conv_out.weight.mul_(-0.5)
    return model


@pytest.fixture(scope="session")
def taught_weights(taught_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught")
    save(folder, taught_model)
    save_student(folder / "student.safetensors", taught_model, {})
    return folder


@pytest.fixture
def run(weights, tmp_path, monkeypatch, capsys):
    """Run a command line in tmp_path, with two steps unless it says otherwise; expect success."""
    monkeypatch.chdir(tmp_path)

    def run(line: str, status: int = 0, steps: str = "--steps 2", words: Sequence[str] = ()) -> str:
        """The last line of what it says: on stderr if it is to fail, else on stdout. words: options
        with spaces in them."""
        steps = "" if "--steps" in line or "--like" in line else steps
        assert main([*line.split(), *words, *steps.split(), "--weights", str(weights)]) == status
        said = capsys.readouterr()
        return (said.err if status else said.out).rstrip().rpartition("\n")[2]

    return run


def read_frames(path) -> tuple[np.ndarray, list[float]]:
    """The frames of a file and their times, as Pillow reads them."""
    with Image.open(path) as image:
        shown = [
            (np.array(frame.convert("L")), frame.info.get("duration", 0))
            for frame in ImageSequence.Iterator(image)
        ]
    frames, durations = zip(*shown)
    return np.stack(frames), list(durations)


@pytest.fixture(scope="session")
def movie() -> np.ndarray:
    """uint8 (8, 28, 30): all greys, changes in a corner, no change at all, everything changed."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (28, 30), dtype=np.uint8)
    corner, part, scattered = first.copy(), first.copy(), first.copy()
    corner[27, 29] ^= 1
    part[3:9, 5:18] = 0
    scattered[rng.random(first.shape) < 0.3] = 255
    last = np.zeros_like(first)
    last[10:20, 12:15] = 200
    return np.stack([first, corner, corner, part, scattered, ~scattered, last, last])


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Where MNIST is: $DATA_DIR, or data/, downloaded when absent."""
    return Path(os.environ.get("DATA_DIR", ROOT / "data"))


@pytest.fixture(scope="session")
def mnist(data_dir):
    """The real test digits. Missing data is a failure in CI and a skip on a machine offline."""
    try:
        return load_dataset("mnist", data_dir, train=False)
    except UserError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def slice_of_mnist(tmp_path_factory, data_dir, mnist):
    """A data folder as torchvision lays it out, with the first thousand digits of each part."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind, record, header in (("images-idx3", 28 * 28, 16), ("labels-idx1", 1, 8)):
            name = f"{part}-{kind}-ubyte"
            content = (data_dir / "MNIST" / "raw" / name).read_bytes()[: header + 1000 * record]
            (raw / name).write_bytes(content[:4] + (1000).to_bytes(4, "big") + content[8:])
    return root
