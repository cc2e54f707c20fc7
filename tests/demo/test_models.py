"""A folder of several models: which there are, and how they are loaded."""

import shutil

import pytest

from demo.models import Models
from demo.run import Runner
from ldm_core import InputError, LatentDiffusion, UserError
from ldm_core.files.weights import weights_of

from ..conftest import save
from .values import model_of


def damage(folder):
    path = folder / "unet.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.fixture(scope="module")
def template(small_model, tmp_path_factory):
    """Two models, and others that cannot be used."""
    folder = tmp_path_factory.mktemp("models")
    save(folder / "labels", small_model)
    save(folder / "some words", model_of("cat", "dog"))
    save(folder / "damaged", small_model)
    damage(folder / "damaged")
    (folder / "begun").mkdir()
    shutil.copy(folder / "labels" / "vae.safetensors", folder / "begun")
    (folder / "notes").mkdir()
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "models")


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


def test_files_that_appear_or_change_are_seen(folder, load):
    models = Models(folder, load)
    new, other = model_of("a", "b"), model_of("a", "c")
    save(folder / "new", new)
    assert "new" in [model["name"] for model in models.menu()]
    assert models.runner("new").weights == weights_of(new)
    save(folder / "new", other)
    assert models.runner("new").weights == weights_of(other)
    damage(folder / "new")
    with pytest.raises(UserError, match="damaged"):
        models.runner("new")


def test_a_model_that_is_not_there_is_refused(folder, load):
    models = Models(folder, load)
    for name in ("nowhere", "notes", "../labels", "labels/"):
        with pytest.raises(InputError, match="There is no model"):
            models.runner(name)


def test_only_some_models_are_kept(folder, load, loaded, monkeypatch):
    monkeypatch.setattr("demo.models.MAX_LOADED", 1)
    models = Models(folder, load)
    save(folder / "third", model_of("a", "b"))
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
