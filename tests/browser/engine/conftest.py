"""The modules of demo/web/engine in Node, without a page."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ...conftest import ROOT

ENGINE = ROOT / "demo" / "web" / "engine"
MADE_UP = Path(__file__).with_name("made_up.mjs")
PROGRAM = """
import { readFileSync } from "node:fs";
const module = await import(process.argv[1]);
const result = await (FUNCTION)(module, JSON.parse(readFileSync(0)));
const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
process.stdout.write(JSON.stringify(result, plain));
"""


@pytest.fixture(scope="session")
def node():
    """node(module, function, given): what the JavaScript function (module, given) returns. A module
    is a name in demo/web/engine, or a path."""
    program = shutil.which("node")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no node")

    def node(module, function, given):
        code = PROGRAM.replace("FUNCTION", function)
        done = subprocess.run(
            [program, "--input-type=module", "--eval", code, (ENGINE / module).as_uri()],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return node
