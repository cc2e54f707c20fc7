import pytest

from ldm_core.model.unet import UNet
from ldm_core.model.vae import VAE
from ldm_core.training.optimisers import WARM_UP_STEPS, hidden_matrices, rate_factor


def test_learning_rate_rises_in_a_line_and_falls_in_a_line():
    assert rate_factor(0, None) == 1 / WARM_UP_STEPS
    assert rate_factor(WARM_UP_STEPS, None) == 1
    total = 1000
    assert rate_factor(24, total) == pytest.approx(25 / 50 * 0.976)
    assert rate_factor(500, total) == pytest.approx(0.5)
    assert rate_factor(999, total) == pytest.approx(0.001)


@pytest.mark.parametrize("network", [VAE, UNet])
def test_muon_trains_all_matrices_but_those_of_an_image_or_a_latent(network):
    network = network()
    chosen = {id(p) for p in hidden_matrices(network)}
    for name, p in network.named_parameters():
        between_features = p.dim() > 1 and min(p.shape[:2]) > 8  # of a latent: 4, or 4 twice
        assert (id(p) in chosen) == between_features, name
