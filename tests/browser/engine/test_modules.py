"""The mathematics run wherever there are modules: in a worker, on a page, in Node."""

import re

import pytest

from .conftest import ENGINE

OF_BROWSERS = {"loading.js", "worker.js", "remote_engine.js", "worker_engine.js"}
ELSEWHERE = r"\b(document|window|self|navigator|location|process|Buffer|require|import)\b[.(]"
OUTSIDE = {("remote_engine.js", "../pictures.js"), ("files.js", "../packages/gifenc.js")}
MODULES = sorted(ENGINE.glob("*.js"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_those_beside_it_and_only_some_need_a_browser(path):
    code = path.read_text(encoding="utf-8")
    for name in re.findall(r"\bfrom \"(.*)\"", code):
        assert name.startswith("./") or (path.name, name) in OUTSIDE
        assert "packages" in name or (ENGINE / name).is_file()
    assert bool(re.search(ELSEWHERE, code)) <= (path.name in OF_BROWSERS)
