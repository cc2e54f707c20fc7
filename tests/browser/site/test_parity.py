"""The static site draws the pictures that Python draws, to one grey level."""

import numpy as np

from ldm_core import LatentDiffusion

from ...conftest import ROOT
from ..hosting import hosting
from .conftest import engine_page
from .parity import DRAW, apart, kind_of, requests

# What the last step reads, by name, and what is said of a name that is unknown.
READ = """async ({ base, options }) => {
  const engine = (name) => import(`${base}engine/${name}.js`);
  const [{ LatentDiffusion }, { Networks }, { promptLanguage }, loading] = await Promise.all(
    ["latent_diffusion", "networks", "vocabulary", "loading"].map(engine),
  );
  const model_base = `${base}model/`;
  const { files, ...about } = await loading.fetch_json("model.json", model_base);
  const { prompt, unet, inside, wasm } = files;
  const { wasm: wasmBinary, ...graphs } = await loading.fetch_files(
    { prompt, unet, inside, wasm }, model_base, () => {},
  );
  const ort = await import(new URL(files.runtime.path, model_base));
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary });
  const networks = new Networks(ort);
  await networks.add(graphs);
  const model = new LatentDiffusion(about, networks, promptLanguage(about.vocabulary));
  let last;
  for await (const step of model.denoise(["a bold seven"], options)) last = step;
  const plain = (name) => [name, [last.read[name].dims, [...last.read[name].data]]];
  const maps = model.denoise([1], { ...options, read: ["maps"] });
  const error = (async () => { for await (const _ of maps); })().catch(({ message }) => message);
  return [Object.fromEntries(Object.keys(last.read).map(plain)), await error];
}"""


def test_pictures_are_those_of_python_to_one_grey_level(browser, site):
    model = LatentDiffusion.load(ROOT / "weights", backend="torch")
    asked = requests(model, 10)
    assert len(set(map(kind_of, asked))) == 5
    with hosting(site) as base, engine_page(browser, base) as page:
        pictures = page.evaluate(DRAW, asked)
    for request, picture in zip(asked, pictures, strict=True):
        assert apart(model, request, picture) <= 1, request


def test_with_each_switch_pictures_are_those_of_python_to_one_grey_level(browser, site, release):
    seen = []
    requests = [
        {"prompt": "a bold seven", "seed": seed, "steps": 4, "off": [name]}
        for seed, name in enumerate(release.switches)
    ]
    with hosting(site) as base, engine_page(browser, base) as page:
        page.on("request", lambda request: seen.append(request.url))
        whole = {**requests[0], "off": []}
        pictures = page.evaluate(DRAW, [whole])
        assert not any("inside.onnx" in url for url in seen)
        pictures += page.evaluate(DRAW, requests)
        assert any("inside.onnx" in url for url in seen)
    for request, picture in zip([whole, *requests], pictures, strict=True):
        assert apart(release, request, picture) <= 1, request
    assert len({tuple(picture) for picture in pictures}) == len(pictures)


def test_readings_are_those_of_python(browser, site, release):
    options = {"seeds": [7], "steps": 3, "off": ["skip.1", "time"]}
    names = ["attention", "features", "prediction"]
    *_, step = release.denoise(["a bold seven"], **options, read=names)
    with hosting(site) as base, engine_page(browser, base) as page:
        given = {"base": base, "options": {**options, "read": names}}
        found, refused = page.evaluate(READ, given)
    assert found.keys() == step.read.keys()
    for name, tensor in step.read.items():
        shape, numbers = found[name]
        assert tuple(shape) == tensor.shape, name
        np.testing.assert_allclose(numbers, tensor.flatten(), atol=0.02, rtol=0, err_msg=name)
    assert refused.startswith("'maps' cannot be read; read takes attention.self.down.0, ")
