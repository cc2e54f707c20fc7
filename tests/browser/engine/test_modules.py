"""The mathematics run wherever there are modules: in a worker, on a page, in Node."""

import re

import pytest

from .conftest import ENGINE

OF_BROWSERS = {"client.js", "loading.js", "remote.js", "worker.js"}  # what the page has to do with
ELSEWHERE = r"\b(document|window|self|navigator|location|process|Buffer|require)\b[.(]"


@pytest.mark.parametrize("path", sorted(ENGINE.glob("*.js")), ids=lambda path: path.stem)
def test_a_module_needs_only_those_beside_it(path):
    code = path.read_text(encoding="utf-8")
    for name in re.findall(r"\bfrom \"(.*)\"|\bimport\(", code):
        assert name == "../prompt.js" or name.startswith("./") and (ENGINE / name).is_file()
    assert path.name in OF_BROWSERS or not re.search(ELSEWHERE, code)
