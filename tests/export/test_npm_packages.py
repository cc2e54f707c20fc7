"""Files of npm packages are those that were meant, or there are none."""

import hashlib
import io
import tarfile

import pytest

from ldm_core import UserError
from ldm_core.export.npm_packages import Package, cache_folder, package_files

CONTENT = b"export default 1;"
PACKAGE = Package("@some/thing", "1.2.3", {"dist/a.js": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder() / "node_modules"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry on this disk, for where npm is not installed."""
    monkeypatch.setenv("PATH", "")
    folder = tmp_path / "registry"
    monkeypatch.setattr("ldm_core.export.npm_packages.REGISTRY", folder.as_uri())
    return folder


def publish(registry, content, path="dist/a.js"):
    file = registry / "@some" / "thing" / "-" / "thing-1.2.3.tgz"
    file.parent.mkdir(parents=True, exist_ok=True)
    member = tarfile.TarInfo(f"package/{path}")
    member.size = len(content)
    with tarfile.open(file, "w:gz") as archive:
        archive.addfile(member, io.BytesIO(content))
    return file


def install(folder, content):
    file = folder / "@some" / "thing" / "dist" / "a.js"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def test_a_package_is_fetched_once(registry, cache):
    archive = publish(registry, CONTENT)
    assert package_files(PACKAGE) == {"dist/a.js": CONTENT}
    archive.unlink()
    assert package_files(PACKAGE) == {"dist/a.js": CONTENT}
    assert (cache / "@some" / "thing" / "dist" / "a.js").read_bytes() == CONTENT


def test_an_old_version_in_the_cache_is_replaced(registry, cache):
    install(cache, b"old")
    publish(registry, CONTENT)
    assert package_files(PACKAGE) == {"dist/a.js": CONTENT}


def test_another_file_is_refused_and_not_kept(registry, cache):
    publish(registry, b"export default 2;")
    with pytest.raises(UserError, match="is not that of @some/thing 1.2.3"):
        package_files(PACKAGE)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_package_without_the_file_is_refused(registry):
    publish(registry, CONTENT, path="dist/b.js")
    with pytest.raises(UserError, match="@some/thing 1.2.3 has no dist/a.js"):
        package_files(PACKAGE)


def test_without_a_connection_one_is_told_what_to_do(registry):
    with pytest.raises(UserError, match="could not be fetched .* as --runtime"):
        package_files(PACKAGE)


def test_npm_is_asked_where_there_is_one(tmp_path, monkeypatch, registry):
    """Its settings say which registry that is; here it is a program that answers as npm does."""
    archive = publish(registry, CONTENT)
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        f'#!/bin/sh\n[ "$1 $2 $3" = "pack @some/thing@1.2.3 --silent" ] || exit 1\n'
        f"/bin/cp {archive} some-thing-1.2.3.tgz\necho some-thing-1.2.3.tgz\n"
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent))
    monkeypatch.setattr("ldm_core.export.npm_packages.REGISTRY", "http://nobody.invalid")
    assert package_files(PACKAGE) == {"dist/a.js": CONTENT}


def test_a_local_copy_is_read_and_checked(tmp_path):
    file = install(tmp_path / "node_modules", CONTENT)
    assert package_files(PACKAGE, tmp_path / "node_modules") == {"dist/a.js": CONTENT}
    file.write_bytes(CONTENT + b" ")
    with pytest.raises(UserError, match="is not that of @some/thing 1.2.3"):
        package_files(PACKAGE, tmp_path / "node_modules")
    with pytest.raises(UserError, match="npm install @some/thing@1.2.3"):
        package_files(PACKAGE, tmp_path)
