"""A folder of several models: which there are, and the pages below the first."""

import shutil

import httpx
import pytest
from gradio_client import Client

from demo import app
from demo.model_pages import UP, ModelPages
from demo.models import ModelFolder, holds_several
from demo.tabs import train, watch
from ldm_core import LatentDiffusion, UserError
from ldm_core.files.weights import save_unet, save_vae, weights_of

from .values import with_words


def save(folder, model):
    save_vae(folder / "vae.safetensors", model.vae, {})
    save_unet(folder / "unet.safetensors", model, {})


def damage(folder):
    path = folder / "unet.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.fixture
def folder(label_model, tmp_path):
    """Two models, and others that cannot be used."""
    save(tmp_path / "labels", label_model)
    save(tmp_path / "some words", with_words())
    shutil.copytree(tmp_path / "labels", tmp_path / "damaged")
    damage(tmp_path / "damaged")
    shutil.copytree(tmp_path / "labels", tmp_path / "mixed")
    model = with_words(("a", "b"))
    next(model.vae.parameters()).data += 1
    save_vae(tmp_path / "mixed" / "vae.safetensors", model.vae, {})
    (tmp_path / "begun").mkdir()
    shutil.copy(tmp_path / "labels" / "vae.safetensors", tmp_path / "begun")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_only_a_folder_of_folders_holds_several(folder, weights):
    assert holds_several(folder)
    assert not holds_several(weights)
    assert not holds_several(folder / "notes")
    assert not holds_several(folder / "nowhere")
    save_vae(folder / "vae.safetensors", with_words().vae, {})
    assert not holds_several(folder)


def test_models_are_found_and_those_that_cannot_be_used_say_why(folder):
    found = {model.name: model.problem for model in ModelFolder(folder).look()}
    assert list(found) == ["begun", "damaged", "labels", "mixed", "some words"]
    assert not found["labels"] and not found["some words"]
    assert "unet.safetensors is damaged" in found["damaged"]
    assert "another VAE" in found["mixed"]
    assert found["begun"].startswith("unet.safetensors is missing.")
    assert not any(str(folder) in problem for problem in found.values())


def test_a_model_is_looked_at_again_only_when_it_has_changed(folder, monkeypatch):
    models, loaded = ModelFolder(folder), []
    load = LatentDiffusion.load

    def counted(path, *options):
        loaded.append(path.name)
        return load(path, *options)

    monkeypatch.setattr(LatentDiffusion, "load", counted)
    models.look()
    assert loaded == ["damaged", "labels", "mixed", "some words"]
    models.look()
    assert len(loaded) == 4
    shutil.copytree(folder / "labels", folder / "new")
    damage(folder / "labels")
    assert [model.name for model in models.look() if not model.problem] == ["new", "some words"]
    assert loaded[4:] == ["labels", "new"]


def test_the_first_that_can_be_used_comes_first(folder):
    assert ModelFolder(folder).first().name == "labels"
    for name in ("labels", "some words"):
        damage(folder / name)
    with pytest.raises(UserError, match="No model in .* begun: unet.safetensors is missing"):
        ModelFolder(folder).first()


@pytest.fixture
def served(folder, tmp_path_factory, monkeypatch):
    """(address, pages) of a folder of models; with two tabs, which are built faster."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("files")))
    models = ModelFolder(folder)
    first = models.first()

    def page_of(found, up=UP):
        model = LatentDiffusion.load(found.folder, backend="torch")
        about = {"weights_folder": found.folder, "on_menu": found.name, "up": up}
        return app.build(model, (watch, train), **about)

    page, options = page_of(first, ""), app.launch_options()
    pages = ModelPages(models, first, page_of, app.launch_options)
    options["app_kwargs"] |= pages.options()
    page.launch(prevent_thread_lock=True, quiet=True, **options)
    yield page.local_url, pages
    pages.stop()
    page.close(verbose=False)


def prompt_file(address: str) -> str:
    """Where the page keeps the picture of a prompt."""
    client = Client(address, verbose=False, download_files=False)
    png, _, settings = client.predict(prompt="bold seven", steps=1, api_name="/generate")
    assert settings["prompt"] == "bold seven"
    return png["path"]


def weights_at(address: str) -> str:
    return Client(address, verbose=False).predict(api_name="/train")["weights"]


def test_each_model_has_its_page_and_the_old_one_stays_when_its_files_are_damaged(served, folder):
    url, pages = served
    menu = {entry["name"]: entry for entry in httpx.get(f"{url}models/").json()}
    paths = {name: entry["path"] for name, entry in menu.items()}
    words = "models/some%20words/"
    assert paths == {
        **dict.fromkeys(("begun", "damaged", "mixed")),
        "labels": "",
        "some words": words,
    }
    there = {name: LatentDiffusion.load(folder / name) for name in ("labels", "some words")}
    was = weights_of(there["some words"])
    assert weights_at(url) == weights_of(there["labels"])
    assert weights_at(url + words) == was
    assert pages.pages()[0].state_session_capacity == app.MAX_SESSIONS
    drawn = httpx.URL(url + words).join(f"gradio_api/file={prompt_file(url + words)}")
    assert httpx.get(drawn).status_code == 200
    redirect = httpx.get(f"{url}{words[:-1]}?label=3")
    assert redirect.is_redirect and redirect.headers["location"] == "some%20words/?label=3"

    damage(folder / "some words")
    assert httpx.get(url + words).status_code == 200
    assert weights_at(url + words) == was
    (entry,) = [e for e in httpx.get(f"{url}models/").json() if e["name"] == "some words"]
    assert entry["path"] == words and "is damaged" in entry["problem"]

    save(folder / "some words", with_words(("a", "b")))
    assert httpx.get(url + words).status_code == 200
    assert weights_at(url + words) == weights_of(LatentDiffusion.load(folder / "some words"))
    assert len(pages.pages()) == 1
    assert httpx.get(drawn).status_code == 200  # what the page before has drawn


def test_what_is_no_model_is_refused(served, folder):
    url, pages = served
    for name, status, said in (
        ("nothing", 404, "There is no model nothing."),
        ("%3Cb%3E", 404, "There is no model &lt;b&gt;."),
        ("damaged", 503, "damaged is left out. unet.safetensors is damaged"),
        ("..%2Flabels", 404, "There is no model .."),
    ):
        answer = httpx.get(f"{url}models/{name}/")
        assert (answer.status_code, said in answer.text) == (status, True), name
    shutil.rmtree(folder / "labels")
    (entry,) = [e for e in httpx.get(f"{url}models/").json() if e["name"] == "labels"]
    assert entry == {"name": "labels", "path": "", "problem": "Its files are gone."}
    assert not pages.pages()
