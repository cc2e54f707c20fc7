"""The folder of the page's files: of this user only, and never larger than it may be."""

import os
import tempfile

import pytest
from demo.folder import own_folder, tidy
from demo.requests import Request

from demo import folder as folders
from ldm_core import UserError

from .values import make_older


@pytest.fixture
def fill(tmp_path):
    """Files of 10 bytes, by name, each this many seconds old."""

    def fill(**ages):
        for name, age in ages.items():
            path = tmp_path / "runs" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x" * 10)
            make_older(path, age)
        return lambda: sorted(path.name for path in tmp_path.rglob("*") if path.is_file())

    return fill


def test_old_files_go_whoever_made_them(fill, tmp_path):
    names = fill(new=1, old=100)
    tidy(tmp_path, keep_s=50)
    assert names() == ["new"]


@pytest.mark.parametrize("limit", [{"max_files": 2}, {"max_bytes": 25}])
def test_of_too_many_files_the_oldest_go(fill, tmp_path, limit):
    names = fill(a=40, b=30, c=20, d=10)
    tidy(tmp_path, **limit)
    assert names() == ["c", "d"]


def test_old_empty_folders_go(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old / "inside", new):
        path.mkdir(parents=True)
    for path in (old / "inside", old):
        make_older(path, 100)
    tidy(tmp_path, keep_s=50)
    tidy(tmp_path, keep_s=-1)  # what was inside has changed the time of the folder
    assert list(tmp_path.iterdir()) == []


def test_nothing_outside_is_touched(fill, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    names = fill(outside=100)
    (inside / "link").symlink_to(tmp_path / "runs")
    tidy(inside, keep_s=50)
    tidy(tmp_path / "missing")
    assert names() == ["outside"]


def test_a_run_bounds_the_folder(runner, monkeypatch):
    monkeypatch.setattr(folders.tidy, "__defaults__", (3600, 4, 10**9))
    request = Request.check(runner.model, {"steps": 1})
    for _ in range(5):
        list(runner.messages(request))
    assert len(list(runner.folder.iterdir())) <= 6  # the limit, and the files of the last run


def test_the_folder_lies_in_the_one_that_is_named_and_is_our_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "named"))
    folder = own_folder()
    assert folder.parent == tmp_path / "named" and folder.stat().st_mode & 0o77 == 0
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert own_folder() == folder


@pytest.fixture(params=["named", "of the system"])
def shared(request, tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    if request.param == "named":
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def test_a_folder_of_another_user_beside_it_does_no_harm(shared):
    (shared / "gradio").touch()  # what no user of the folder can go into
    assert own_folder().parent == shared


def test_a_folder_that_another_user_has_made_is_not_trusted(shared, monkeypatch):
    folder = own_folder()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(shared))
    folder.rename(shared / "elsewhere")
    folder.symlink_to(shared / "elsewhere")
    with pytest.raises(UserError, match="belongs to another user. Set GRADIO_TEMP_DIR to a folder"):
        own_folder()


def test_where_no_folder_can_be_made_one_line_says_what_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file"))
    with pytest.raises(UserError, match="Set GRADIO_TEMP_DIR to a folder in which you can write"):
        own_folder()
