import pytest

from ldm_core.files.whole_file import remove_leftovers, whole_file


def test_a_whole_file_has_its_name_only_when_done(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as beside:
        beside.write_text("all of it")
        assert beside.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_leftovers_of_this_name_go_and_no_others(tmp_path):
    for name in ("[a]*.gif", "b.gif"):
        with pytest.raises(KeyError), whole_file(tmp_path / name) as beside:
            raise KeyError
        beside.touch()  # as a killed process leaves it
        other = tmp_path / ".other.1.partial.gif"
        other.touch()
        remove_leftovers(tmp_path / name)
        assert list(tmp_path.iterdir()) == [other]
