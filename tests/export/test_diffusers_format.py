"""What is written for diffusers, loaded by a process that knows diffusers and not us."""

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
import yaml

from ldm_core import LatentDiffusion
from ldm_core.config import ModelConfig, UNetConfig
from ldm_core.diffusion.randomness import gaussian_noise
from ldm_core.diffusion.settings import SamplingSettings
from ldm_core.evaluation.classifier import load_classifier
from ldm_core.export.__main__ import main
from ldm_core.export.diffusers import assemble
from ldm_core.export.diffusers.miniature_pipeline import MiniaturePipeline
from ldm_core.export.diffusers.networks import N_TIMES, stock_unet

from ..conftest import ROOT, context_of, save, with_words
from ..runtime.test_backends import perturbed

LABELS = [7, None, 3, 0, 9, None]
WORDS = ["a thin seven", "bold three leaning left", "eight", "", "wide 0", "narrow five"]
SAME = {  # asked by, what, the settings
    "as it comes": ("label", [7], {}),
    "labels": ("label", LABELS, {"steps": 12, "guidance_scale": 1}),
    "labels, guided": ("label", LABELS, {"steps": 16}),
    "labels, guided all the way": (
        "label",
        LABELS[:4],
        {"steps": 12, "guidance_scale": 2, "guidance_interval": (0, 1), "guidance_rescale": 0.5},
    ),
    "prompts, guided": ("prompt", WORDS, {"steps": 25}),
    "prompts, negative, style; steps at the ends of the interval": (
        "prompt",
        WORDS[:2],
        {"steps": 20, "negative": "thin", "style": {"width": -0.5}},
    ),
    "away from": ("label", [3], {"steps": 12, "guidance_scale": 0, "negative": "bold two"}),
}
THEIRS = {"steps": "num_inference_steps", "negative": "negative_prompt"}  # names of settings
REFUSED = {  # the arguments, what the error says
    "an unknown word": ({"prompt": "a blue seven"}, "the unknown word 'blue'"),
    "both": ({"prompt": "seven", "label": 7}, "Give a prompt or a label, not both."),
    "steps that diffusers miscounts": (
        {"num_inference_steps": 95},
        "The scheduler makes 96 steps of 95. Take a num_inference_steps that divides 3600, such "
        "as 90.",
    ),
    "noise of another number": (
        {"label": [1, 2], "noise": 1},
        "latents must have the shape (2, 4, 8, 8)",
    ),
}
OF_STUDENT = {  # the arguments of its call
    "student": {},
    "student, three steps": {"num_inference_steps": 3, "guidance_scale": 5, "style": {"lean": 1}},
}
NOT_OF_STUDENT = {
    "student, five steps": {"num_inference_steps": 5},
    "student, strong guidance": {"guidance_scale": 8},
    "student, a negative prompt": {"negative_prompt": "thin"},
    "student, an interval": {"guidance_interval": [0.2, 0.8]},
}
SCHEDULERS = ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
OTHER_SCHEDULERS = {  # what the error says
    "FlowMatchEulerDiscreteScheduler": "does not follow the noise schedule of these weights",
    "DDIMScheduler": "pass clip_sample=False to its from_config",
}
DIGITS = list(range(10)) * 2


@pytest.fixture(scope="module")
def other_model(small_model) -> LatentDiffusion:
    """Has another sampler than the weights of this repository."""
    model = copy.copy(small_model)
    model.defaults = SamplingSettings(sampler="dpmpp_2m", steps=16)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "diffusers"
    line = ["--format", "diffusers", "--out", str(folder), "--weights", str(ROOT / "weights")]
    assert main(line) == 0
    return folder


@pytest.fixture(scope="module")
def other_folder(other_model, tmp_path_factory) -> Path:
    weights = tmp_path_factory.mktemp("weights")
    save(weights, other_model)
    folder = tmp_path_factory.mktemp("export") / "diffusers"
    line = ["--format", "diffusers", "--out", str(folder), "--weights", str(weights)]
    assert main(line) == 0
    return folder


@pytest.fixture(scope="module")
def student_folder(taught_weights, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "diffusers"
    line = ["--format", "diffusers", "--out", str(folder), "--weights", str(taught_weights)]
    assert main(line) == 0
    return folder / "student"


@pytest.fixture(scope="module")
def answers(folder, other_folder, student_folder, tmp_path_factory) -> SimpleNamespace:
    """What diffusers draws (`drawn`) or says (`errors`) for each job; the classes of the parts."""
    place = tmp_path_factory.mktemp("answers")
    jobs = {}

    def job(name: str, folder: Path, arguments: dict, **options) -> None:
        jobs[name] = {"folder": str(folder), "arguments": arguments, **options}

    for name, (asked_by, asked, settings) in SAME.items():
        arguments = {asked_by: asked} | {THEIRS.get(n, n): value for n, value in settings.items()}
        job(name, folder, arguments | {"noise": len(asked)})
    for name, (arguments, _) in REFUSED.items():
        job(name, folder, arguments)
    for name in (*SCHEDULERS, *OTHER_SCHEDULERS):
        arguments = {"label": DIGITS, "num_inference_steps": 8, "noise": len(DIGITS)}
        job(name, folder, arguments, scheduler=name)
    for kind in ("latent", "np", "pt"):
        arguments = {"label": 7, "num_images_per_prompt": 2, "output_type": kind, "noise": 2}
        job(kind, folder, arguments)
    job("small", other_folder, {"label": LABELS, "noise": len(LABELS)})
    for name, arguments in OF_STUDENT.items():
        job(name, student_folder, {"label": LABELS, "noise": len(LABELS)} | arguments)
    for name, arguments in NOT_OF_STUDENT.items():
        job(name, student_folder, {"label": 7} | arguments)

    (place / "jobs.json").write_text(json.dumps(jobs))
    np.save(place / "noise.npy", gaussian_noise(range(len(DIGITS)), 0, (4, 8, 8)).numpy())
    program = Path(__file__).with_name("load_with_diffusers.py")
    command = [sys.executable, program, "jobs.json", "noise.npy", "out"]
    environment = os.environ | {"HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, cwd=place, env=environment, check=True, timeout=300)
    drawn = dict(np.load(place / "out.npz"))
    return SimpleNamespace(drawn=drawn, **json.loads((place / "out.json").read_text()))


def test_parts_are_stock_classes_of_diffusers_where_it_has_them(answers, folder, other_folder):
    classes = answers.classes[str(folder)]
    assert classes["unet"] == f"{diffusers.UNet2DConditionModel.__module__}.UNet2DConditionModel"
    unipc = f"{diffusers.UniPCMultistepScheduler.__module__}.UniPCMultistepScheduler"
    assert classes["scheduler"] == unipc
    assert re.fullmatch(
        r"diffusers_modules\.local\.miniature_vae_\w+\.MiniatureVAE", classes["vae"]
    )
    other = answers.classes[str(other_folder)]["scheduler"]  # the sampler of those weights
    assert other.endswith(".DPMSolverMultistepScheduler")


@pytest.mark.parametrize("name", SAME)
def test_the_same_noise_gives_the_same_pictures(answers, release, name):
    _, asked, settings = SAME[name]
    ours = release.generate(asked, seeds=range(len(asked)), **settings)
    check_same(answers.drawn[name], ours)


def test_other_weights_have_settings_of_their_own(answers, other_model):
    ours = other_model.generate(LABELS, seeds=range(len(LABELS)))
    check_same(answers.drawn["small"], ours)


@pytest.mark.parametrize("name", OF_STUDENT)
def test_a_student_draws_the_same_pictures(answers, taught_weights, name):
    taught_model = LatentDiffusion.load(taught_weights)  # in half precision
    ours = {"num_inference_steps": "steps"}
    settings = {ours.get(n, n): value for n, value in OF_STUDENT[name].items()}
    settings = {"sampler": "student", "steps": 2} | settings
    check_same(answers.drawn[name], taught_model.generate(LABELS, seeds=range(6), **settings))


@pytest.mark.parametrize("name", NOT_OF_STUDENT)
def test_a_student_refuses_what_it_has_not_learned(answers, name):
    assert name in answers.errors


def test_the_card_of_a_student_says_how_it_draws(student_folder):
    card = (student_folder / "README.md").read_text()
    assert "| `num_inference_steps` | 2 |" in card
    assert "`negative_prompt`" not in card and "`guidance_interval`" not in card


def check_same(theirs: np.ndarray, ours: torch.Tensor) -> None:
    """float32 is rounded in another order: of 100,000 pixels 2 are one grey level off, or some
    more where the weights are random and every pixel is some grey."""
    off = np.abs(theirs.astype(int) - ours.numpy())
    assert off.max() <= 1
    assert off.mean() <= 1e-3


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_is_refused_with_a_reason(answers, name):
    assert REFUSED[name][1] in answers.errors[name]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_other_stock_schedulers_draw_readable_digits(answers, name):
    classifier = load_classifier(ROOT / "weights" / "classifier.safetensors")
    _, read = classifier.judge(torch.from_numpy(answers.drawn[name]))
    assert (read != torch.tensor(DIGITS)).sum() <= 1


@pytest.mark.parametrize("name", OTHER_SCHEDULERS)
def test_a_scheduler_that_would_draw_no_digits_is_refused(answers, name):
    assert OTHER_SCHEDULERS[name] in answers.errors[name]


def test_other_outputs_are_those_of_diffusers(answers, release):
    *_, last = release.denoise([7, 7], seeds=[0, 1])
    np.testing.assert_allclose(answers.drawn["latent"], last.x_t, atol=1e-4)
    rows, columns = answers.drawn["pt"], answers.drawn["np"]
    assert rows.shape == (2, 1, 28, 28)
    assert columns.shape == (2, 28, 28, 1)
    assert np.array_equal(rows[:, 0], columns[..., 0])
    check_same((255 * rows[:, 0]).round(), release.generate([7, 7], seeds=[0, 1]))


def test_the_unet_loads_without_trust_and_predicts_the_same(folder, release):
    stock = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    context = context_of(release.conditioning, ["bold seven", None, 3]).tokens
    x = gaussian_noise(range(3), 0, (4, 8, 8))
    for t in (1, 0.5, 1 / 3600):
        with torch.no_grad():
            ours = release.unet(x, torch.full((3,), t), context)
            conditions = {"encoder_hidden_states": context, "class_labels": context.mean(dim=1)}
            theirs = stock(x, round(t * 3600) - 1, **conditions).sample
        torch.testing.assert_close(theirs, ours, atol=2e-5, rtol=0)


def test_stages_without_a_transformer_are_stock_ones_that_do_nothing():
    parts = UNetConfig(channels=(16, 32), d_head=8, d_time=32, middle_only=True)
    model = perturbed(ModelConfig(unet=parts, conditioning=with_words(("circle", "square"))))
    x_t, t = gaussian_noise([1, 2], 0, (4, 8, 8)), torch.tensor([0.3, 0.9])
    context = gaussian_noise([3, 4], 0, (12, 64))
    about = {"encoder_hidden_states": context, "class_labels": context.mean(dim=1)}
    found = stock_unet(model.unet)(x_t, t * N_TIMES - 1, **about).sample
    torch.testing.assert_close(found, model.unet(x_t, t, context), atol=1e-4, rtol=1e-4)


def test_nothing_is_pickled_and_each_part_has_one_file_of_code(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    files = {name for name in files if not name.startswith("student/")}  # a pipeline of its own
    weights = {
        f"{part}/diffusion_pytorch_model.safetensors" for part in ("vae", "text_encoder", "unet")
    }
    configurations = {f"{part}/config.json" for part in ("vae", "text_encoder", "unet")}
    others = {"model_index.json", "scheduler/scheduler_config.json", "README.md"}
    code = files - weights - configurations - others
    assert files >= weights | configurations | others
    # In no other folder is a file of this name, unless it has this content.
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12] for name in code}
    assert {name.replace(hashes[name], "*") for name in code} == {
        "miniature_pipeline_*.py",
        "vae/miniature_vae_*.py",
        "text_encoder/miniature_text_encoder_*.py",
    }


def test_the_card_says_what_is_there(folder, other_folder, other_model):
    _, front, card = (folder / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front) | {"tags": []} == {
        "license": "mit",
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": [],
    }
    assert "pipe(prompt='bold zero')" in card
    assert "at most 12 words" in card
    assert "These settings and UniPCMultistepScheduler are those that suit" in card


@pytest.fixture(scope="module")
def pipe(release, folder) -> MiniaturePipeline:
    settings = json.loads((folder / "model_index.json").read_text())["settings"]
    scheduler = diffusers.UniPCMultistepScheduler.from_pretrained(folder, subfolder="scheduler")
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    parts = assemble.vae(release), assemble.text_encoder(release), unet, scheduler
    pipe = MiniaturePipeline(*parts, settings=settings)
    pipe.set_progress_bar_config(disable=True)
    return pipe


NOISE = gaussian_noise([3, 4], 0, (4, 8, 8))
UNGUIDED_FIRST = (0, 0.9)  # the first step is at t = 1
RUN = {"label": [7, 2], "num_inference_steps": 8, "latents": NOISE, "output_type": "latent"}


def test_a_callback_ends_the_run(pipe):
    seen = []

    def after(pipe, i, timestep, tensors):
        seen.append((i, pipe.num_timesteps, tensors["latents"]))
        pipe._interrupt = i == 2
        return {}

    (latents,) = pipe(**RUN, callback_on_step_end=after, return_dict=False)
    assert [seen[0][:2], seen[-1][:2]] == [(0, 8), (2, 8)]
    assert torch.equal(latents, seen[-1][2])
    assert pipe.interrupt
    assert len(pipe(**RUN).images) == 2 and not pipe.interrupt


def test_a_callback_changes_guidance_and_latents(pipe):
    def run(change=lambda pipe, tensors: None, scale=3.0):
        def after(pipe, i, timestep, tensors):
            return change(pipe, tensors)

        options = {"guidance_scale": scale, "guidance_interval": UNGUIDED_FIRST}
        options |= {"callback_on_step_end": after}
        return pipe(**RUN, **options).images

    def set_scale(scale):
        return lambda pipe, tensors: setattr(pipe, "_guidance_scale", scale)

    strong, plain = run(scale=4.0), run(scale=1.0)
    assert torch.equal(run(set_scale(4.0), scale=1.5), strong)
    assert pipe.guidance_scale == 4
    assert torch.equal(run(set_scale(4.0), scale=1.0), strong)
    assert not torch.equal(run(set_scale(0.0)), plain)  # without a label
    zero = lambda pipe, tensors: {"latents": torch.zeros_like(tensors["latents"])}
    assert run(zero).abs().max() == 0
    with pytest.raises(ValueError, match="must be one of latents, not 'timestep'"):
        pipe(**RUN, callback_on_step_end_tensor_inputs=["timestep"])


def test_without_diffusers_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    line = ["--format", "diffusers", "--out", str(tmp_path / "out")]
    assert main([*line, "--weights", str(ROOT / "weights")]) == 2
    assert "pip install diffusers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
