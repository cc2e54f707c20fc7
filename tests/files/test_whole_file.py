from ldm_core.files.whole_file import whole_file


def test_a_whole_file_has_its_name_only_when_done(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as beside:
        beside.write_text("all of it")
        assert beside.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
