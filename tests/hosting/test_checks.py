"""What Spaces would refuse is refused here, with a sentence that says what is allowed."""

import shutil

import pytest

from hosting import checks
from hosting.space import assemble
from ldm_core import UserError

from ..conftest import ROOT

STATIC = """---
title: Digits
emoji: "✏️"
colorFrom: gray
colorTo: indigo
sdk: static
app_file: index.html
---
"""


@pytest.fixture
def folder(tmp_path):
    """The front matter of this repository, with the file that it names."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "app.py").touch()
    return tmp_path


@pytest.fixture
def changed(folder):
    """Change the front matter."""

    def changed(old, new):
        readme = folder / "README.md"
        text = readme.read_text()
        assert old in text
        readme.write_text(text.replace(old, new, 1))
        return folder

    return changed


def test_the_front_matter_of_this_repository_is_what_a_free_account_needs(folder):
    values = checks.check_front_matter(folder)
    assert values["python_version"] == "3.12.12"  # of ZeroGPU, and as good on cpu-basic
    checks.check_requirements(folder, values["sdk_version"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('python_version: "3.12.12"', 'python_version: "3.11"', "must be 3.12.12 or 3.10.13"),
        ('python_version: "3.12.12"', "python_version: 3.10", "not 3.1"),
        ("sdk: gradio", "sdk: streamlit", "sdk must be one of gradio, static"),
        ("sdk_version: 6.31.0\n", "", "lacks sdk_version"),
        ("sdk_version: 6.31.0", "sdk_version: 6.31", "a version such as"),
        ("colorTo: indigo", "colorTo: teal", "one of red, yellow"),
        ("emoji: 🔢", "emoji: digits", "an emoji"),
        ("short_description: Watch", f"short_description: {'Watch ' * 6}", "at most 60 characters"),
        ("suggested_hardware: zero-a10g", "suggested_hardware: free", "one of cpu-basic"),
        ("pinned: false", "pinned: maybe", "true or false"),
        ("pinned: false", "hardware: zero-a10g", "hardware is no key"),
        ("app_file: demo/app.py", "app_file: app.py", "app.py is not there"),
        ("title: Miniature", "title: [Miniature", "no YAML"),
        ("---\n", "--\n", "must begin with front matter"),
    ],
)
def test_front_matter_that_a_space_refuses(changed, old, new, said):
    with pytest.raises(UserError, match=said):
        checks.check_front_matter(changed(old, new))


def test_front_matter_without_values_is_refused(folder):
    (folder / "README.md").write_text("---\ntext\n---\n")
    with pytest.raises(UserError, match="lines such as title"):
        checks.check_front_matter(folder)


def test_a_static_space_names_no_python(tmp_path):
    (tmp_path / "index.html").touch()
    readme = tmp_path / "README.md"
    readme.write_text(STATIC)
    assert checks.check_front_matter(tmp_path)["sdk"] == "static"
    readme.write_text(STATIC.replace("sdk: static", 'sdk: static\npython_version: "3.12.12"'))
    with pytest.raises(UserError, match="python_version is no key"):
        checks.check_front_matter(tmp_path)


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
        checks.check_requirements(folder, "6.31.0")


def test_a_large_file_needs_git_lfs(tmp_path):
    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "unet.safetensors").open("wb") as file:
        file.truncate(checks.LARGE + 1)
    with pytest.raises(UserError, match="unet.safetensors has 10.0 MB"):
        checks.check_sizes(tmp_path)
    attributes = tmp_path / ".gitattributes"
    attributes.write_text("*.safetensors -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n")
    with pytest.raises(UserError, match="Git LFS only"):
        checks.check_sizes(tmp_path)
    attributes.write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    checks.check_sizes(tmp_path)


def test_a_link_to_what_is_not_there_is_found(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("[here](README.md#top), [far](https://example.org), ![no](docs/no.png)")
    with pytest.raises(UserError, match="links to docs/no.png"):
        checks.check_links(tmp_path)
    readme.write_text("[here](README.md#top), [far](https://example.org)")
    checks.check_links(tmp_path)


def test_the_space_is_what_the_page_needs_and_nothing_else(tmp_path):
    folder = tmp_path / "space"
    assemble(folder)
    names = {path.relative_to(folder).as_posix() for path in checks.files_of(folder)}
    assert names >= {
        *("README.md", "LICENSE", "requirements.txt", ".gitattributes", "demo/app.py"),
        *("demo/tabs/watch.py", "demo/web/player.js", "ldm_core/latent_diffusion.py"),
        *("weights/unet.safetensors", "weights/vae.safetensors", "docs/images/digits.gif"),
    }
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "hosting", "."))][
        1:
    ]
    unwanted = ("classifier", "core/training", "core/evaluation", "export", "words.png", "engine")
    assert not [name for name in names for part in unwanted if part in name]
    assert "train.py" not in names
    for path in checks.files_of(folder):
        if path.suffix == ".py":
            assert path.read_bytes() == (ROOT / path.relative_to(folder)).read_bytes()
    with pytest.raises(UserError, match="is there already"):
        assemble(folder)
