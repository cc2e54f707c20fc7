"""`python -m ldm_core.export`: whole folders, and clear refusals."""

import os
from pathlib import Path

import pytest

from ldm_core.checks import InputError
from ldm_core.export import __main__ as command
from ldm_core.export.folder import whole_folder


@pytest.fixture
def export(weights, monkeypatch, capsys):
    """Run the command line with a format that writes two files, one of them in a folder."""

    def write(model, folder, args):
        assert model.class_names == tuple("0123456789")
        (folder / "a.txt").write_text("new")
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text("new")

    def run(*line: object, write=write) -> tuple[int, str]:
        monkeypatch.setitem(command.FORMATS, "test", write)
        given = ["--format", "test", "--weights", str(weights), *map(str, line)]
        return command.main(given), capsys.readouterr().err

    return run


def content(folder: Path) -> dict[str, str]:
    """All files within, the hidden ones too."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


NEW = {"a.txt": "new", os.path.join("sub", "b.txt"): "new"}


def test_a_folder_is_written_with_what_leads_to_it(export, tmp_path):
    assert export("--out", tmp_path / "far" / "off" / "out") == (0, "")
    assert content(tmp_path / "far" / "off") == {f"out{os.sep}{k}": v for k, v in NEW.items()}


def test_an_empty_folder_is_filled(export, tmp_path):
    before = tmp_path.stat().st_ino
    assert export("--out", tmp_path) == (0, "")
    assert content(tmp_path) == NEW
    assert tmp_path.stat().st_ino == before  # a shell may stand in it


def test_others_may_read_it(export, tmp_path):
    umask = os.umask(0o022)
    try:
        export("--out", tmp_path / "out")
    finally:
        os.umask(umask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_full_folder_is_refused_and_nothing_is_lost(export, tmp_path):
    (tmp_path / "a.txt").write_text("old")
    status, said = export("--out", tmp_path)
    assert status == 2 and said.count("\n") == 1
    assert f"{tmp_path} has files in it. Pass --force" in said
    assert content(tmp_path) == {"a.txt": "old"}


def test_force_replaces_files_of_the_same_name_and_no_others(export, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "mine.txt", "sub/mine.txt"):
        (tmp_path / name).write_text("old")
    assert export("--out", tmp_path, "--force") == (0, "")
    assert content(tmp_path) == NEW | {"mine.txt": "old", os.path.join("sub", "mine.txt"): "old"}


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (InputError("It cannot be."), 2, "It cannot be."),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
    ],
    ids=["Ctrl-C", "refused", "full disk"],
)
def test_what_ends_early_leaves_nothing(export, tmp_path, error, status, said):
    def write(model, folder, args):
        (folder / "a.txt").write_text("half of")
        raise error

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("old")
    for out in ("new", "full"):
        assert export("--out", tmp_path / out, "--force", write=write)[0] == status
    assert said in export("--out", tmp_path / "new", write=write)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    assert content(tmp_path / "full") == {"a.txt": "old"}


def test_what_a_killed_process_left_is_no_hindrance(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), whole_folder(tmp_path / "out", may_replace=False) as beside:
            raise KeyError
        beside.mkdir()
        (beside / "left.txt").touch()
    with whole_folder(tmp_path / "out", may_replace=False) as beside:
        (beside / "a.txt").write_text("new")
    assert content(tmp_path) == {os.path.join("out", "a.txt"): "new"}


def test_it_says_where_everything_is(weights, tmp_path, capsys):
    line = ["--format", "onnx", "--out", str(tmp_path / "out"), "--weights", str(weights)]
    assert command.main(line) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'out'}\n"
    assert {"prompt.onnx", "example.py"} < {path.name for path in (tmp_path / "out").iterdir()}
