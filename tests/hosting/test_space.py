"""The Space that `make space` makes, started as a Space starts it; nothing is installed here."""

import sys

import pytest

from hosting import space, trial
from ldm_core import UserError


def test_the_space_starts_and_draws_what_python_draws(tmp_path, capsys):
    folder = tmp_path / "space"
    status = space.main([str(folder), "--no-install"])
    said = "".join(capsys.readouterr())
    assert status == 0, said
    assert "a picture of {'label': '7', 'seed': 7}: 0 grey levels from Python's" in said
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        *("README.md", "LICENSE", "requirements.txt", "demo/app.py"),
        *("ldm_core/latent_diffusion.py", "weights/unet.safetensors", "docs/images/digits.gif"),
    }
    unwanted = ("tests/", "benchmarks/", "hosting/", "core/training", "core/evaluation/", "export")
    assert not [name for name in names for part in unwanted if part in name]
    with pytest.raises(UserError, match="is there already"):
        space.assemble(folder)


def test_what_does_not_start_says_why(tmp_path):
    (tmp_path / "program.py").write_text("raise SystemExit('the weights are missing')")
    url = f"http://127.0.0.1:{trial.free_port()}/"
    running = trial.running(tmp_path, [sys.executable, "program.py"], url, {})
    with pytest.raises(UserError, match="No server answered.*the weights are missing"), running:
        pytest.fail("it started")
