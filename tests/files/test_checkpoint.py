import copy
import errno
import json
import shutil

import pytest
import safetensors.torch
import torch

from ldm_core import CheckpointError, LatentDiffusion, SamplingSettings
from ldm_core.files.checkpoint import read_checkpoint, save_checkpoint
from ldm_core.files.weights import save_unet, save_vae
from ldm_core.model.vae import VAE

from ..conftest import randomised


@pytest.fixture
def folder(small_model, tmp_path):
    save_vae(tmp_path / "vae.safetensors", small_model.vae, {"steps": 3})
    save_unet(tmp_path / "unet.safetensors", small_model, {"steps": 4})
    return tmp_path


def test_a_saved_model_comes_back_whole(small_model, folder):
    loaded = LatentDiffusion.load(folder)
    assert loaded.config == small_model.config
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_the_making_is_stored_with_the_weights(folder):
    assert read_checkpoint(folder / "vae.safetensors", "vae")[1]["training"] == {"steps": 3}
    assert read_checkpoint(folder / "unet.safetensors", "unet")[1]["training"] == {"steps": 4}


def test_a_model_brings_its_own_defaults(small_model, tmp_path):
    own = SamplingSettings(sampler="unipc", steps=16, guidance_interval=(0.55, 0.8))
    model = copy.copy(small_model)
    model.defaults = own
    save_vae(tmp_path / "vae.safetensors", model.vae, {})
    save_unet(tmp_path / "unet.safetensors", model, {})
    assert LatentDiffusion.load(tmp_path).defaults == own


def test_a_file_from_before_there_were_defaults_gets_the_usual_ones(folder):
    tensors, about = read_checkpoint(folder / "unet.safetensors", "unet")
    del about["defaults"]
    save_checkpoint(folder / "unet.safetensors", "unet", tensors, about)
    assert LatentDiffusion.load(folder).defaults == SamplingSettings()


def test_defaults_that_are_none_are_refused(folder):
    tensors, about = read_checkpoint(folder / "unet.safetensors", "unet")
    about["defaults"]["sampler"] = "magic"
    save_checkpoint(folder / "unet.safetensors", "unet", tensors, about)
    assert "sampler must be one of" in refusal(folder)


def with_config(folder, change):
    """The folder, after a change of the dictionary of its model's configuration."""
    tensors, about = read_checkpoint(folder / "unet.safetensors", "unet")
    change(about["config"])
    save_checkpoint(folder / "unet.safetensors", "unet", tensors, about)
    return folder


def test_a_file_from_before_there_were_words_loads(label_model, tmp_path):
    save_vae(tmp_path / "vae.safetensors", label_model.vae, {})
    save_unet(tmp_path / "unet.safetensors", label_model, {})

    def change(config):
        config["conditioning"] = {"class_names": list("0123456789"), "n_tokens": 4}

    loaded = LatentDiffusion.load(with_config(tmp_path, change))
    assert loaded.config == label_model.config
    assert loaded.vocabulary is None
    images = [model.generate([3], seeds=[1], steps=2).int() for model in (loaded, label_model)]
    assert (images[0] - images[1]).abs().max() <= 1  # another backend draws the first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (7, "A vocabulary is a list of rows"),
        ("words", "A vocabulary is a list of rows"),
        ({"a": 1}, "A vocabulary is a list of rows"),
        (["", "zero", "one"], "A vocabulary is a list of rows"),
        ([[], *[[1]] * 12], "each a list of spellings"),
        ([[], *[[""]] * 12], "each a list of spellings"),
        ([[None], *[["a"]] * 12], "each a list of spellings"),
        ([[], *[[]] * 12], "each a list of spellings"),
        ([["zero"], *map(list, "123456789"), ["a"], ["b"]], "an empty one"),
        ([[], *map(list, "012345678")], "one for each class"),
        ([[], *map(list, "0123456789")], "size mismatch"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(folder, rows, message):
    said = refusal(
        with_config(folder, lambda config: config["conditioning"].update(vocabulary=rows))
    )
    assert "unet.safetensors" in said
    assert message in said


def refusal(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        LatentDiffusion.load(folder)
    assert "train.py" in str(caught.value), "the message says what to do"
    return str(caught.value)


@pytest.mark.parametrize("name", ["vae.safetensors", "unet.safetensors"])
class TestFaults:
    def test_missing(self, folder, name):
        (folder / name).unlink()
        assert f"{name} is missing" in refusal(folder)

    @pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
    def test_truncated(self, folder, name, kept):
        path = folder / name
        path.write_bytes(path.read_bytes()[:kept])
        assert f"{name} is damaged" in refusal(folder)

    def test_pickled(self, folder, name):
        torch.save({"weight": torch.zeros(3)}, folder / name)
        assert f"{name} is damaged or not a checkpoint" in refusal(folder)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    def test_not_finite(self, folder, name, value):
        tensors, about = read_checkpoint(folder / name, name[:-12])
        chosen = sorted(tensors)[3]
        tensors[chosen].view(-1)[0] = value
        save_checkpoint(folder / name, name[:-12], tensors, about)
        message = refusal(folder)
        assert name in message
        assert f"{chosen} holds NaN or infinity" in message

    def test_git_lfs_pointer(self, folder, name):
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 13264840\n"
        (folder / name).write_text(pointer)
        with pytest.raises(CheckpointError, match=f"{name} is a Git LFS pointer.*git lfs pull"):
            LatentDiffusion.load(folder)

    def test_foreign(self, folder, name):
        safetensors.torch.save_file({"weight": torch.zeros(3)}, folder / name)
        assert f"{name} was not written by this project" in refusal(folder)

    def test_of_the_other_kind(self, folder, name):
        other = {"vae.safetensors": "unet.safetensors", "unet.safetensors": "vae.safetensors"}[name]
        shutil.copy(folder / other, folder / name)
        assert f'{name} holds a "{other[:-12]}", not a "{name[:-12]}"' in refusal(folder)

    def test_unknown_configuration(self, folder, name):
        tensors, about = read_checkpoint(folder / name, name[:-12])
        part = about["config"] if name.startswith("vae") else about["config"]["unet"]
        part["colour"] = 1
        save_checkpoint(folder / name, name[:-12], tensors, about)
        message = refusal(folder)
        assert name in message
        assert "does not know colour" in message

    def test_tensors_that_do_not_fit(self, folder, name):
        tensors, about = read_checkpoint(folder / name, name[:-12])
        dropped = sorted(tensors)[0]
        del tensors[dropped]
        save_checkpoint(folder / name, name[:-12], tensors, about)
        message = refusal(folder)
        assert name in message
        assert dropped.removeprefix("conditioning.") in message


def test_a_unet_of_another_vae_is_refused(small_model, folder):
    save_vae(folder / "vae.safetensors", randomised(VAE(small_model.vae.config), seed=1), {})
    message = refusal(folder)
    assert "unet.safetensors was trained on the latents of another VAE" in message


def test_a_failed_save_leaves_the_old_file_and_nothing_else(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full_disk(tensors, path, metadata):
        path.write_bytes(b"half a fi")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ldm_core.files.checkpoint.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(folder / "vae.safetensors", "vae", {"weight": torch.zeros(3)}, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_metadata_is_plain_json(folder):
    with safetensors.safe_open(folder / "unet.safetensors", "pt") as file:
        about = json.loads(file.metadata()["ldm_core"])
    assert about["config"]["conditioning"]["class_names"] == list("0123456789")
    assert about["config"]["conditioning"]["vocabulary"][:2] == [[], ["zero", "0"]]
