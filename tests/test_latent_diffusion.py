import pytest
import torch

from ldm_core import SamplingSettings
from ldm_core.latent_diffusion import rescale

LABELS, SEEDS = [3, None, 7], [11, 12, 2**32 - 1]


def denoiser(model, labels=LABELS, **options):
    return model.denoiser(model.conditioning.to_tensor(labels), SamplingSettings(**options))


def x_and_t(model, count=3, t=0.6):
    return model.starting_noise(range(count)), torch.full((count,), t)


def unguided(model, x_t, t, labels):
    v = model.unet(x_t, t, model.conditioning(model.conditioning.to_tensor(labels)))
    return model.schedule.x_0_from_v(x_t, v, t)


def test_guidance_follows_its_formula(small_model):
    x_t, t = x_and_t(small_model)
    cond = unguided(small_model, x_t, t, LABELS)
    uncond = unguided(small_model, x_t, t, [None] * 3)
    for w in (0, 0.5, 1, 1.5, 4):
        guided = denoiser(small_model, guidance_scale=w)(x_t, t)
        torch.testing.assert_close(guided, uncond + w * (cond - uncond), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "labels", "t", "size"),
    [
        ({"guidance_scale": 1.5}, LABELS, 0.6, 6),
        ({"guidance_scale": 1.0}, LABELS, 0.6, 3),
        ({"guidance_scale": 0.0}, LABELS, 0.6, 3),
        ({"guidance_scale": 1.5}, [None] * 3, 0.6, 3),
        ({"guidance_scale": 1.5, "guidance_interval": (0.1, 0.5)}, LABELS, 0.6, 3),
        ({"guidance_scale": 1.5, "guidance_interval": (0.1, 0.5)}, LABELS, 0.4, 6),
    ],
)
def test_guidance_costs_a_second_pass_only_where_it_acts(small_model, options, labels, t, size):
    sizes = []
    hook = small_model.unet.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    denoiser(small_model, labels, **options)(*x_and_t(small_model, t=t))
    hook.remove()
    assert sizes == [size]


def test_outside_the_interval_the_model_is_the_plain_conditional_one(small_model):
    x_t, t = x_and_t(small_model)
    denoise = denoiser(small_model, guidance_scale=3.0, guidance_interval=(0.1, 0.5))
    assert torch.equal(denoise(x_t, t), denoiser(small_model, guidance_scale=1.0)(x_t, t))


def test_rescale_follows_its_formula():
    v, v_cond = torch.randn(2, 4, 8, 8) * 3, torch.randn(2, 4, 8, 8)
    full = rescale(v, v_cond, 1.0)
    torch.testing.assert_close(full.std(dim=(1, 2, 3)), v_cond.std(dim=(1, 2, 3)))
    torch.testing.assert_close(rescale(v, v_cond, 0.3), 0.3 * full + 0.7 * v)


def test_loss_is_the_squared_error_of_v(small_model):
    z, noise = torch.randn(2, 2, 4, 8, 8).unbind()
    t, labels = torch.tensor([0.2, 0.9]), torch.tensor([1, small_model.conditioning.null_label])
    x_t = small_model.schedule.add_noise(z, noise, t)
    prediction = small_model.unet(x_t, t, small_model.conditioning(labels))
    v = small_model.schedule.v_from_x_0(z, noise, t)
    expected = torch.stack([((p - w) ** 2).mean() for p, w in zip(prediction, v)])
    torch.testing.assert_close(small_model.loss(z, labels, t, noise), expected)


def test_the_stream_has_exactly_the_steps_asked_for(small_model):
    steps = list(small_model.denoise(LABELS, seeds=SEEDS, steps=5))
    assert [s.index for s in steps] == [1, 2, 3, 4, 5]
    assert all(s.steps == 5 for s in steps)
    assert [s.t for s in steps] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    assert all(s.x_t.shape == s.x_0.shape == (3, 4, 8, 8) for s in steps)
    images = small_model.generate(LABELS, seeds=SEEDS, steps=5)
    assert images.shape == (3, 28, 28)
    assert images.dtype == torch.uint8
    assert torch.equal(images, small_model.decode(steps[-1].x_t))


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpmpp_2m"])
def test_an_image_is_the_same_alone_in_a_batch_and_in_any_order(small_model, sampler):
    options = {"steps": 4, "sampler": sampler, "eta": 0.5 if sampler == "ddim" else 0.0}

    def sample(labels, seeds):
        return list(small_model.denoise(labels, seeds=seeds, **options))[-1].x_t

    together = sample(LABELS, SEEDS)
    backwards = sample(LABELS[::-1], SEEDS[::-1]).flip(0)
    alone = torch.cat([sample([label], [seed]) for label, seed in zip(LABELS, SEEDS)])
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=0)
    torch.testing.assert_close(backwards, together, atol=1e-4, rtol=0)


def test_seeds_decide_and_are_drawn_afresh_when_absent(small_model):
    same = [small_model.generate([3], seeds=[5], steps=2) for _ in range(2)]
    assert torch.equal(*same)
    drawn = [small_model.generate([3], steps=2) for _ in range(2)]
    assert not torch.equal(*drawn)


def test_sampling_leaves_the_global_generator_alone(small_model):
    state = torch.get_rng_state()
    small_model.generate([3], steps=2, sampler="ddpm")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"labels": [10]}, "label must be None or one of 0"),
        ({"labels": [3], "seeds": [1, 2]}, "one per label: 1, not 2"),
        ({"labels": [3], "seeds": [-1]}, "seed must be a whole number from 0 to 4294967295"),
        ({"labels": [3], "seeds": [True]}, "seed must be a whole number"),
        ({"labels": [3], "steps": 0}, "steps must be a whole number from 1 to 1000, not 0"),
        ({"labels": [3], "steps": 2.5}, "steps must be a whole number"),
        ({"labels": [3], "guidance_scale": float("nan")}, "guidance_scale must be a number"),
        ({"labels": [3], "guidance_scale": float("inf")}, "guidance_scale must be a number"),
        ({"labels": [3], "guidance_scale": 10**400}, "guidance_scale must be a number"),
        ({"labels": [3], "guidance_scale": True}, "guidance_scale must be a number"),
        ({"labels": [3], "guidance_scale": -1}, "from 0 to 30, not -1"),
        ({"labels": [3], "sampler": "plms"}, "sampler must be one of ddpm, ddim"),
        ({"labels": [3], "spacing": "even"}, "spacing must be one of time, log_snr, karras"),
        (
            {"labels": [3], "sampler": "heun", "eta": 0.5},
            "eta works with the sampler ddim or dpmpp_2m",
        ),
        ({"labels": [3], "guidance_interval": (0.6, 0.4)}, "low <= high"),
        ({"labels": [3], "guidance_interval": 0.5}, "pair of times"),
        ({"labels": [3], "guidance_rescale": 1.5}, "guidance_rescale must be a number from 0 to 1"),
        ({"labels": [3], "guidance": 2}, "does not know guidance; it knows guidance_scale"),
    ],
)
def test_bad_input_is_refused_with_a_reason(small_model, call, message):
    with pytest.raises(ValueError, match=message):
        small_model.generate(**call)


def test_encode_gives_the_normalised_mean_latents(small_model, mnist):
    from ldm_core.datasets import to_image

    pixels = mnist.pixels[:4]
    latents = small_model.encode(pixels)
    assert torch.equal(latents, small_model.vae.encode(to_image(pixels)).mean)
