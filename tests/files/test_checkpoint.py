import copy
import shutil

import pytest
import safetensors.torch
import torch

from ldm_core import CheckpointError, LatentDiffusion, SamplingSettings
from ldm_core.files.checkpoint import read_checkpoint, save_checkpoint
from ldm_core.files.weights import save_unet, save_vae
from ldm_core.model.vae import VAE

from ..conftest import randomised, save


@pytest.fixture
def folder(small_model, tmp_path):
    save(tmp_path, small_model, {"steps": 3}, {"steps": 4})
    return tmp_path


def change(path, edit) -> None:
    """Write a checkpoint again after `edit(tensors, about)`."""
    tensors, about = read_checkpoint(path, path.stem)
    edit(tensors, about)
    save_checkpoint(path, path.stem, tensors, about)


def refusal(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        LatentDiffusion.load(folder)
    return str(caught.value)


def test_a_saved_model_comes_back_whole(small_model, folder):
    loaded = LatentDiffusion.load(folder)
    assert loaded.config == small_model.config
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert loaded.records == {"vae": {"steps": 3}, "unet": {"steps": 4}}


def test_a_model_brings_its_own_defaults(small_model, folder):
    model = copy.copy(small_model)
    model.defaults = SamplingSettings(sampler="unipc", steps=16, guidance_interval=(0.55, 0.8))
    save_unet(folder / "unet.safetensors", model, {})
    assert LatentDiffusion.load(folder).defaults == model.defaults
    # a file from before there were any gets the usual ones
    change(folder / "unet.safetensors", lambda _, about: about.pop("defaults"))
    assert LatentDiffusion.load(folder).defaults == SamplingSettings()


@pytest.mark.parametrize("edit", [{"vocabulary": []}, {"vocabulary": 7}, None])
def test_weights_without_a_vocabulary_are_refused_by_name(folder, edit):
    def change_about(_, about):
        conditioning = about["config"]["conditioning"]
        conditioning.update(edit) if edit else conditioning.pop("vocabulary")

    change(folder / "unet.safetensors", change_about)
    said = refusal(folder)
    assert "unet.safetensors: its configuration does not fit" in said
    assert "vocabulary" in said


def not_finite(value):
    def edit(tensors, about):
        tensors[sorted(tensors)[3]].view(-1)[0] = value

    return lambda path: change(path, edit)


def unknown_setting(path):
    def edit(tensors, about):
        (about["config"] if path.stem == "vae" else about["config"]["unet"])["colour"] = 1

    change(path, edit)


def swap(path):
    other = {"vae": "unet", "unet": "vae"}[path.stem]
    shutil.copy(path.with_stem(other), path)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 13264840\n"
FAULTS = {
    "missing": (lambda path: path.unlink(), "is missing"),
    **{
        f"cut at {kept}": (lambda p, n=kept: p.write_bytes(p.read_bytes()[:n]), "is damaged")
        for kept in (0, 4, 100, 5000, -1)
    },
    "pickled": (lambda p: torch.save({"weight": torch.zeros(3)}, p), "damaged or not a checkpoint"),
    "NaN": (not_finite(torch.nan), "holds NaN or infinity"),
    "infinity": (not_finite(-torch.inf), "holds NaN or infinity"),
    "LFS": (lambda path: path.write_text(LFS), "is a Git LFS pointer"),
    "foreign": (
        lambda path: safetensors.torch.save_file({"weight": torch.zeros(3)}, path),
        "was not written by this project",
    ),
    "swapped": (swap, 'holds a "'),
    "unknown setting": (unknown_setting, "does not know colour"),
    "a tensor lacks": (
        lambda path: change(path, lambda tensors, _: tensors.pop(sorted(tensors)[0])),
        "its tensors do not fit",
    ),
}


@pytest.mark.parametrize("name", ["vae.safetensors", "unet.safetensors"])
@pytest.mark.parametrize(("damage", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_what_to_do(folder, name, damage, message):
    damage(folder / name)
    said = refusal(folder)
    assert name in said
    assert message in said
    assert "train.py" in said or "git lfs pull" in said


def test_a_unet_of_another_vae_is_refused(small_model, folder):
    save_vae(folder / "vae.safetensors", randomised(VAE(small_model.vae.config), seed=1), {})
    assert "unet.safetensors was trained on the latents of another VAE" in refusal(folder)
