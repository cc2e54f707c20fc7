"""A folder of several models: which there are, and how they are loaded."""

import shutil

import pytest

from demo.models import Models
from demo.run import Runner
from ldm_core import InputError, LatentDiffusion, UserError
from ldm_core.files.weights import save_unet, save_vae, weights_of

from .values import with_words


def save(folder, model):
    folder.mkdir(exist_ok=True)
    save_vae(folder / "vae.safetensors", model.vae, {})
    save_unet(folder / "unet.safetensors", model, {})


def damage(folder):
    path = folder / "unet.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.fixture
def folder(small_model, tmp_path):
    """Two models, and others that cannot be used."""
    save(tmp_path / "labels", small_model)
    save(tmp_path / "some words", with_words())
    shutil.copytree(tmp_path / "labels", tmp_path / "damaged")
    damage(tmp_path / "damaged")
    (tmp_path / "begun").mkdir()
    shutil.copy(tmp_path / "labels" / "vae.safetensors", tmp_path / "begun")
    (tmp_path / "notes").mkdir()
    return tmp_path


@pytest.fixture
def loaded():
    """The names of what is loaded, in turn."""
    return []


@pytest.fixture
def load(loaded):
    def load(folder, name):
        loaded.append(name)
        return Runner(LatentDiffusion.load(folder, backend="torch"), name, folder)

    return load


def test_the_first_that_can_be_used_is_served_and_others_are_named(folder, load, loaded):
    models = Models(folder, load)
    assert models.several and models.first.name == "labels"
    assert loaded == ["damaged", "labels"]  # the others wait until they are chosen
    assert models.left_out["begun"].startswith("unet.safetensors is missing")
    assert "unet.safetensors is damaged" in models.left_out["damaged"]
    found = {model["name"]: model["problem"] for model in models.menu()}
    assert list(found) == ["begun", "damaged", "labels", "some words"]
    assert found["begun"].startswith("unet.safetensors is missing. Maybe its training")


def test_a_model_is_loaded_when_it_is_chosen_and_once(folder, load, loaded):
    models = Models(folder, load)
    assert models.runner(None) is models.runner("") is models.runner("labels") is models.first
    words = models.runner("some words")
    assert words.model.vocabulary and words.folder == folder / "some words"
    assert models.runner("some words") is words
    assert loaded == ["damaged", "labels", "some words"]


def test_what_training_has_just_finished_is_on_the_menu(folder, load):
    models = Models(folder, load)
    save(folder / "new", with_words(("a", "b")))
    assert "new" in [model["name"] for model in models.menu()]
    assert models.runner("new").model.class_names == ("a", "b")


def test_a_model_whose_files_have_changed_is_loaded_again(folder, load):
    models = Models(folder, load)
    before = models.runner("some words")
    other = with_words(("a", "b"))
    save(folder / "some words", other)
    after = models.runner("some words")
    assert after is not before and after.weights == weights_of(other)
    damage(folder / "some words")
    with pytest.raises(UserError, match="damaged"):
        models.runner("some words")


@pytest.mark.parametrize("name", ["nowhere", "notes", "../labels", "labels/"])
def test_a_model_that_is_not_there_is_refused(folder, load, name):
    with pytest.raises(InputError, match="There is no model"):
        Models(folder, load).runner(name)


def test_only_some_models_are_kept(folder, load, loaded, monkeypatch):
    monkeypatch.setattr("demo.models.MAX_LOADED", 1)
    models = Models(folder, load)
    save(folder / "third", with_words(("a", "b")))
    for name in ("some words", "third", "some words"):
        models.runner(name)
    assert loaded[2:] == ["some words", "third", "some words"]


def test_one_model_is_no_menu(weights, load):
    models = Models(weights, load)
    assert not models.several and models.menu() == [] and models.first.name == ""


def test_a_folder_without_a_model_is_refused(folder, load):
    for name in ("labels", "some words"):
        shutil.rmtree(folder / name)
    with pytest.raises(UserError, match=r"No model in .* can be used\. begun: .* damaged: "):
        Models(folder, load)
