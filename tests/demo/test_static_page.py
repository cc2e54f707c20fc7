"""The static page: all of Gradio's page, made from the same definitions."""

import json
import re
from pathlib import PurePosixPath

import pytest

from demo import static_page
from demo.about import DATA, about
from demo.run import Runner
from demo.static_page import node_modules
from demo.web_files import WEB
from ldm_core import UserError

from .values import model_of

LOADED = re.compile(r"""(?:\bfrom |^import |\bimport\(|new URL\()["'](\.{1,2}/[\w/.]+)["']""", re.M)


@pytest.fixture(scope="module")
def runner(small_model):
    return Runner(small_model)


@pytest.fixture(scope="module")
def written(runner, tmp_path_factory):
    """The folder with the page of a model."""
    folder = tmp_path_factory.mktemp("page")
    static_page.write_page(runner, folder)
    return folder


def index(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def known(folder):
    (text,) = re.findall(
        r'<script type="application/json" id="about">(.*?)</script>', index(folder)
    )
    return json.loads(text)


def test_the_page_knows_what_gradio_s_page_knows(runner, written):
    assert known(written) == json.loads(json.dumps(about(runner)))
    for name in ("more", "inside", "training"):  # the others take longer, and are made alike
        found = json.loads((written / f"data/{name}.json").read_text(encoding="utf-8"))
        assert found == json.loads(json.dumps(DATA[name](runner)))


def test_nothing_of_a_template_is_left(written):
    page = index(written).split('id="about"')[0]
    assert not re.search(r"\{[{%#]|[%#}]\}", page)
    assert "Text encoder" in page


def test_a_class_may_have_any_name(tmp_path, monkeypatch):
    monkeypatch.setattr(static_page, "DATA", {})  # nothing more is drawn
    name = '</script><u> a "quoted" & one caf\udce9'
    static_page.write_page(Runner(model_of(name, "1")), tmp_path)
    assert "<u>" not in index(tmp_path)
    assert known(tmp_path)["class_names"] == [name, "1"]


def test_all_that_the_page_loads_is_written_with_it(written):
    loaded = set(re.findall(r'(?:href|src)="([\w/.]+\.(?:css|js))"', index(written)))
    loaded |= {path.relative_to(WEB).as_posix() for path in (WEB / "parts").rglob("*.js")}
    modules = [name for name in loaded if name.endswith(".js")]
    while modules:
        module = modules.pop()
        text = (written / module).read_text(encoding="utf-8")
        for name in LOADED.findall(text):
            path = (written / PurePosixPath(module).parent / name).resolve()
            path = path.relative_to(written.resolve()).as_posix()
            if path not in loaded and not path.startswith(("packages/", "sw.js")):
                loaded.add(path)
                modules.append(path)
    found = {path.relative_to(written).as_posix() for path in written.rglob("*.*")}
    data = {f"data/{name}.json" for name in DATA}
    assert found == loaded | data | {"index.html", "licenses.txt"}
    for name in loaded:
        assert (written / name).read_bytes() == (WEB / name).read_bytes()


def test_npm_packages_are_pinned_by_integrity_in_the_public_registry():
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    about = json.loads((WEB / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        assert lock[""][kind] == about[kind]
    for name, package in lock.items():
        if name:
            assert package["resolved"].startswith("https://registry.npmjs.org/"), name
            assert package["integrity"].startswith("sha512-"), name


def test_without_npm_or_a_connection_one_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="npm is missing.* --runtime"), node_modules():
        pytest.fail("it went on")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error no network' >&2\nexit 1\n")
    npm.chmod(0o755)
    with (
        pytest.raises(UserError, match=r"\(no network\)\. Or pass .* --runtime"),
        node_modules(),
    ):
        pytest.fail("it went on")
