"""The page of the static site: all of Gradio's page, made from the same definitions."""

import json
import re
from html import unescape

import pytest

from demo import static_page
from demo.layout import FOLD, GENERATE, NEW_SEED, STOP, WEB
from demo.prompts import asks_of
from demo.runs import Runner
from demo.static_page import node_modules
from ldm_core import UserError

from .values import with_words

CONTROL = re.compile(r'id="(\w+)" class="block')


@pytest.fixture(params=["words", "labels"])
def model(request, label_model):
    return with_words() if request.param == "words" else label_model


def about(page: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="about">(.*)</script>', page)[1]
    )


def test_a_value_has_one_control_with_its_title_and_what_it_starts_with(model):
    page, asks = static_page.index(model), asks_of(model)
    assert sorted(CONTROL.findall(page)) == sorted(asks.values())
    for name, value in asks.values().items():
        assert value.title in page and value.info in unescape(page)
        own = page.split(f'id="{name}" class="block')[1].split('class="block')[0]
        start = asks.start(model)[name]
        shown = f"{start:g}" if isinstance(start, int | float) else start
        marks = rf'value="{re.escape(shown)}"( checked| selected|[^>]* aria-label=| id=)'
        assert re.search(marks, own), name
    for title in (GENERATE, STOP, NEW_SEED):
        assert f">{title}</button>" in page
    assert (FOLD in page) == (model.vocabulary is not None)


def test_the_colour_of_a_slider_changes_where_its_handle_is(model):
    share = (model.defaults.guidance_scale - 0) / 10
    slider = re.search(
        '<input type="range"[^>]*id="guidance_scale-slider"', static_page.index(model)
    )[0]
    assert f"--range_progress: {share:.2%}" in slider


def test_nothing_of_a_template_is_left(model):
    page = static_page.index(model).split('id="about"')[0]
    assert "{{" not in page and "}}" not in page
    words = model.vocabulary is not None
    assert ("Text encoder" in page) == ("Write a prompt" in page) == words
    assert ("with the label and without it" in page) != words
    assert "Nothing that you write or draw is sent anywhere." in page


def test_a_property_that_the_model_has_no_words_for_has_no_slider():
    found = CONTROL.findall(static_page.index(with_words(("medium", "b"))))
    assert "stroke" not in found and {"lean", "width"} <= set(found)


@pytest.mark.parametrize("name", ["</script><u>", 'a "quoted" & one', "caf\udce9"])
def test_a_class_may_have_any_name(name, tmp_path):
    model = with_words((name, "1"))
    static_page.write_page(model, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<u>" not in page
    assert about(page)["class_names"] == [name, "1"]
    keys = re.findall(r'type="radio" name="label" value="([^"]*)"', page)
    assert [unescape(key) for key in keys] == about(page)["labels"]


def test_the_page_opens_with_gradio_s_example(model, tmp_path):
    example = about(static_page.index(model))["example"]
    assert example == json.loads(json.dumps(Runner(model, tmp_path).example()))


def test_all_that_the_page_loads_is_written_with_it(model, tmp_path):
    static_page.write_page(model, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    loaded = {tmp_path / name for name in re.findall(r'(?:href|src)="([\w/.]+)"', page)}
    assert len(loaded) == len(static_page.STYLES) + 1
    modules = [path for path in loaded if path.suffix == ".js"]
    while modules:
        module = modules.pop()
        for name in re.findall(r'(?: from |new URL\()"(.*?)"', module.read_text(encoding="utf-8")):
            path = (module.parent / name).resolve()
            if path in loaded or path.relative_to(tmp_path).parts[0] in ("packages", "sw.js"):
                continue
            loaded.add(path)
            modules.append(path)
    written = set(tmp_path.rglob("*.*"))
    assert written == loaded | {tmp_path / name for name in ("index.html", "licenses.txt")}
    for path in loaded:
        assert path.read_bytes() == (WEB / path.relative_to(tmp_path)).read_bytes()


def test_npm_packages_are_pinned_by_integrity_in_the_public_registry():
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    about = json.loads((WEB / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        assert lock[""][kind] == about[kind]
    for name, package in lock.items():
        if name:
            assert package["resolved"].startswith("https://registry.npmjs.org/"), name
            assert package["integrity"].startswith("sha512-"), name


def install(folder, name, version):
    (folder / name).mkdir()
    (folder / name / "package.json").write_text(json.dumps({"version": version}))


def test_packages_of_another_version_are_refused(tmp_path):
    versions = json.loads((WEB / "package.json").read_text())["dependencies"]
    for name, version in versions.items():
        with (
            pytest.raises(UserError, match=f"has no {name}, .* --runtime"),
            node_modules(tmp_path),
        ):
            pytest.fail("it went on")
        install(tmp_path, name, version)
    with node_modules(tmp_path) as folder:
        assert folder == tmp_path
    (tmp_path / "gifenc" / "package.json").write_text('{"version": "1.0.2"}')
    with (
        pytest.raises(UserError, match="has gifenc 1.0.2, not gifenc 1.0.3"),
        node_modules(tmp_path),
    ):
        pytest.fail("it went on")


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
