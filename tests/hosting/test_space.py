"""The Space that `make space` makes, started as a Space starts it; nothing is installed here."""

import shutil
import sys

import pytest

from hosting import card, space, trial
from ldm_core import UserError

from ..conftest import ROOT


def test_the_space_starts_and_draws_what_python_draws(tmp_path, capsys):
    folder = tmp_path / "space"
    status = space.main([str(folder), "--no-install", "--port", str(trial.free_port())])
    said = "".join(capsys.readouterr())
    assert status == 0, said
    assert "a picture of {'label': '7', 'seed': 7}: 0 grey levels from Python's" in said
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        *("README.md", "LICENSE", "requirements.txt", ".gitattributes", "demo/app.py"),
        *("ldm_core/latent_diffusion.py", "weights/unet.safetensors", "docs/images/digits.gif"),
    }
    unwanted = ("tests/", "benchmarks/", "hosting/", "core/training", "core/evaluation/", "export")
    assert not [name for name in names for part in unwanted if part in name]
    with pytest.raises(UserError, match="is there already"):
        space.assemble(folder)


@pytest.fixture
def folder(tmp_path):
    """The front matter of this repository, with the file that it names."""
    for name in ("README.md", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "app.py").touch()
    return tmp_path


def test_this_repository_is_what_zero_gpu_takes(folder):
    card.check_requirements(folder, card.read_card(folder, "gradio").sdk_version)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sdk: gradio", "sdk: streamlit", "must say sdk: gradio, not streamlit"),
        ("app_file: demo/app.py", "app_file: app.py", "app.py is not there"),
        ('python_version: "3.12.12"', "python_version: 3.10", "3.12.12 or 3.10.13.*not 3.1"),
        ("title: Miniature", "title: [Miniature", "README.md: the front matter is damaged"),
        ("---\n", "--\n", "must say sdk: gradio, not None"),
    ],
)
def test_a_readme_that_a_space_cannot_use_is_refused(folder, old, new, said):
    readme = folder / "README.md"
    assert old in readme.read_text()
    readme.write_text(readme.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=said):
        card.read_card(folder, "gradio")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("spaces==0.51.1", "must not name spaces"),
        ("gradio>=7", "asks for gradio>=7, sdk_version is 6.31.0"),
        ("torch>=2.10", "must allow torch 2.8.0, 2.9.1"),
        ("torch<2.11", "must allow torch 2.11.0"),
    ],
)
def test_requirements_that_zero_gpu_cannot_meet(folder, line, said):
    with (folder / "requirements.txt").open("a") as file:
        file.write(line + "  # why\n")
    with pytest.raises(UserError, match=said):
        card.check_requirements(folder, "6.31.0")


def test_what_does_not_start_says_why(tmp_path):
    (tmp_path / "program.py").write_text("raise SystemExit('the weights are missing')")
    url = f"http://127.0.0.1:{trial.free_port()}/"
    running = trial.running(tmp_path, [sys.executable, "program.py"], url, {})
    with pytest.raises(UserError, match="No server answered.*the weights are missing"), running:
        pytest.fail("it started")
