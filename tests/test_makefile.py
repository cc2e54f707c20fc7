"""make sets itself up, or says in one line what it lacks. Nothing is installed here."""

import os
import shutil
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.fixture
def make(tmp_path):
    """Run make in a folder that has the Makefile and an empty requirements.txt."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()

    def run(*arguments: str) -> subprocess.CompletedProcess:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        command = ["make", ".venv/.demo", "PIP=true", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def old_python(folder):
    """A Python that is too old, as far as a Makefile can tell."""
    return script(folder / "python3.9", "exit 1")


def new_python(folder):
    """This Python, which leaves pip out of the environments that it makes: that is slow."""
    venv = f'[ "$2" = venv ] && exec {sys.executable} -m venv --without-pip "$3"'
    return script(folder / "python3", f'{venv}\nexec {sys.executable} "$@"')


def test_an_old_python_is_told_in_one_line_and_leaves_nothing(make, tmp_path):
    for python in (old_python(tmp_path), tmp_path / "absent"):
        result = make(f"PYTHON={python}")
        assert result.returncode == 2
        assert f"{python} is missing or older than Python 3.10." in result.stdout
        assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("fault", ["gone", "old"])
def test_an_environment_that_does_not_start_is_made_again(make, tmp_path, fault):
    named = f"PYTHON={new_python(tmp_path)}"
    assert make(named).returncode == 0
    stamp, python = tmp_path / ".venv" / ".demo", tmp_path / ".venv" / "bin" / "python"
    before = stamp.stat().st_mtime_ns
    assert make(named).returncode == 0
    assert stamp.stat().st_mtime_ns == before  # what works stays
    python.unlink()
    if fault == "old":
        shutil.copy(old_python(tmp_path), python)
    result = make(named)
    assert result.returncode == 0, result.stderr
    assert subprocess.run([python, "-c", "import sys"]).returncode == 0
    assert stamp.stat().st_mtime_ns > before
