"""From pictures, and from one image to another: what is kept, what is free, and what is refused."""

import pytest
import torch

from ldm_core import InputError, Keep, LatentDiffusion
from ldm_core.inputs import RESAMPLE

from .conftest import ROOT

SEEDS = [11, 2**32 - 1]


@pytest.fixture(scope="module")
def digits(mnist):
    return mnist.pixels[:2]


@pytest.fixture(scope="module")
def trained():
    return LatentDiffusion.load(ROOT / "weights")


def halves(count, rows=slice(14, None)):
    """Masks of which these rows are to be drawn anew."""
    mask = torch.ones(count, 28, 28, dtype=torch.bool)
    mask[:, rows] = False
    return mask


def away(a, b):
    """The mean distance in grey levels."""
    return float((a.float() - b.float()).abs().mean())


def last(steps):
    *_, step = steps
    return step.x_t


# Re-imagine


def test_strength_0_is_the_picture_itself_and_runs_no_network(small_model, digits):
    start = small_model.start_from(digits, 0, seeds=SEEDS)
    run = []
    parts = [small_model.unet, small_model.conditioning]
    hooks = [part.register_forward_hook(lambda *_: run.append(1)) for part in parts]
    (step,) = small_model.denoise([3, 4], seeds=SEEDS, start=start)
    images = small_model.generate([3, 4], seeds=SEEDS, start=start)
    for hook in hooks:
        hook.remove()
    assert run == []
    assert (step.index, step.steps, step.t) == (0, 0, 0.0)
    assert torch.equal(step.x_t, small_model.encode(digits))
    assert torch.equal(step.x_0, step.x_t)
    assert torch.equal(images, small_model.decode(small_model.encode(digits)))


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_strength_1_is_a_plain_run_to_the_bit(small_model, digits, sampler):
    start = small_model.start_from(digits, 1, seeds=SEEDS, steps=4)
    found = last(small_model.denoise([3, None], seeds=SEEDS, start=start, sampler=sampler))
    plain = last(small_model.denoise([3, None], seeds=SEEDS, steps=4, sampler=sampler))
    assert torch.equal(found, plain)


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m", "heun"])
def test_a_picture_alone_becomes_what_it_becomes_in_a_batch(small_model, digits, sampler):
    def images(which):
        pixels, seeds = digits[which], [SEEDS[i] for i in which]
        asked = [[3, 4][i] for i in which]
        keep = Keep(pixels, halves(len(which)), 2)
        start = small_model.start_from(pixels, 0.7, seeds=seeds, steps=5)
        options = {"seeds": seeds, "sampler": sampler}
        yield last(small_model.denoise(asked, start=start, **options))
        yield last(small_model.denoise(asked, start=start, keep=keep, **options))
        yield small_model.invert(pixels, asked, steps=5).x

    for alone, other, together in zip(images([0]), images([1]), images([0, 1])):
        torch.testing.assert_close(torch.cat([alone, other]), together, atol=1e-3, rtol=0)


# Complete


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm", "heun", "unipc"])
def test_what_is_kept_stays_to_the_precision_of_the_vae(trained, mnist, sampler):
    pixels, labels = mnist.pixels[:8], mnist.labels[:8].tolist()
    masks = halves(8)
    masks[4:] = halves(4, slice(0, 13))  # not where the positions of a latent begin
    masks[6:, :, 5:9] = True
    options = {"seeds": range(8), "sampler": sampler, "steps": 8}
    images = trained.generate(labels, keep=Keep(pixels, masks, 2), **options)
    reconstructed = trained.decode(trained.encode(pixels))
    vae = away(reconstructed[masks], pixels[masks])
    assert away(images[masks], pixels[masks]) < 1.6 * vae
    assert away(images[~masks], pixels[~masks]) > 10 * vae


def test_what_is_drawn_depends_on_what_is_kept(trained, mnist):
    """Of two pictures with one mask, one label and one seed, each gets a half that fits it."""
    sevens = mnist.pixels[mnist.labels == 7][:6]
    masks, options = halves(6), {"seeds": [5] * 6, "steps": 8}
    images = trained.generate([7] * 6, keep=Keep(sevens, masks), **options)
    drawn = images[:, 14:].float().flatten(1)
    assert (torch.pdist(drawn, p=1) / drawn.shape[1]).min() > 2
    # Where a stroke leaves the kept half, it goes on: the two rows beside the seam are alike.
    seam = lambda rows: away(rows[:, 13], rows[:, 14])
    plain = trained.generate([7] * 6, **options)
    pasted = torch.where(masks, sevens, plain)
    assert seam(images) < 1.5 * seam(sevens)
    assert seam(images) < 0.7 * seam(pasted)


def test_completion_is_one_stream_of_steps(small_model, digits):
    keep = Keep(digits, halves(2))
    steps = list(small_model.denoise([3, 4], seeds=SEEDS, keep=keep, steps=5))
    assert [step.index for step in steps] == list(range(3 * RESAMPLE + 2 + 1))
    assert {step.steps for step in steps} == {len(steps) - 1}
    assert (steps[0].t, steps[-1].t) == (1, 0)
    once = list(small_model.denoise([3, 4], seeds=SEEDS, keep=keep._replace(resample=1), steps=5))
    assert [step.t for step in once] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


# Invert


def test_a_digit_is_made_again_from_the_noise_that_inversion_finds(trained, mnist):
    pixels, labels = mnist.pixels[:8], mnist.labels[:8].tolist()
    start = trained.invert(pixels, labels)
    assert start.x.shape == (8, 4, 8, 8)
    assert (start.times[0], start.steps) == (1, 25)
    back = trained.generate(labels, start=start, sampler="ddim", guidance_scale=1)
    reconstructed = trained.decode(trained.encode(pixels))
    assert away(back, reconstructed) < 0.1
    assert away(back, pixels) < 2
    edited = trained.generate([0] * 8, start=start, sampler="ddim", guidance_scale=1)
    assert away(edited, pixels) > 10


def test_inversion_hears_what_is_asked(small_model, digits):
    one = small_model.invert(digits, [3, 4], steps=3).x
    other = small_model.invert(digits, ["3", "a bold four"], steps=3).x
    styled = small_model.invert(digits, [3, 4], style={"stroke": 0.5}, steps=3).x
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1], other[1], atol=1e-3)
    assert not torch.allclose(one[0], styled[0], atol=1e-3)


# Morph


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_at_its_points_a_morph_is_the_plain_image(trained, sampler):
    points = [(3, 7), ("a bold eight", 11), (None, 2)]
    options = {"sampler": sampler, "steps": 6, "guidance_scale": 3.0}
    for loop in (False, True):
        images = trained.decode(last(trained.morph(points, 3, loop=loop, **options))).int()
        assert len(images) == (9 if loop else 7)
        for image, (asked, seed) in zip(images[::3], points, strict=True):
            plain = trained.generate([asked], seeds=[seed], **options)[0]
            assert (image - plain).abs().max() <= 1


def test_a_morph_is_a_stream_and_encodes_its_points_only(small_model):
    sizes = []
    encoder = small_model.conditioning.encoder
    hook = encoder.register_forward_hook(lambda _, args, context: sizes.append(len(context)))
    run = small_model.morph([(3, 7), (8, 11), (3, 2)], 5, steps=2)
    assert sizes == []  # the call only checks
    steps = list(run)
    hook.remove()
    assert sizes == [3]  # 3, 8 and nothing
    assert [(step.index, step.steps) for step in steps] == [(0, 2), (1, 2), (2, 2)]
    assert all(len(step.x_t) == 11 for step in steps)


# What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: m.start_from(p, 0.5, guidance_scale=3.0), "and no guidance_scale"),
        (lambda m, p: m.invert(p, [3, 4], sampler="heun"), "and no sampler"),
        (lambda m, p: m.start_from(p, 1.5), "strength must be a number from 0 to 1, not 1.5"),
        (lambda m, p: m.start_from(p.float(), 0.5), "pictures must be a tensor uint8 .* float32"),
        (lambda m, p: m.invert(p, [3]), r"uint8 \(1, 28, 28\), not uint8 \(2, 28, 28\)"),
        (lambda m, p: m.morph([(3, 7)]), "A morph leads through two points or more, not 1"),
    ],
)
def test_a_start_or_a_way_that_cannot_be_is_refused(small_model, digits, call, message):
    with pytest.raises(InputError, match=message):
        call(small_model, digits)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda p: Keep(p[:1], halves(1)), r"keep.pixels must be a tensor uint8 \(2, 28, 28\)"),
        (lambda p: Keep(p, ~halves(2, [])), "The mask keeps nothing of a picture"),
        (lambda p: Keep(p, halves(2, [])), "The mask keeps all of a picture"),
        (lambda p: Keep(p, halves(2), 0), "resample must be a whole number from 1 to 20, not 0"),
    ],
)
def test_a_mask_that_cannot_be_is_refused_at_the_call(small_model, digits, keep, message):
    with pytest.raises(InputError, match=message):
        small_model.denoise([3, 4], keep=keep(digits))
