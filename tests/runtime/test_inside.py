"""Switches and readings of whole runs, on both backends."""

import pytest
import torch

from ldm_core.inputs import Keep
from ldm_core.model.inside import gates_on, readings, switches
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend
from ldm_core.runtime.torch_backend import TorchBackend

from .test_backends import LABELS, OTHER, SEEDS, SMALL, assert_same, final, perturbed, with_backend

BACKENDS = ["torch", "onnxruntime"]


@pytest.fixture(scope="module")
def model():
    return perturbed(SMALL)


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["small", "other"])
def test_every_switch_and_every_reading_agrees_between_the_backends(config):
    model, generator = perturbed(config), torch.Generator().manual_seed(1)
    names = switches(config.unet)
    on = torch.cat([gates_on({name, "time"}, config.unet, 1) for name in names])
    images, shape = len(names), (config.unet.latent_channels, 8, 8)
    x_t = torch.randn(images, *shape, generator=generator)
    t = torch.rand(images, generator=generator)
    tokens = (config.conditioning.n_tokens, config.unet.d_context)
    context = torch.randn(2, images, *tokens, generator=generator)
    wanted = {*readings(config.unet)[:-2], "prediction"}
    backends = [OnnxRuntimeBackend(model, 1), TorchBackend(model)]
    with torch.inference_mode():
        assert_same(*(backend.predictor(context, on)(x_t, t) for backend in backends))
        fast, reference = (backend.reader(context, on, wanted)(x_t, t) for backend in backends)
    assert fast.keys() == reference.keys() == wanted
    for name in wanted:
        torch.testing.assert_close(fast[name], reference[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_with_something_off_is_the_same_in_any_batch(model, backend, threads):
    model = with_backend(model, backend, threads)
    off = ("cross_attention.mid", "skip.1")
    together = final(model, off=off)
    alone = [final(model, [label], [seed], off=off) for label, seed in zip(LABELS, SEEDS)]
    assert_same(torch.cat(alone), together)
    assert (together - final(model)).abs().max() > 0.01


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sampler", ["dpmpp_2m", "heun", "unipc", "ddpm"])
def test_reading_changes_no_bit_and_leaves_nothing_behind(model, backend, sampler):
    model = with_backend(model, backend)
    options = {"seeds": SEEDS, "steps": 3, "sampler": sampler}
    plain = [*model.denoise(LABELS, **options)]
    read = [*model.denoise(LABELS, **options, read=["attention", "features", "prediction"])]
    half = model.denoise(LABELS, **options, read=["attention"])
    assert not next(half).read and next(half).read
    half.close()
    again = [*model.denoise(LABELS, **options)]
    for one, other, last in zip(plain, read, again, strict=True):
        assert torch.equal(one.x_t, other.x_t) and torch.equal(one.x_t, last.x_t)
        assert not one.read and not last.read
        assert len(other.read) == (17 if other.index else 0)
    modules = model.unet.modules()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_predictions_that_are_read_make_the_step(model, backend):
    model, w = with_backend(model, backend), 3.0
    options = {"guidance_scale": w, "guidance_interval": (0, 1), "steps": 4, "sampler": "ddim"}
    before, *steps = model.denoise([3, 5, 7], seeds=SEEDS, read=["prediction"], **options)
    for step in steps:
        v = step.read["prediction.null"]
        v = v + w * (step.read["prediction.cond"] - v)
        t = torch.full((3,), before.t)
        assert_same(model.schedule.x_0_from_v(before.x_t, v, t), step.x_0)
        before = step


@pytest.mark.parametrize("backend", BACKENDS)
def test_completion_reads_where_the_network_was_asked(model, backend):
    """Noise is added before some of its steps, so that is not where the step before ended."""
    model = with_backend(model, backend)
    mask = torch.arange(28).expand(1, 28, 28) < 14
    keep = Keep(torch.zeros(1, 28, 28, dtype=torch.uint8), mask, 2)
    options = {"seeds": [1], "steps": 4, "sampler": "ddim", "keep": keep, "guidance_scale": 1.0}
    plain = [*model.denoise([3], **options)]
    read = [*model.denoise([3], **options, read=["prediction.cond"])]
    assert len(plain) == len(read) == 1 + 3 + 3 + 1
    assert all(torch.equal(one.x_t, other.x_t) for one, other in zip(plain, read))
    first, again = read[1].read["prediction.cond"], read[4].read["prediction.cond"]
    assert (first - again).abs().max() > 0.01


@pytest.mark.parametrize("backend", BACKENDS)
def test_guidance_that_is_off_is_a_scale_of_one(model, backend):
    model = with_backend(model, backend)
    expected = final(model, guidance_scale=1.0)
    assert torch.equal(final(model, off=["guidance"]), expected)
    assert torch.equal(final(model, off=["guidance"], negative=3), expected)
    assert not torch.equal(final(model), expected)


def test_words_look_at_different_places(release):
    model = with_backend(release, "onnxruntime")
    *_, step = model.denoise(["a bold seven"], seeds=[1], steps=4, read=["attention.cross.up.0"])
    weights = step.read["attention.cross.up.0"][0, 0].mean(dim=0)  # (positions, n_tokens)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(64))
    maps = weights[:, :2].T / weights[:, :2].sum(dim=0)[:, None]
    assert (maps[0] - maps[1]).abs().sum() > 0.2


def test_what_is_unknown_is_refused_at_the_call(model):
    with pytest.raises(ValueError, match="no switch 'skip'; off takes time, guidance, "):
        model.denoise([1], off=["skip"])
    with pytest.raises(ValueError, match="off must be a list of names, not 'time'"):
        model.denoise([1], off="time")
    with pytest.raises(ValueError, match="'maps' cannot be read; read takes attention.self.down.0"):
        model.denoise([1], read=["maps"])
