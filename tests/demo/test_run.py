"""A run: its steps, what is seen of them, and its end."""

import json

import numpy as np
import pytest

from demo.request import Request
from demo.run import Runner
from ldm_core import LatentDiffusion, UserError

from .values import GOOD, greys


@pytest.fixture
def request_(small_model):
    return Request.check(small_model, GOOD)


def test_steps_are_the_model_s_own(runner, request_):
    steps = list(runner.steps(request_))
    assert [step.index for step in steps] == [0, 1, 2, 3]
    assert steps[0].x_0 is None
    assert steps[0].noise_level == pytest.approx((1 - 0.01**2) ** 0.5)
    assert steps[-1].noise_level == steps[-1].t == 0
    levels = [step.noise_level for step in steps]
    assert levels == sorted(levels, reverse=True)
    options = {"guidance_scale": 1.5, "steps": 3, "sampler": "ddim"}
    generated = runner.model.generate([7], seeds=[5], **options)[0].numpy()
    assert (steps[-1].x_t == generated).all()


def test_a_message_says_what_the_views_show(runner, request_):
    latents = [step.x_t[0].numpy() for step in request_.begin(runner.model)]
    for step, latent in zip(runner.steps(request_), latents, strict=True):
        index, t, noise_level, x_t, x_0, maps = json.loads(json.dumps(step.to_list()))
        assert (index, t) == (step.index, round(step.t, 4))
        assert noise_level == pytest.approx(step.noise_level, abs=1e-4)
        assert (greys(x_t) == step.x_t).all()
        assert (x_0 is None) == (index == 0) and (x_0 is None or (greys(x_0) == step.x_0).all())
        shown = np.clip(127.5 + 42.5 * latent, 0, 255)
        assert np.abs(greys(maps, 4, 8, 8) - shown).max() <= 0.5


def test_a_preview_does_no_step_that_is_not_needed(runner, request_, monkeypatch):
    done = []
    original = LatentDiffusion._denoise

    def counted(*given):
        for step in original(*given):
            done.append(step.index)
            yield step

    monkeypatch.setattr(LatentDiffusion, "_denoise", counted)
    runner.preview(request_, 1)
    assert done == [0, 1]


def test_images_of_other_seeds_come_in_one_batch(runner, request_):
    images = runner.images(request_, [8, 9])
    for seed, image in zip((8, 9), images, strict=True):
        *_, last = runner.steps(Request.check(runner.model, GOOD | {"seed": seed}))
        assert np.abs(image.astype(int) - last.x_t).max() <= 1


def test_a_run_has_a_deadline(small_model, request_):
    steps = Runner(small_model, deadline_s=-1).steps(request_)
    assert next(steps).index == 0
    with pytest.raises(UserError, match="ended after -1 seconds"):
        next(steps)
