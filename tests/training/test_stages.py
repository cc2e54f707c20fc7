"""What a step of the U-Net and of the text encoder learns from, and figures of the VAE."""

import pytest
import torch
from torch import nn

from ldm_core import LatentDiffusion, SamplingSettings
from ldm_core.config import TrainingConfig
from ldm_core.data.captions import Captions
from ldm_core.data.datasets import LabelledImages
from ldm_core.data.morphometrics import Measurements
from ldm_core.model.conditioning import as_positions
from ldm_core.model.pixels import to_image
from ldm_core.model.vae import VAE, LatentDistribution, kl_divergence
from ldm_core.model.vocabulary import EMPTY
from ldm_core.training.loop import train
from ldm_core.training.stages import (
    Materials,
    UNetStage,
    VAEStage,
    suited_defaults,
    training_times,
    v_loss,
)

from ..conftest import context_of, small_parts

COUNT = 300  # pictures of two classes, with latents that are larger the thicker the stroke is
LABELS = [i % 2 for i in range(COUNT)]
STROKE, LEAN, WIDTH = torch.rand(3, COUNT, generator=torch.Generator().manual_seed(0))


class Listener(nn.Module):
    """In the place of the U-Net: it hears the context and sees nothing, and is fast."""

    def __init__(self, d_context: int):
        super().__init__()
        self.conv_in = nn.Conv2d(4, 4, 1)  # which device it is on
        self.hear = nn.Linear(d_context, 4)

    def forward(self, x_t, t, context):
        return self.hear(context.mean(dim=1))[..., None, None].expand_as(x_t) + 0 * self.conv_in(
            x_t
        )

    def edges(self):
        return [self.conv_in, self.hear]


def listening(captions=None, steps=100, **config) -> LatentDiffusion:
    """A model with such a network, trained on the pictures."""
    names, pixels = ("bar", "ring"), torch.zeros(COUNT, 28, 28, dtype=torch.uint8)
    data = LabelledImages(pixels, torch.tensor(LABELS), names)
    parts = small_parts(names), TrainingConfig(**config), torch.device("cpu")
    stage = UNetStage(Materials(data, data, *parts, load_vae=lambda: VAE(parts[0].vae)))
    model = stage.model
    torch.manual_seed(0)
    model.unet = stage.module[0] = Listener(model.config.unet.d_context)
    measured = Measurements(STROKE, LEAN, WIDTH)
    stage.captions = captions or Captions(model.vocabulary, LABELS, measured)
    mean = (4 * STROKE - 2)[:, None, None, None].repeat(1, 4, 8, 8)
    stage.latents = LatentDistribution(mean, torch.full_like(mean, 0.1))
    for _ in train(stage.learner(), lambda done: done / steps):
        pass
    return model


class OneCaption:
    """In the place of captions: the same words for every picture."""

    def __init__(self):
        self.drawn = []

    def draw(self, indices, chance):
        self.drawn.append((indices, chance.random()))
        return as_positions([[(5, 1.0), (7, 0.4)]] * len(indices), 12)


@pytest.fixture
def heard(monkeypatch):
    """What the text encoder reads, at every step."""
    from ldm_core.model.text import TextEncoder

    forward, seen = TextEncoder.forward, []

    def watched(self, rows, amounts):
        seen.append((rows, amounts))
        return forward(self, rows, amounts)

    monkeypatch.setattr(TextEncoder, "forward", watched)
    return seen


def test_words_are_learned_from_the_pictures_that_they_are_said_of():
    model = listening(steps=200, unet_batch=64)

    def hear(*asked, style=None):
        context = context_of(model.conditioning, asked, None, style).tokens
        return -model.unet(torch.zeros(len(asked), 4, 8, 8), None, context).mean(dim=(1, 2, 3))

    with torch.inference_mode():
        thin, middle, bold = hear("thin", "medium", "bold")
        assert thin < middle - 0.2
        assert middle < bold - 0.2
        assert hear("a heavy ring", "a light bar").diff() < -0.4
        amounts = torch.cat([hear("", style={"stroke": a}) for a in (-1, -0.5, 0, 0.5, 1)])
        assert (amounts.diff() > 0).all()
        others = hear("wide", "narrow", "leaning left", "leaning right", "bar", "ring", "")
        assert others.max() - others.min() < (bold - thin) / 2


def test_whole_captions_are_left_out_by_their_share(heard):
    config = {"unet_batch": 64, "caption_dropout": 0.3}
    listening(OneCaption(), steps=30, **config)
    rows = torch.cat([rows for rows, _ in heard])
    said = torch.tensor([5, 7] + [EMPTY] * 10)
    is_whole, is_empty = ((rows == row).all(dim=1) for row in (said, said * 0))
    assert (is_whole | is_empty).all()
    assert is_empty.double().mean() == pytest.approx(0.3, abs=0.03)


def test_captions_are_those_of_the_pictures_of_the_step_and_new_in_every_step(heard):
    one, other = OneCaption(), OneCaption()
    for captions in (one, other):
        listening(captions, steps=3, unet_batch=COUNT)
    assert one.drawn == other.drawn  # functions of seed and step
    for indices, _ in one.drawn:
        assert sorted(indices) == list(range(COUNT))
    assert len({chance for _, chance in one.drawn}) == 3
    assert all(map(torch.equal, heard[0], heard[3]))


def test_the_text_encoder_is_trained_and_averaged_and_the_same_for_the_same_seed():
    short, again, long = (
        listening(steps=15, ema_width=width).conditioning.state_dict()
        for width in (0.05, 0.05, 0.3)
    )
    fresh = listening(steps=1).conditioning.state_dict()
    for name, tensor in short.items():
        assert torch.equal(tensor, again[name])
        assert not torch.equal(tensor, fresh[name]), name
        assert not torch.equal(tensor, long[name]), name


def test_training_times_are_logistic_normal():
    normal = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    t = training_times(normal, 0.5, 1.2)
    assert ((t > 0) & (t < 1)).all()
    logit = torch.log(t / (1 - t))
    assert logit.mean().item() == pytest.approx(0.5, abs=0.02)
    assert logit.std().item() == pytest.approx(1.2, abs=0.02)


def test_loss_is_the_squared_error_of_v(small_model):
    z, noise = torch.randn(2, 2, 4, 8, 8).unbind()
    t, context = torch.tensor([0.2, 0.9]), torch.randn(2, 4, 64)
    x_t = small_model.schedule.add_noise(z, noise, t)
    prediction = small_model.unet(x_t, t, context)
    v = small_model.schedule.v_from_x_0(z, noise, t)
    expected = torch.stack([((p - w) ** 2).mean() for p, w in zip(prediction, v)])
    found = v_loss(small_model.unet, small_model.schedule, z, context, t, noise)
    torch.testing.assert_close(found, expected)


def test_loss_of_the_vae_is_squared_error_and_weighted_kl():
    pixels = torch.randint(0, 256, (40, 28, 28), dtype=torch.uint8)
    data = LabelledImages(pixels, torch.zeros(40, dtype=torch.long), ("bar", "ring"))

    def stage(kl_weight):
        parts = small_parts(data.class_names), TrainingConfig(kl_weight=kl_weight)
        made = VAEStage(Materials(data, data, *parts, torch.device("cpu"), load_vae=None))
        made.prepare()
        return made

    with torch.no_grad():
        error, both = stage(0.0).loss_at(0), stage(10.0).loss_at(0)
        vae = stage(0.0)
        part, random, indices = vae._draws_at(0)
        image = to_image(pixels[indices[part]])
        mean, log_var = vae.vae.posterior(image)
        decoded = vae.vae.decoder(mean + (log_var / 2).exp() * torch.randn(mean.shape, **random))
        kl = kl_divergence(mean, log_var).mean() / image[0].numel()
    # the loss may be computed in bfloat16
    torch.testing.assert_close(error, (decoded - image).square().mean(), rtol=0.01, atol=0.001)
    torch.testing.assert_close(both - error, 10 * kl, rtol=0.02, atol=0.001)


def test_a_short_training_is_guided_earlier_and_more_than_a_long_one():
    """As the log measured it for three minutes, ten minutes and two hours."""
    early = {"sampler": "unipc", "steps": 16, "guidance_interval": (0.55, 0.8)}
    for steps in (760, 1_499):
        assert suited_defaults(steps) == SamplingSettings(guidance_scale=4, **early)
    for steps in (1_500, 3_000, 5_999):
        assert suited_defaults(steps) == SamplingSettings(guidance_scale=3.6, **early)
    for steps in (6_000, 18_000):
        late = early | {"guidance_interval": (0.4, 0.7)}
        assert suited_defaults(steps) == SamplingSettings(guidance_scale=3.5, **late)
