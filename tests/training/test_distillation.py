"""The student: what it learns from, that it learns, and its file."""

import copy
from types import SimpleNamespace

import pytest
import torch

import train as command
from ldm_core import CheckpointError, InputError, LatentDiffusion, Start
from ldm_core.config import TrainingConfig
from ldm_core.data.captions import Captions
from ldm_core.data.datasets import LabelledImages
from ldm_core.data.morphometrics import Measurements
from ldm_core.diffusion.settings import STUDENT_SCALES
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.files.weights import save_student, weights_of
from ldm_core.model.vocabulary import EMPTY
from ldm_core.runtime import devices
from ldm_core.sample import main as sample
from ldm_core.training import distillation
from ldm_core.training.distillation import (
    HUBER,
    RUNS,
    TEACHER_STEPS,
    TOGETHER,
    Pairs,
    StudentStage,
    teacher_pairs,
)
from ldm_core.training.draws import batch_at
from ldm_core.training.loop import train
from ldm_core.training.run import Clock, TrainingRun
from ldm_core.training.stages import Materials

from ..conftest import save

LABELS = [i % 10 for i in range(300)]
MEASURED = Measurements(*torch.rand(3, len(LABELS), generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def pairs(small_model) -> Pairs:
    return pairs_of(small_model, seed=0)


def pairs_of(model: LatentDiffusion, seed: int) -> Pairs:
    captions = Captions(model.vocabulary, LABELS, MEASURED)
    return teacher_pairs(model, captions, lambda k: k == 4, seed, dropout=0.1)


def test_pairs_are_what_the_teacher_makes_of_the_noise(small_model, pairs, monkeypatch):
    for module in (distillation, devices):
        monkeypatch.setattr(module, "has_bfloat16", lambda device: False)
    in_bfloat16, pairs = pairs, pairs_of(small_model, seed=0)
    assert (in_bfloat16.z - pairs.z).square().mean().sqrt() < 0.02  # where the processor has it
    names = small_model.vocabulary.class_row
    plain = (pairs.rows[:, 1:] == EMPTY).all(dim=1) & (pairs.weights == 1).all(dim=1)
    plain &= (pairs.rows[:, 0] >= names(0)) & (pairs.rows[:, 0] <= names(9))
    (chosen,) = plain.nonzero()[-1]  # of the last batch, which has another guidance scale
    assert chosen >= 3 * TOGETHER
    times = small_model.schedule.times(TEACHER_STEPS)
    *_, last = small_model.denoise(
        [(pairs.rows[chosen, 0] - names(0)).item()],
        start=Start(pairs.noise[chosen][None], times),
        guidance_scale=pairs.scale[chosen].item(),
    )
    torch.testing.assert_close(last.x_t[0], pairs.z[chosen], atol=1e-4, rtol=1e-4)


def test_pairs_have_all_kinds_of_captions_and_scales(small_model, pairs):
    assert len(pairs.z) == 4 * TOGETHER
    scales = pairs.scale.view(4, TOGETHER)
    assert (scales == scales[:, :1]).all()
    assert (scales[::2] == small_model.defaults.guidance_scale).all()
    low, high = STUDENT_SCALES
    assert (low <= scales[1::2]).all() and (scales[1::2] <= high).all()
    words = (pairs.rows != EMPTY).sum(dim=1)
    assert {0, 1, 2} < set(words.tolist())
    assert 0.3 < (words == 1).float().mean() < 0.8
    assert (pairs.weights < 1).any()  # sliders


def test_pairs_are_a_function_of_the_seed(small_model, pairs):
    for again, other, part in zip(pairs_of(small_model, 0), pairs_of(small_model, 1), pairs):
        assert torch.equal(again, part)
        assert not torch.equal(other, part)


def test_the_teacher_draws_for_half_of_the_time_or_as_much_as_the_steps_use():
    def enough(n, minutes, steps, seconds):
        options = SimpleNamespace(minutes=minutes, steps=steps)
        clock = Clock(now=iter([0.0, seconds]).__next__)
        materials = SimpleNamespace(config=TrainingConfig(student_batch=64))
        run = SimpleNamespace(options=options, clock=clock, materials=materials)
        return TrainingRun._enough_pairs(run, n)

    assert not enough(64, minutes=10, steps=None, seconds=299)
    assert enough(64, minutes=10, steps=None, seconds=300)
    assert not enough(0, minutes=10, steps=None, seconds=600)  # it needs some
    assert not enough(1536, minutes=10, steps=100, seconds=999)
    assert enough(1600, minutes=10, steps=100, seconds=0)


def stage_of(model: LatentDiffusion, pairs: Pairs, **config) -> StudentStage:
    data = LabelledImages(torch.zeros(300, 28, 28).byte(), torch.tensor(LABELS), ("0",) * 10)
    teacher = lambda: copy.deepcopy(model)
    parts = model.config, TrainingConfig(**config), torch.device("cpu"), None
    stage = StudentStage(Materials(data, data, *parts, load_teacher=teacher))
    stage.pairs = pairs
    return stage


def test_the_loss_is_that_of_the_students_own_runs(small_model, pairs):
    """Of every step of a run, so also of those that begin where the student itself has led: the
    mean of (sqrt(|x_0 - z|^2 + c^2) - c) / 16."""
    stage = stage_of(small_model, pairs)
    step = RUNS.index(3)
    names = small_model.vocabulary.class_row
    all_plain = torch.full_like(pairs.rows, EMPTY)
    all_plain[:, 0] = names(3)
    ones = torch.ones_like(pairs.weights)
    stage.pairs = pairs._replace(rows=all_plain, weights=ones, scale=torch.full((256,), 2.5))
    loss = stage.loss_at(step).item()
    indices = batch_at(step, 256, stage.batch, 0)
    model = stage.model
    model.student.eval()
    runs = model._denoise(
        lambda: model.conditioning.encode(model.conditioning.read([3] * len(indices))),
        None,
        Start(pairs.noise[indices], model.schedule.times(3)),
        model.settings(sampler="student", steps=3, guidance_scale=2.5),
    )
    apart = [s.x_0 - pairs.z[indices] for s in runs if s.x_0 is not None]
    assert len(apart) == 3
    squared = torch.stack([of.square().sum(dim=(1, 2, 3)) for of in apart])
    errors = ((squared + HUBER**2).sqrt() - HUBER) / 16
    assert loss == pytest.approx(errors.mean().item(), rel=2e-2)  # of bfloat16


def test_a_student_learns_and_its_teacher_stays(small_model, pairs):
    quick = {"student_learning_rate": 4e-3, "student_matrix_learning_rate": 4e-3}
    stage, before = stage_of(small_model, pairs, **quick), copy.deepcopy(small_model.state_dict())
    learner = stage.learner()
    first = stage.loss_at(0).item()
    for _ in train(learner, lambda done: done / 30):
        pass
    assert stage.loss_at(0).item() < 0.9 * first
    teacher = {n: t for n, t in stage.model.state_dict().items() if not n.startswith("student.")}
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.items())


# The command, and the file


@pytest.mark.usefixtures("small_training")
def test_the_command_makes_a_student_that_loads_and_draws(
    weights, slice_of_mnist, tmp_path, capsys
):
    for name in ("vae.safetensors", "unet.safetensors"):
        (tmp_path / name).write_bytes((weights / name).read_bytes())
    line = ["--stage", "distill", "--steps", "3", "--data-dir", str(slice_of_mnist)]
    assert command.main([*line, "--out", str(tmp_path), "--device", "cpu"]) == 0
    model = LatentDiffusion.load(tmp_path)
    assert model.records["student"]["steps"] == 3
    with_student = model.generate([3, None, "a bold seven"], sampler="student", steps=2)
    assert with_student.shape == (3, 28, 28)
    assert weights_of(model) == weights_of(LatentDiffusion.load(weights))
    assert (tmp_path / "progress" / "student_000003.png").is_file()
    how = ["--sampler", "student", "--steps", "2", "--label", "3", "--seed", "5"]
    one, again = tmp_path / "one.png", tmp_path / "again.png"
    assert sample(["--weights", str(tmp_path), *how, "--out", str(one)]) == 0
    assert sample(["--weights", str(tmp_path), "--like", str(one), "--out", str(again)]) == 0
    assert one.read_bytes() == again.read_bytes()
    assert sample(["--weights", str(weights), *how, "--out", str(again), "--force"]) == 2
    assert "These weights have no student." in capsys.readouterr().err
    assert command.main([*line, "--out", str(tmp_path)]) == 2
    assert "would be replaced" in capsys.readouterr().err


def test_a_student_comes_back_in_half_precision(taught_model, tmp_path):
    save(tmp_path, taught_model)
    save_student(tmp_path / "student.safetensors", taught_model, {"steps": 5})
    loaded = LatentDiffusion.load(tmp_path)
    assert loaded.records["student"] == {"steps": 5}
    for name, tensor in taught_model.student.state_dict().items():
        assert torch.equal(loaded.student.state_dict()[name], tensor.half().float()), name
    assert not any(p.requires_grad for p in loaded.student.parameters())
    tensors, _ = read_checkpoint(tmp_path / "student.safetensors", "student")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.half}


def test_files_say_which_student_drew_them(taught_model):
    other = copy.deepcopy(taught_model)
    other.student.conv_in.bias.data += 1
    assert weights_of(other) == weights_of(taught_model)
    assert weights_of(other, "student") != weights_of(taught_model, "student")


def test_a_student_of_another_teacher_is_refused(taught_model, tmp_path):
    taught = copy.deepcopy(taught_model)
    save_student(tmp_path / "student.safetensors", taught, {})
    taught.unet.conv_in.bias.data += 1
    save(tmp_path, taught)
    with pytest.raises(CheckpointError, match="was distilled from another U-Net"):
        LatentDiffusion.load(tmp_path)


def test_weights_without_a_student_say_so(small_model):
    with pytest.raises(InputError, match="These weights have no student"):
        small_model.denoise([3], sampler="student", steps=2)
