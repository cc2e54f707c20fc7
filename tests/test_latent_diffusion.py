import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from ldm_core import InputError, SamplingSettings, Start, UserError
from ldm_core.diffusion.guidance import guided_denoiser, rescale
from ldm_core.diffusion.randomness import gaussian_noise
from ldm_core.diffusion.samplers import LEAD
from ldm_core.inputs import Keep

from .conftest import context_of

LABELS, SEEDS = [3, None, 7], [11, 12, 2**32 - 1]


def denoiser(model, labels=LABELS, **options):
    context = context_of(model.conditioning, labels)
    settings = SamplingSettings(**options)
    return guided_denoiser(model.backend.predictor, context, model.schedule, settings)


def x_and_t(model, count=3, t=0.6):
    return gaussian_noise(range(count), 0, (4, 8, 8)), torch.full((count,), t)


def unguided(model, x_t, t, labels):
    v = model.unet(x_t, t, context_of(model.conditioning, labels).tokens)
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


def test_rescale_follows_its_formula():
    v, v_cond = torch.randn(2, 4, 8, 8) * 3, torch.randn(2, 4, 8, 8)
    full = rescale(v, v_cond, 1.0)
    torch.testing.assert_close(full.std(dim=(1, 2, 3)), v_cond.std(dim=(1, 2, 3)))
    torch.testing.assert_close(rescale(v, v_cond, 0.3), 0.3 * full + 0.7 * v)


def test_the_stream_is_the_start_and_exactly_the_steps_asked_for(small_model):
    steps = list(small_model.denoise(LABELS, seeds=SEEDS, steps=5))
    assert [s.index for s in steps] == [0, 1, 2, 3, 4, 5]
    assert all(s.steps == 5 for s in steps)
    assert [s.t for s in steps] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert all(s.x_t.shape == (3, 4, 8, 8) for s in steps)
    assert steps[0].x_0 is None
    assert torch.equal(steps[0].x_t, gaussian_noise(SEEDS, 0, (4, 8, 8)))
    assert all(s.x_0.shape == (3, 4, 8, 8) for s in steps[1:])
    images = small_model.generate(LABELS, seeds=SEEDS, steps=5)
    assert images.shape == (3, 28, 28)
    assert images.dtype == torch.uint8
    assert torch.equal(images, small_model.decode(steps[-1].x_t))


def test_seeds_decide_and_are_drawn_afresh_when_absent(small_model):
    same = [small_model.generate([3], seeds=[5], steps=2) for _ in range(2)]
    assert torch.equal(*same)
    drawn = [small_model.generate([3], steps=2) for _ in range(2)]
    assert not torch.equal(*drawn)


def test_sampling_leaves_the_global_generator_alone(small_model):
    state = torch.get_rng_state()
    small_model.generate([3], steps=2, sampler="ddpm")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_student_makes_ddim_steps_with_the_guidance_in_its_tokens(taught_model):
    """c = null + w / 3 (tokens - null), and one pass a step of its own network alone. The sample is
    x_0 + LEAD t (x_0 - x_0_first)."""
    calls = []
    hooks = [
        network.register_forward_pre_hook(lambda of, args: calls.append((of, len(args[0]))))
        for network in (taught_model.student, taught_model.unet)
    ]
    options = {"seeds": SEEDS, "sampler": "student", "guidance_scale": 4.5, "steps": 3}
    steps = list(taught_model.denoise(LABELS, **options))
    for hook in hooks:
        hook.remove()
    assert calls == [(taught_model.student, 3)] * 3
    tokens, null, _ = context_of(taught_model.conditioning, LABELS)
    context = null + 1.5 * (tokens - null)
    x, times = gaussian_noise(SEEDS, 0, (4, 8, 8)), taught_model.schedule.times(3)
    first = steps[1].x_0
    for step, t, s in zip(steps[1:], times[:-1], times[1:]):
        v = taught_model.student(x, t.float().expand(3), context)
        (signal, sigma), (signal_s, sigma_s) = (
            map(float, taught_model.schedule.levels(u)) for u in (t, s)
        )
        x_0, noise = signal * x - sigma * v, sigma * x + signal * v
        x = signal_s * x_0 + sigma_s * noise if s else x_0 + LEAD / 3 * (x_0 - first)
        torch.testing.assert_close(step.x_0, x_0, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(step.x_t, x, atol=1e-4, rtol=1e-4)


def test_the_student_hears_no_guidance_without_a_prompt(taught_model):
    drawn = [
        taught_model.generate([None], seeds=[5], sampler="student", steps=2, guidance_scale=w)
        for w in (1, 7)
    ]
    assert torch.equal(*drawn)


def test_a_morph_by_the_student_goes_through_its_pictures(taught_model):
    how = {"sampler": "student", "steps": 2}
    *_, last = taught_model.morph([(3, 11), ("a bold seven", 12)], frames=2, **how)
    ends = taught_model.generate([3, "a bold seven"], seeds=[11, 12], **how)
    assert torch.equal(taught_model.decode(last.x_t)[::2], ends)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ({"steps": 5}, "makes 1 to 4 steps"),
        ({"guidance_scale": 7.5}, "a guidance scale from 1 to 7"),
        ({"spacing": "karras"}, "no other spacing"),
        ({"off": ["time"]}, "nothing to switch off"),
        ({"guidance_interval": (0.1, 0.9)}, "guidance_interval 0.4 to 0.7, and no other"),
        ({"negative": "bold"}, "knows no negative prompt"),
        ({"read": ["features"]}, "from noise alone"),
        ({"keep": Keep(torch.zeros(1, 28, 28).byte(), torch.eye(28)[None] > 0)}, "noise alone"),
    ],
)
def test_what_the_student_has_not_learned_is_refused(taught_model, refused, message):
    how = {"sampler": "student", "steps": 2} | refused
    with pytest.raises(InputError, match=message):
        taught_model.denoise([3], seeds=[1], **how)


def test_the_student_takes_no_start(taught_model):
    start = taught_model.start_from(torch.zeros(1, 28, 28).byte(), 0.5)
    with pytest.raises(InputError, match="from noise alone"):
        taught_model.denoise(
            [3], start=start, settings=SamplingSettings(sampler="student", steps=2)
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"prompts": [3], "seeds": [1, 2]}, "one per image: 1, not 2"),
        ({"prompts": [3], "seeds": [-1]}, "seed must be a whole number from 0 to 4294967295"),
        ({"prompts": [3], "steps": 0}, "steps must be a whole number from 1 to 1000, not 0"),
        ({"prompts": [3], "sampler": "plms"}, "sampler must be one of ddpm, ddim"),
        (
            {"prompts": [3], "sampler": "heun", "eta": 0.5},
            "eta works with the sampler ddim or dpmpp_2m",
        ),
        ({"prompts": [3], "guidance_interval": (0.6, 0.4)}, "low <= high"),
        ({"prompts": [3], "guidance_interval": 0.5}, "pair of times"),
        ({"prompts": [3], "guidance": 2}, "does not know guidance; it knows guidance_scale"),
        ({"prompts": [3], "negative": [1, 2]}, "negative must be one for all images, or 1, not 2"),
        ({"prompts": [3], "negative": "bold", "guidance_scale": 1}, "needs guidance"),
    ],
)
def test_bad_input_is_refused_at_the_call(small_model, call, message):
    """A stream that nobody has begun to read must not hide a mistake."""
    with pytest.raises(ValueError, match=message):
        small_model.denoise(**call)


def test_a_start_takes_the_place_of_noise_and_times(small_model):
    """Going on from the middle of a run with its own latent and times is the rest of that run."""
    options = {"seeds": SEEDS, "sampler": "ddim"}
    whole = list(small_model.denoise(LABELS, steps=6, **options))
    start = Start(whole[2].x_t, small_model.schedule.times(6)[2:])
    rest = list(small_model.denoise(LABELS, start=start, **options))
    assert [(step.index, step.steps) for step in rest] == [(i, 4) for i in range(5)]
    assert torch.equal(rest[0].x_t, start.x)
    for found, expected in zip(rest[1:], whole[3:]):
        assert found.t == expected.t
        torch.testing.assert_close(found.x_t, expected.x_t, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("x", "times", "options", "message"),
    [
        (torch.zeros(1, 4, 8, 8), [1.0, 0.0], {}, r"start.x must have the shape \(2, 4, 8, 8\)"),
        (torch.full((2, 4, 8, 8), torch.nan), [1.0, 0.0], {}, "start.x must be finite"),
        (torch.zeros(2, 4, 8, 8), [0.5, 0.7, 0.0], {}, "start.times must fall"),
        (torch.zeros(2, 4, 8, 8), [0.5, 0.1], {}, "to exactly 0"),
        (torch.zeros(2, 4, 8, 8), [1.0, 0.0], {"steps": 1}, "steps cannot be given with a start"),
    ],
)
def test_a_start_that_cannot_be_one_is_refused(small_model, x, times, options, message):
    start = Start(x, torch.tensor(times, dtype=torch.float64))
    with pytest.raises(ValueError, match=message):
        small_model.denoise([1, 2], start=start, **options)


def test_a_model_starts_from_its_own_defaults(small_model):
    own = SamplingSettings(sampler="unipc", steps=3, guidance_scale=2.0)
    model = copy.copy(small_model)
    model.defaults = own
    assert len(list(model.denoise([3], seeds=[1]))) == 1 + 3
    assert model.settings(steps=5) == dataclasses.replace(own, steps=5)
    given = model.generate([3], seeds=[1])
    assert torch.equal(given, small_model.generate([3], seeds=[1], **own.to_dict()))


def test_settings_are_taken_whole_and_checked_no_more(small_model, monkeypatch):
    settings = SamplingSettings(steps=2, sampler="ddim", guidance_scale=2.5, spacing="karras")
    pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)

    def images(**options):
        points = [(3, 1), (7, 2)]
        grid = {k: v for k, v in options.items() if k in ("steps", "spacing", "settings")}
        start = small_model.start_from(pixels, 0.9, seeds=[1], **grid)
        yield small_model.generate([3], seeds=[1], **options)
        yield small_model.generate([3], seeds=[1], start=start, settings=settings)
        yield small_model.invert(pixels, [3], **grid).x
        yield list(small_model.morph(points, 2, **options))[-1].x_t

    expected = list(images(**settings.to_dict()))
    longer = small_model.generate([3], seeds=[1], **settings.to_dict() | {"steps": 3})
    assert torch.equal(small_model.generate([3], seeds=[1], settings=settings, steps=3), longer)
    monkeypatch.setattr(SamplingSettings, "__post_init__", lambda _: pytest.fail("checked again"))
    assert all(map(torch.equal, images(settings=settings), expected))


def test_numbers_of_numpy_and_pytorch_are_numbers(small_model):
    """Whatever they come from, settings hold Python's own numbers, which files can store."""
    expected = small_model.generate([3], seeds=[5], steps=2, guidance_scale=1.5)
    for make in (np.asarray, torch.as_tensor):
        options = {"steps": make(2), "guidance_scale": make(1.5)}
        given = small_model.generate(make([3]), seeds=make([5]), **options)
        assert torch.equal(given, expected)
        json.dumps(small_model.settings(**options).to_dict())
    for wrong in (np.bool_(True), torch.tensor(True), np.array([2])):
        with pytest.raises(ValueError, match="steps must be a whole number"):
            small_model.denoise([3], steps=wrong)


# Words


def latents(model, prompts, seed=5, **options) -> torch.Tensor:
    options = {"steps": 2, "guidance_interval": (0, 1), "guidance_scale": 2.0} | options
    *_, last = model.denoise(prompts, seeds=[seed] * len(prompts), **options)
    return last.x_t


def test_guidance_leads_away_from_the_negative_prompt(small_model):
    x_t, t = x_and_t(small_model)
    prompts, negative = ["a bold 3", None, 7], ["thin", "wide", None]
    cond, uncond = (unguided(small_model, x_t, t, labels) for labels in (prompts, negative))
    context = context_of(small_model.conditioning, prompts, negative)
    settings = SamplingSettings(guidance_scale=2.5)
    denoise = guided_denoiser(
        small_model.backend.predictor, context, small_model.schedule, settings
    )
    expected = uncond + 2.5 * (cond - uncond)
    torch.testing.assert_close(denoise(x_t, t), expected, atol=1e-5, rtol=1e-5)


def test_a_negative_prompt_is_for_one_image_or_for_all(small_model):
    both = latents(small_model, [3, 4], negative="thin")
    assert torch.equal(latents(small_model, [3, 4], negative=("thin", "Thin.")), both)
    sevens = latents(small_model, [3, 4], negative=[7, 7])
    for seven in (7, "7", np.int64(7), np.asarray(7), torch.tensor(7), np.array([7, 7])):
        assert torch.equal(latents(small_model, [3, 4], negative=seven), sevens)
    first = latents(small_model, [3, 4], negative=["thin", None])
    nothing = latents(small_model, [3, 4])
    torch.testing.assert_close(first[0], both[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(first[1], nothing[1], atol=1e-5, rtol=0)
    assert not torch.allclose(both[1], nothing[1], atol=1e-3)


@pytest.mark.parametrize("nothing", [None, "", " ,", -1, np.asarray(-1), [None, ""]])
def test_a_negative_that_says_nothing_needs_no_guidance(small_model, nothing):
    expected = latents(small_model, [3, 4], guidance_scale=1.0)
    found = latents(small_model, [3, 4], negative=nothing, guidance_scale=1.0)
    assert torch.equal(found, expected)


def test_latents_that_are_not_finite_are_no_picture(small_model):
    latents = torch.zeros(2, 4, 8, 8)
    for bad in (torch.nan, torch.inf):
        latents[1, 0, 0, 0] = bad
        with pytest.raises(UserError, match="latents hold NaN or infinity"):
            small_model.decode(latents)
