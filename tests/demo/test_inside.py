"""The tab Inside: what its panels ask, and the lesson."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demo import how_it_works, real_digits, sampler_errors
from demo.how_it_works import SCALE
from demo.inside import answer, facts, packed
from demo.run import Runner
from ldm_core import InputError, LatentDiffusion
from ldm_core.files.pictures import lay_out
from ldm_core.output.file_settings import picture_text

from ..conftest import ROOT, save
from .values import GOOD, numbers

SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[6, 8:20] = SEVEN[6:22, 16] = 255


def ask(runner, what, **body):
    """An answer, as it comes back from JSON."""
    found = json.loads(json.dumps(answer(runner, {"what": what, **body})))
    return {name: torch.from_numpy(numbers(packed).copy()) for name, packed in found.items()}


def test_the_latents_of_a_run_are_those_of_denoise(runner):
    found = ask(runner, "path", request=GOOD)
    options = {name: GOOD[name] for name in ("steps", "guidance_scale", "sampler")}
    steps = [step.x_t for step in runner.model.denoise([7], seeds=[5], **options)]
    assert torch.equal(found["latents"], torch.cat(steps))
    assert torch.equal(found["pictures"][-1], runner.model.decode(steps[-1])[0])


def test_guided_predictions_make_the_estimates_of_the_run(runner):
    model, request = runner.model, GOOD | {"guidance_scale": 3.0, "steps": 8}
    options = {"steps": 8, "guidance_scale": 3.0, "sampler": "ddim"}
    before, *steps = model.denoise([7], seeds=[5], **options)
    low, high = model.defaults.guidance_interval
    for i, step in enumerate(steps):
        w = 3.0 if low <= before.t <= high else 1.0
        found = ask(runner, "score", request=request, guidance=w, **{"pass": i})
        t, x_t, cond, null = (found[name] for name in ("t", "x_t", "cond", "null"))
        assert torch.equal(x_t, before.x_t) and t[0] == before.t
        x_0 = [model.schedule.x_0_from_v(x_t, v, t) for v in (cond, null)]
        estimates = torch.cat([*x_0, step.x_0])
        apart = found["pictures"].int() - model.decode(estimates).int()
        assert apart.abs().max() <= 1
        before = step


def test_nothing_is_read_in_a_run_of_the_student(taught_model):
    runner, request = Runner(taught_model), GOOD | {"sampler": "student", "steps": 2}
    assert len(ask(runner, "path", request=request)["latents"]) == 3
    for given in ({"what": "score", "pass": 0, "guidance": 3.0}, {"what": "features"}):
        with pytest.raises(InputError, match="student has drawn this run"):
            answer(runner, given | {"request": request})


def test_what_the_unet_returns_and_where_it_looks(runner):
    found, channels = ask(runner, "features", request=GOOD), runner.model.config.unet.channels
    assert found["mid"].shape == (3, 16, 4, 4) and found["up.0"].shape == (3, 16, 8, 8)
    options = {name: GOOD[name] for name in ("steps", "guidance_scale", "sampler")}
    _, *steps = runner.model.denoise([7], seeds=[5], read=("features", "attention"), **options)
    maps = torch.stack([step.read["features.mid"][0, 0, :: channels[1] // 16] for step in steps])
    assert (found["mid"].float() - (127.5 + 42.5 * maps / maps.std()).clip(0, 255)).abs().max() <= 1
    answered = answer(runner, {"what": "attention", "request": GOOD})
    words = answered.pop("words")
    assert len(words) == runner.model.config.conditioning.n_tokens
    looks = {name: torch.from_numpy(numbers(packed).copy()) for name, packed in answered.items()}
    assert torch.allclose(looks["cross"].sum(dim=2), torch.ones(3, 64), atol=1e-5)
    assert (looks["up.0"].amax(dim=2) == 255).all()
    of_self = steps[-1].read["attention.self.up.0"][0, 0].mean(dim=0)
    assert (looks["up.0"][-1].argmax(dim=1) == of_self.argmax(dim=1)).float().mean() > 0.95


def test_a_part_that_is_off_is_off_in_all_answers(runner):
    answers = {"path": "latents", "score": "cond", "features": "mid", "noise": "loss"}
    for what, name in answers.items():
        more = {"noise": {"picture": picture_text(SEVEN)}, "score": {"pass": 1, "guidance": 3}}
        more = more.get(what, {})
        on = ask(runner, what, request=GOOD, **more)[name]
        off = ask(runner, what, request=GOOD | {"off": ["time"]}, **more)[name]
        assert on.shape == off.shape and not torch.equal(on, off)


def test_noise_begins_with_the_picture_and_ends_with_that_of_the_seed(runner):
    found = ask(runner, "noise", request=GOOD, picture=picture_text(SEVEN))
    pixels = torch.from_numpy(SEVEN)[None]
    back = runner.model.decode(runner.model.encode(pixels))[0]
    assert torch.equal(found["decoded"][0], back) and torch.equal(found["estimate"][0], back)
    start = next(runner.model.denoise([7], seeds=[5], steps=3)).x_t
    signal = runner.model.config.noise_schedule.terminal_signal
    last = signal * runner.model.encode(pixels) + (1 - signal**2) ** 0.5 * start
    assert (found["x_t"][-1].float() - (127.5 + 42.5 * last[0]).clip(0, 255)).abs().max() <= 1
    assert found["t"][10] == 0.5 and (found["loss"] > 0).all()


def test_a_latent_and_its_picture(runner):
    found = ask(runner, "encode", picture=picture_text(SEVEN))
    assert torch.equal(found["latent"], runner.model.encode(torch.from_numpy(SEVEN)[None]))
    again = ask(runner, "decode", latent=found["latent"].flatten().tolist())
    assert torch.equal(again["picture"], found["picture"])


def test_what_is_known_of_a_model(runner):
    found = facts(runner)
    blocks = {block["name"]: block for block in found["blocks"]}
    unet, channels = runner.model.unet, runner.model.config.unet.channels
    assert list(blocks) == ["down.0", "down.1", "mid", "up.1", "up.0", "time"]
    assert (blocks["mid"]["channels"], blocks["mid"]["side"]) == (channels[1], 4)
    edges = (unet.conv_in, unet.conv_out, unet.norm_out, unet.downsample, unet.upsample)
    others = sum(p.numel() for module in edges for p in module.parameters())
    total = sum(p.numel() for p in unet.parameters())
    assert sum(block["parameters"] for block in blocks.values()) + others == total
    assert len(found["words"]) == found["embeddings"]["shape"][0]
    assert found["samplers"] is None and found["digits"] is None


def test_a_real_digit_of_each_class_is_kept_with_the_weights(
    small_model, mnist, data_dir, tmp_path
):
    def digits(learned_from: str):
        record = {"dataset": "mnist", "settings": {"data": learned_from}}
        save(tmp_path, small_model, unet=record)
        if not (tmp_path / "digits.png").exists():
            assert real_digits.main([str(tmp_path), "--data-dir", str(data_dir)]) == 0
        return facts(Runner(LatentDiffusion.load(tmp_path), folder=tmp_path))["digits"]

    found = torch.from_numpy(numbers(digits("60000 images")).copy())
    assert found.shape == (10, 28, 28)
    for label, digit in enumerate(found):
        which = (mnist.pixels == digit).all(dim=(1, 2))
        assert mnist.labels[which].tolist() == [label]
    assert digits("others") is None


def test_the_errors_of_samplers_are_kept_with_their_weights(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(sampler_errors, "EXACT", {"sampler": "heun", "steps": 60})
    monkeypatch.setattr(sampler_errors, "STEPS", (2, 10))
    found = sampler_errors.measure(runner.model)
    assert all(first > last > 0 for first, *_, last in found["errors"].values())
    (tmp_path / "samplers.json").write_text(json.dumps(found))
    runner.folder = tmp_path
    assert facts(runner)["samplers"]["errors"] == found["errors"]
    (tmp_path / "samplers.json").write_text(json.dumps(found | {"weights": "of others"}))
    assert facts(runner)["samplers"] is None


def test_the_pictures_of_how_it_works_are_what_the_model_draws(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(how_it_works, "STYLES", ("thin",))
    monkeypatch.setattr(how_it_works, "PARTS", (["time"],))
    assert how_it_works.main([str(tmp_path), "--weights", str(weights)]) == 0
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    assert all(f"images/{name}.png" in text for name in how_it_works.PICTURES)
    model, asked = LatentDiffusion.load(weights), range(10)
    drawn = model.generate(asked, seeds=asked, off=["time"]).numpy()
    with Image.open(tmp_path / "off.png") as picture:
        found = np.asarray(picture)[::SCALE, ::SCALE]
    assert np.array_equal(found, lay_out(drawn, columns=10))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "what must be one of noise, score"),
        ({"what": "noise", "request": GOOD, "picture": "aGVsbG8="}, "28 x 28 greys"),
        ({"what": "decode", "latent": [1.0]}, "a list of 256 numbers"),
        ({"what": "decode", "latent": [float("nan")] * 256}, "from -20 to 20"),
        ({"what": "score", "request": GOOD, "guidance": 1, "pass": 3}, "from 0 to 2, not 3"),
        ({"what": "score", "request": GOOD, "pass": 0}, "guidance must be a number"),
    ],
)
def test_refusals(runner, body, said):
    with pytest.raises(InputError, match=said):
        answer(runner, body)


def test_packed_numbers_are_little_endian():
    assert numbers(packed(np.array([[1.5, -2]], ">f8"))).tolist() == [[1.5, -2]]
