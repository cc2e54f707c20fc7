"""The pictures of the static site beside Python's: python -m tests.browser.site.parity SITE.

Serves a site that was exported with the weights of this repository, has a browser draw on it, and
prints how many grey levels the pictures are apart. Any browser will do: it needs to open an
address, and no driver.
"""

import argparse
import json
import queue
import random
import shlex
import subprocess
import tempfile
from pathlib import Path

import torch

from ldm_core import SAMPLERS, LatentDiffusion
from ldm_core.diffusion.noise_schedule import SPACINGS
from ldm_core.diffusion.samplers import WITH_ETA

from ...conftest import ROOT
from .hosting import Handler, hosting

WAIT_S = 400

PROMPTS = [
    "a bold seven leaning left",
    "thin narrow eight",
    "wide three",
    "",
    "leaning right",
]
# Draws what it is asked for, [{asked, seed, ...}], and returns the last picture of each.
DRAW = """async (requests) => {
  const pictures = [];
  for (const request of requests) {
    let last;
    for await (const step of engine.denoise(request)) last = step;
    pictures.push([...last.x_t]);
  }
  return pictures;
}"""
PAGE = """<!doctype html><title>Drawing</title><script type="module">
const { requests, workers } = GIVEN;
let result;
try {
  const { Engine } = await import("./engine/client.js");
  globalThis.engine = new Engine("model/", { workers });
  await engine.load();
  result = await (DRAW)(requests);
} catch ({ name, message }) {
  result = `${name}: ${message}`;
}
await fetch("", { method: "POST", body: JSON.stringify(result) });
</script>"""


def requests(count: int) -> list[dict]:
    """Things to ask of the engine, in which each sampler and each option occurs."""
    draw, samplers = random.Random(0), list(SAMPLERS)
    return [_request(samplers[i % len(samplers)], draw) for i in range(count)]


def _request(sampler: str, draw: random.Random) -> dict:
    chance = lambda share: draw.random() < share
    asked = draw.choice([draw.randrange(10), draw.choice(PROMPTS), draw.choice(PROMPTS), None])
    scale = draw.choice([0, 0.5, 1, 2, 3.5, 3.5, 7.5])
    settings = {"sampler": sampler, "steps": draw.randint(1, 25), "guidance_scale": scale}
    if chance(0.5):
        settings["spacing"] = draw.choice(SPACINGS)
    if chance(0.5):
        settings["guidance_interval"] = draw.choice([[0, 1], [0.2, 0.8], [0, 0.5]])
    if chance(0.3):
        settings["guidance_rescale"] = draw.choice([0.3, 0.7, 1])
    if chance(0.6) and sampler in WITH_ETA:
        settings["eta"] = draw.choice([0.3, 1])
    request = {"asked": asked, "seed": draw.randrange(2**32), "settings": settings}
    if chance(0.3) and scale != 1:
        request["negative"] = draw.choice([draw.randrange(10), "bold", "leaning left"])
    if chance(0.3) and (asked is None or isinstance(asked, int)):
        request["style"] = {name: draw.choice([-1, -0.4, 0.7]) for name in ("stroke", "lean")}
    return request


def python_picture(model: LatentDiffusion, request: dict) -> torch.Tensor:
    options = dict(request["settings"])
    if "guidance_interval" in options:
        options["guidance_interval"] = tuple(options["guidance_interval"])
    more = {name: request.get(name) for name in ("negative", "style")}
    return model.generate([request["asked"]], seeds=[request["seed"]], **more, **options)[0]


def apart(model: LatentDiffusion, request: dict, picture: list[int]) -> int:
    """The most that a pixel is from Python's, in grey levels."""
    wanted = python_picture(model, request).flatten().int()
    return (torch.tensor(picture, dtype=torch.int) - wanted).abs().max().item()


def drawn_by(browser: str, site: Path, asked: list[dict], workers: int) -> list | str:
    """The pictures that a browser draws, or its error. {} in the command is an empty folder."""
    given = json.dumps({"requests": asked, "workers": workers})
    page = PAGE.replace("DRAW", DRAW).replace("GIVEN", given)
    results = queue.SimpleQueue()

    class Drawing(Handler):
        def do_GET(self):
            if self.path == "/drawing.html":
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())
            else:
                super().do_GET()

        def do_POST(self):
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with hosting(site, Drawing) as base, tempfile.TemporaryDirectory() as folder:
        command = [part.replace("{}", folder) for part in shlex.split(browser)]
        process = subprocess.Popen([*command, f"{base}drawing.html"], stderr=subprocess.DEVNULL)
        try:
            return results.get(timeout=WAIT_S)
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("site", type=Path, help="what the export has made")
    add("--count", type=int, default=100, help="pictures (100)")
    add("--workers", type=int, default=1)
    add("--browser", default="chromium --headless --no-sandbox --disable-gpu --user-data-dir={}")
    args = parser.parse_args()
    asked = requests(args.count)
    pictures = drawn_by(args.browser, args.site, asked, args.workers)
    if isinstance(pictures, str):
        raise SystemExit(pictures)
    model = LatentDiffusion.load(ROOT / "weights", backend="torch")
    levels = [apart(model, *pair) for pair in zip(asked, pictures, strict=True)]
    print({level: levels.count(level) for level in sorted(set(levels))})
    for request, level in zip(asked, levels):
        if level > 1:
            print(level, request)


if __name__ == "__main__":
    main()
