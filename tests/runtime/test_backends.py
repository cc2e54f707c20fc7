"""All backends draw the same images."""

import copy
import sys

import pytest
import torch

from ldm_core import LatentDiffusion
from ldm_core.config import ModelConfig, UNetConfig, VAEConfig
from ldm_core.runtime import onnx_backend
from ldm_core.runtime.backends import make_backend
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend
from ldm_core.runtime.shared import SharedBackend
from ldm_core.runtime.torch_backend import TorchBackend

from ..conftest import SMALL, context_of, with_words

LABELS, SEEDS = [3, None, 7], [11, 12, 2**32 - 1]
OTHER = ModelConfig(  # nothing like the default: three resolutions, other numbers of everything
    vae=VAEConfig(latent_channels=6, width=16, n_blocks=3),
    unet=UNetConfig(6, (32, 16, 48), d_head=16, d_context=32, d_time=64, middle_only=True),
    conditioning=with_words(("circle", "square"), n_tokens=3),
)


def perturbed(config: ModelConfig, seed: int = 0) -> LatentDiffusion:
    """A model none of whose weights is zero, one, or like another: a mistake anywhere shows."""
    generator = torch.Generator().manual_seed(seed)
    model = LatentDiffusion(config).eval().requires_grad_(False)
    for tensor in (*model.parameters(), model.vae.latent_mean, model.vae.latent_std):
        tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    return model


def with_backend(model: LatentDiffusion, backend: str, threads: int = 1) -> LatentDiffusion:
    twin = copy.copy(model)
    twin.backend = OnnxRuntimeBackend(model, threads) if backend == "onnxruntime" else None
    twin.backend = twin.backend or make_backend(backend, model, model.device)
    return twin


@pytest.fixture(scope="module")
def torch_model():
    return perturbed(SMALL)


@pytest.fixture(scope="module")
def fast_model(torch_model):
    return with_backend(torch_model, "onnxruntime")


def test_the_student_draws_the_same_with_all_backends(torch_model):
    model = copy.deepcopy(torch_model)
    model.student = perturbed(SMALL, seed=1).unet
    how = {"sampler": "student", "guidance_scale": 5}
    expected = final(with_backend(model, "torch"), **how)
    assert_same(final(with_backend(model, "onnxruntime"), **how), expected)
    assert_same(final(with_backend(model, "onnxruntime", threads=2), **how), expected)
    for backend in ("torch", "onnxruntime"):
        shared = with_backend(model, backend)
        shared.backend = SharedBackend(shared.backend)
        assert_same(final(shared, **how), expected)
    plain = final(with_backend(model, "torch"), **how | {"guidance_scale": 1})
    assert (expected - plain).abs().max() > 0.1


def final(model, labels=LABELS, seeds=SEEDS, steps=3, **options) -> torch.Tensor:
    return list(model.denoise(labels, seeds=seeds, steps=steps, **options))[-1].x_t


def assert_same(actual, expected):
    largest = expected.abs().max().item()
    assert largest > 0.1  # or the comparison would say little
    # Latents reach about 5; Heun's method on random weights comes to 57, and so does its rounding.
    torch.testing.assert_close(actual, expected, atol=1e-4 * max(1, largest / 5), rtol=0)


def compare_networks(model, images=3, conditions=2, threads=1):
    """Every output of both backends, with another time and context for each image."""
    generator = torch.Generator().manual_seed(1)
    config = model.config.unet
    shape = (config.latent_channels, 8, 8)
    tokens = model.config.conditioning.n_tokens
    x_t = torch.randn(images, *shape, generator=generator)
    t = torch.rand(images, generator=generator)
    context = torch.randn(conditions, images, tokens, config.d_context, generator=generator)
    fast, reference = OnnxRuntimeBackend(model, threads), TorchBackend(model)
    with torch.inference_mode():
        predictions = [backend.predictor(context)(x_t, t) for backend in (fast, reference)]
        decoded = [backend.decode(x_t) for backend in (fast, reference)]
    assert predictions[0].shape == (conditions, images, *shape)
    assert_same(*predictions)
    assert_same(*decoded)


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["small", "other"])
@pytest.mark.parametrize("conditions", [1, 2, 3])
def test_networks_agree_with_the_modules(config, conditions):
    compare_networks(perturbed(config), conditions=conditions)


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_the_batch_is_shared_out_among_any_number_of_threads(torch_model, monkeypatch, images):
    monkeypatch.setattr(OnnxRuntimeBackend, "CHUNK", 2)
    for threads in (1, 2, 5):
        compare_networks(torch_model, images, threads=threads)


PATHS = [
    {},
    {"guidance_scale": 1.0},
    {"guidance_scale": 0.0},
    {"guidance_scale": 4.0, "guidance_rescale": 0.7},
    {"guidance_scale": 3.0, "guidance_interval": (0.3, 0.7)},
    {"labels": [None, None, None]},
    {"sampler": "heun"},
    {"sampler": "unipc", "spacing": "karras"},
    {"sampler": "ddim", "eta": 0.5},
    {"sampler": "ddpm"},
]


@pytest.mark.parametrize("options", PATHS, ids=str)
def test_samples_agree_with_all_settings(torch_model, fast_model, options):
    assert_same(final(fast_model, **options), final(torch_model, **options))


@pytest.mark.parametrize("options", [{}, {"guidance_interval": (0.3, 0.7)}], ids=str)
def test_samples_agree_for_the_weights_of_this_release(release, options):
    fast = with_backend(release, "onnxruntime")
    assert_same(final(fast, steps=12, **options), final(release, steps=12, **options))
    pixels = [m.generate(LABELS, seeds=SEEDS, **options).int() for m in (fast, release)]
    assert (pixels[0] - pixels[1]).abs().max() <= 1


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_an_image_is_the_same_in_any_batch_and_on_any_number_of_threads(torch_model, backend):
    one = with_backend(torch_model, backend)
    together = final(one)
    alone = [final(one, [label], [seed]) for label, seed in zip(LABELS, SEEDS)]
    assert_same(torch.cat(alone), together)
    assert_same(final(one, LABELS[::-1], SEEDS[::-1]).flip(0), together)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert_same(final(with_backend(torch_model, backend, threads=2)), together)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_onnx_runtime_makes_the_very_same_image_in_any_batch(release, threads):
    model = with_backend(release, "onnxruntime", threads)
    asked, seeds = [3, None, "a bold seven", 3, 0], [11, 12, 2**32 - 1, 5, 11]
    together = final(model, asked, seeds, steps=4)
    for part in (slice(0, 1), slice(1, 2), slice(2, 5)):
        alone = final(model, asked[part], seeds[part], steps=4)
        assert torch.equal(alone, together[part])
        assert torch.equal(model.decode(alone), model.decode(together)[part])


# Which one is taken


def test_auto_takes_onnx_runtime_on_a_cpu_and_torch_elsewhere(torch_model):
    cpu, meta = torch.device("cpu"), torch.device("meta")
    assert isinstance(make_backend("auto", torch_model, cpu), OnnxRuntimeBackend)
    assert isinstance(make_backend("auto", torch_model, meta), TorchBackend)
    assert isinstance(make_backend("torch", torch_model, cpu), TorchBackend)


def test_without_onnx_runtime_auto_takes_torch(torch_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    assert isinstance(make_backend("auto", torch_model, torch_model.device), TorchBackend)
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        make_backend("onnxruntime", torch_model, torch_model.device)


def test_a_backend_that_cannot_be_had_is_refused(torch_model):
    with pytest.raises(ValueError, match="must be one of auto, onnxruntime, torch, not"):
        make_backend("tensorrt", torch_model, torch.device("cpu"))
    with pytest.raises(ValueError, match="onnxruntime runs on a CPU, not on cuda:0: use torch"):
        make_backend("onnxruntime", torch_model, torch.device("cuda:0"))


# Without waiting for a GPU


@pytest.mark.parametrize("options", PATHS, ids=str)
def test_the_step_loop_reads_nothing_back_from_the_device(options):
    """On the device "meta" tensors have no values: to read one, as .item() or `if` do, fails."""
    model = LatentDiffusion(SMALL).to("meta")
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(model.unet.conv_in.bias.any())
    assert final(model, **options).device.type == "meta"


# Changed weights and hooks


def everything_that_can_change_weights():
    def by_an_operation(model):
        with torch.no_grad():
            model.unet.mid_1.residual.conv_1.weight.mul_(1.5)

    def of_the_decoder(model):
        with torch.inference_mode():
            model.vae.decoder[-2].bias.add_(0.3)

    def by_a_state_dict(model):
        model.unet.load_state_dict(perturbed(SMALL, seed=1).unet.state_dict())

    def by_an_optimiser(model):
        parameters = list(model.unet.requires_grad_(True).parameters())
        optimiser = torch.optim.AdamW(parameters, lr=0.1, fused=True)
        context = context_of(model.conditioning, LABELS).tokens
        model.unet(torch.randn(3, 4, 8, 8), torch.rand(3), context).square().mean().backward()
        optimiser.step()

    def by_another_parameter(model):
        layer = model.unet.conv_in
        layer.weight = torch.nn.Parameter(layer.weight.detach() * 2)

    def by_another_network(model):
        model.unet = perturbed(SMALL, seed=1).unet

    def by_another_normalisation(model):
        model.vae.set_normalisation(torch.full((4,), 0.5), torch.full((4,), 2.0))

    def by_another_memory(model):
        model.unet.conv_in.weight.data = model.unet.conv_in.weight.data * 0.5

    return [change for change in locals().values() if callable(change)]


@pytest.mark.parametrize("change", everything_that_can_change_weights(), ids=lambda f: f.__name__)
def test_a_changed_model_is_never_sampled_with_its_old_weights(change):
    model = perturbed(SMALL)
    model.backend = OnnxRuntimeBackend(model, 1)
    change(model)
    reference = with_backend(model, "torch")
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        assert_same(final(model), final(reference))
        assert_same(model.backend.decode(z), reference.backend.decode(z))
    unchanged = with_backend(perturbed(SMALL), "torch")
    with torch.inference_mode():
        moved = (final(model) - final(unchanged)).abs().max()
        moved += (model.backend.decode(z) - unchanged.backend.decode(z)).abs().max()
    assert moved > 1e-3  # or this test could not fail


def test_graphs_are_built_once_while_nothing_changes(monkeypatch):
    model, built = perturbed(SMALL), []
    session = onnx_backend._session
    monkeypatch.setattr(onnx_backend, "_session", lambda graph: built.append(1) or session(graph))
    model.backend = OnnxRuntimeBackend(model, 1)
    for _ in range(3):
        final(model)
    assert len(built) == 3  # of the context, the U-Net and the decoder
    with torch.no_grad():
        model.unet.conv_in.weight.mul_(2)
    final(model)
    assert len(built) == 5  # the decoder stays


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_attention_and_every_stage_can_be_read_by_ordinary_hooks(backend):
    model = perturbed(SMALL)
    expected = final(model)
    model = with_backend(model, backend)
    names = ["up.0.transformer.cross_attention.softmax", "down.1", "mid_1.residual", "conv_out"]
    seen = {name: [] for name in names}
    hooks = [
        model.unet.get_submodule(name).register_forward_hook(
            lambda _, args, output, name=name: seen[name].append(output.shape)
        )
        for name in names
    ]
    assert_same(final(model, steps=3), expected)
    for hook in hooks:
        hook.remove()
    assert_same(final(model, steps=3), expected)
    assert [len(shapes) for shapes in seen.values()] == [3] * 4  # once for each step
    images, heads, tokens = seen[names[0]][0][0], 16 // 8, SMALL.conditioning.n_tokens
    assert images in (3, 6)  # with guidance, twice the batch
    assert seen[names[0]][0] == (images, heads, 8 * 8, tokens)
