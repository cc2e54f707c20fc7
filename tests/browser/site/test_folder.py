"""The folder of a site: what every host needs, and nothing that only one host has."""

import gzip
import hashlib
import json
import re

from demo.static_page import PACKAGES, WEB
from ldm_core.export.graphs import graphs
from ldm_core.export.packing import packed

OUTSIDE = re.compile(rb"""(?:from|import\(?|fetch\(|src=|href=|url\()\s*["'`](https?:|/)""")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def served(site):
    """The files that a browser may ask for."""
    names = (path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    return sorted(set(names) - {"sw.js", "README.md", ".nojekyll"})


def test_the_service_worker_lists_all_files_by_their_content(small_site):
    code = (small_site / "sw.js").read_text(encoding="utf-8")
    listed = json.loads(re.match(r"const FILES = (\{.*?\});", code, re.DOTALL)[1])
    assert listed == {name: sha256((small_site / name).read_bytes()) for name in served(small_site)}


def test_the_model_says_what_its_files_must_be(small_site, small_model):
    about = json.loads((small_site / "model" / "model.json").read_text())
    assert about["config"] == json.loads(json.dumps(small_model.config.to_dict()))
    files = about["files"]
    assert set(files) == {"runtime", "wasm", "prompt", "unet", "decoder", "encoder", "inside"}
    for name in set(files) - {"runtime"}:
        content = (small_site / "model" / files[name]["path"]).read_bytes()
        assert (len(content), sha256(content)) == (files[name]["bytes"], files[name]["sha256"])
    for name, graph in graphs(small_model, small=True).items():
        content = (small_site / "model" / files[name]["path"]).read_bytes()
        assert gzip.decompress(content) == packed(graph)
    assert (small_site / "model" / files["runtime"]["path"]).is_file()


def test_packages_are_there_unchanged(small_site, packages):
    for source, target in PACKAGES.items():
        found = (small_site / target).read_bytes()
        found = gzip.decompress(found) if target.endswith(".bin") else found
        assert found == (packages / source).read_bytes()


def test_what_it_consists_of_is_named(small_site):
    licenses = (small_site / "licenses.txt").read_text()
    versions = json.loads((WEB / "package.json").read_text())["dependencies"]
    assert {source.partition("/")[0] for source in PACKAGES} == versions.keys()
    for name, version in versions.items():
        assert f"{name} {version} " in licenses


def test_a_static_space_is_told_what_it_is(small_site):
    front_matter = (small_site / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    told = dict(line.split(": ", 1) for line in front_matter.splitlines())
    assert (told["sdk"], told["app_file"]) == ("static", "index.html")
    assert (small_site / told["app_file"]).is_file()


def test_all_addresses_are_relative(small_site):
    for name in served(small_site):
        if not name.endswith(".bin"):
            assert not OUTSIDE.search((small_site / name).read_bytes()), name


def test_the_same_weights_make_the_same_site(export, weights, small_site):
    again = export(weights, "again")
    assert served(again) == served(small_site)
    for name in served(again):
        assert (again / name).read_bytes() == (small_site / name).read_bytes(), name
