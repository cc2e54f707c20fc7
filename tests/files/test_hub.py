"""Models on the Hub, whose requests a stand-in answers over HTTP. The real Hub was not asked."""

import pickle
import shutil

import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import load_file

from ldm_core import LatentDiffusion, UserError, evaluate, sample
from ldm_core.files.hub import COMPANIONS, UNET_FILE, VAE_FILE, weights_folder

from ..conftest import ROOT, SMALL
from ..hub_stand_in import TOKEN, stand_in

NAME = "somebody/digits"
NOBODY = "http://127.0.0.1:9"  # answers here


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub to which the user has logged in. They know each other by the environment, which
    huggingface_hub reads when it is imported."""
    with stand_in() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN.removeprefix("Bearer "))
        yield hub


@pytest.fixture
def ours(weights):
    return LatentDiffusion.load(weights)


def test_a_model_that_was_pushed_draws_the_same_pictures(hub, ours):
    ours.push_to_hub(NAME)
    assert hub.models[NAME].keys() == {VAE_FILE, UNET_FILE, "digits.png", "README.md"}
    theirs = LatentDiffusion.from_pretrained(NAME)
    asked = [7, "a bold seven", None]
    assert torch.equal(
        theirs.generate(asked, seeds=[1, 2, 3]), ours.generate(asked, seeds=[1, 2, 3])
    )
    assert (theirs.defaults, theirs.records) == (ours.defaults, ours.records)


def test_what_is_saved_is_what_was_loaded_and_the_card_says_what_its_record_says(tmp_path):
    before, saved = ROOT / "weights", tmp_path / "saved"
    model = LatentDiffusion.load(before)
    model.save_pretrained(saved)
    names = {VAE_FILE, UNET_FILE, *(name for name in COMPANIONS if (before / name).is_file())}
    assert {path.name for path in saved.iterdir()} == names | {"README.md"}
    for name in names - {UNET_FILE}:  # to which settings that are new are added
        assert (saved / name).read_bytes() == (before / name).read_bytes(), name
    tensors = load_file(before / UNET_FILE), load_file(saved / UNET_FILE)
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    card = ModelCard.load(saved / "README.md")
    assert card.data.library_name == "miniature-stable-diffusion"
    assert 'from_pretrained("saved")' in card.text  # and no path of this machine
    assert str(tmp_path) not in card.content
    for fact in (
        "18,000 | 133 min | 0.73716 |",
        "| accuracy | 0.9988 | 0.9957 |",
        "| `steps` | 16 |",
    ):
        assert fact in card.text, fact
    with torch.no_grad():
        model.unet.conv_in.weight.mul_(1.01)
    model.save_pretrained(tmp_path / "other")  # of which nothing was measured
    assert "accuracy" not in (tmp_path / "other" / "README.md").read_text()


def test_a_model_that_was_never_trained_can_be_saved(tmp_path):
    model = LatentDiffusion(SMALL)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", UNET_FILE, VAE_FILE]
    again = LatentDiffusion.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


def test_a_student_goes_along_with_its_own_teacher_alone(taught_weights, tmp_path):
    model = LatentDiffusion.load(taught_weights)
    model.save_pretrained(tmp_path / "same")
    assert LatentDiffusion.load(tmp_path / "same").student is not None
    with torch.no_grad():
        model.unet.conv_in.weight.mul_(1.01)
    model.save_pretrained(tmp_path / "other")
    assert LatentDiffusion.load(tmp_path / "other").student is None


def test_a_card_says_nothing_where_nothing_was_evaluated(tmp_path):
    """Other reports lie there, too."""
    for name in (VAE_FILE, UNET_FILE, "ablations.json"):
        shutil.copyfile(ROOT / "weights" / name, tmp_path / name)
    LatentDiffusion.load(tmp_path).save_pretrained(tmp_path / "saved")
    assert "real test images" not in (tmp_path / "saved" / "README.md").read_text()


def test_what_was_downloaded_serves_without_a_network(hub, ours, monkeypatch):
    ours.push_to_hub(NAME)
    folder = weights_folder(NAME)
    hub.asked.clear()
    assert weights_folder(NAME) == folder
    assert len(hub.asked) == 1  # is it still the newest?
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    assert weights_folder(NAME) == folder


def test_a_folder_goes_before_a_name_of_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).mkdir(parents=True)
    for name in (NAME, tmp_path, "weights", "./a/b", "../a/b", "a/b/c", "a/b/"):
        assert str(weights_folder(name)) == str(name).removeprefix("./").rstrip("/")
    assert not hub.asked


def refusal(name=NAME, **options):
    with pytest.raises(UserError) as caught:
        weights_folder(name, **options)
    return str(caught.value)


def test_refusals_are_one_sentence(hub, monkeypatch):
    assert refusal() == (
        f"There is no folder {NAME}, and the Hub has no model {NAME} that you may read; for a "
        "private or gated one, log in with: hf auth login."
    )
    hub.models[NAME] = {VAE_FILE: b"..."}
    assert "v2" in refusal(revision="v2")
    assert "there--is" in refusal("there--is/none")
    hub.models[NAME] = {UNET_FILE: b"..."}
    hub.gated.add(NAME)
    assert "gated one, log in with" in refusal()
    monkeypatch.setattr(constants, "ENDPOINT", NOBODY)
    said = refusal("somebody/else")
    assert said.startswith("There is no folder somebody/else, and the Hub could not be asked")
    assert "refused" in said and "\n" not in said


def test_a_command_line_takes_a_name_of_the_hub(hub, ours, weights, tmp_path, capsys):
    ours.push_to_hub(NAME)
    files = [tmp_path / "ours.npz", tmp_path / "theirs.npz"]
    for name, file in zip((weights, NAME), files):
        options = ["--count", "2", "--seed", "5", "--steps", "3", "--weights", str(name)]
        assert sample.main([*options, "--out", str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert evaluate.main(["--weights", NAME, "--save"]) == 2
    assert "--save needs a folder" in capsys.readouterr().err


def test_the_hub_leaves_pickling_alone():
    model = LatentDiffusion(SMALL)
    again = pickle.loads(pickle.dumps(model))
    assert vars(again).keys() == vars(model).keys()
