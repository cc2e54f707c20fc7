"""Files of npm packages: fetched once, and checked by their SHA-256.

Fetched code is no part of the repository; which code it must be is.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..checks import UserError
from ..files.whole_file import whole_file

REGISTRY = "https://registry.npmjs.org"  # where npm is not there to say which
TIMEOUT_S = 60


class Package(NamedTuple):
    """name, version: as npm has them. files: by its path in the package, the SHA-256 in hexadecimal
    of each file that is wanted."""

    name: str
    version: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def package_files(package: Package, folder: Path | None = None) -> dict[str, bytes]:
    """The files of a package, by their paths.

    folder: has packages as npm puts them into node_modules. Without one, files are fetched, from
    the registry that npm is set to if npm is installed; they are kept in the user's cache folder,
    in the same way. Raises UserError for a file that is absent or another one, and where nothing
    can be fetched.
    """
    if folder is not None:
        return _read(package, folder)
    folder = cache_folder() / "node_modules"
    try:
        return _read(package, folder)
    except UserError:  # not there yet, or of another version
        files = _fetch(package)
    for path, content in files.items():
        with whole_file(folder / package.name / path) as partial:
            partial.write_bytes(content)
    return files


def cache_folder() -> Path:
    """The user's folder for what can be fetched again, of this program: where each system has it,
    or in $XDG_CACHE_HOME."""
    usual = {
        "darwin": Path.home() / "Library" / "Caches",
        "win32": Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"),
    }
    above = os.environ.get("XDG_CACHE_HOME") or usual.get(sys.platform, Path.home() / ".cache")
    return Path(above) / "miniature-stable-diffusion"


def _read(package: Package, folder: Path) -> dict[str, bytes]:
    found = {}
    for path in package.files:
        file = folder / package.name / path
        try:
            found[path] = _checked(file.read_bytes(), package, path)
        except OSError as error:
            raise UserError(
                f"There is no {file}, which should be that of {package}. Run npm install "
                f"{package.name}@{package.version}, and pass its node_modules folder as --runtime."
            ) from error
    return found


def _fetch(package: Package) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "package.tgz"
        try:
            if npm := shutil.which("npm"):
                _pack(npm, package, path)
            else:
                _download(package, path)
            with tarfile.open(path) as archive:
                return {name: _member(archive, package, name) for name in package.files}
        except (OSError, ValueError, tarfile.TarError, subprocess.SubprocessError) as error:
            reason = str(getattr(error, "stderr", None) or error).strip().rstrip(".")
            raise UserError(
                f"{package} could not be fetched from the npm registry: {reason}. Without a "
                "connection, pass a node_modules folder that has it as --runtime."
            ) from error


def _pack(npm: str, package: Package, path: Path) -> None:
    command = [npm, "pack", f"{package.name}@{package.version}", "--silent", "--fetch-retries=1"]
    done = subprocess.run(
        command, cwd=path.parent, check=True, capture_output=True, text=True, timeout=10 * TIMEOUT_S
    )
    (path.parent / done.stdout.split()[-1]).replace(path)


def _download(package: Package, path: Path) -> None:
    last = package.name.rpartition("/")[2]  # without the scope
    url = f"{REGISTRY}/{package.name}/-/{last}-{package.version}.tgz"
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)


def _member(archive: tarfile.TarFile, package: Package, path: str) -> bytes:
    try:
        file = archive.extractfile(f"package/{path}")
    except KeyError:
        file = None
    if file is None:
        raise UserError(f"{package} has no {path}.")
    return _checked(file.read(), package, path)


def _checked(content: bytes, package: Package, path: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != package.files[path]:
        raise UserError(f"The {path} that was found is not that of {package}: its SHA-256 differs.")
    return content
