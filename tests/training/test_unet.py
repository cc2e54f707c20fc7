import pytest
import torch

from ldm_core.training.unet import training_times, v_loss


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
