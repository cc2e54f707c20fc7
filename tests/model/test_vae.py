import torch

from ldm_core.model.vae import VAE, kl_divergence

from ..conftest import SMALL, randomised


def test_kl_divergence_is_torchs():
    mean, log_var = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (0.5 * log_var).exp()), normal(torch.zeros(()), torch.ones(()))
    ).sum(dim=(1, 2, 3))
    torch.testing.assert_close(kl_divergence(mean, log_var), expected)


def test_normalisation_changes_latents_but_not_reconstructions():
    vae = randomised(VAE(SMALL.vae))
    image = torch.rand(2, 1, 32, 32) * 2 - 1
    raw = vae.encode(image)
    decoded = vae.decode(raw.mean)
    mean, std = torch.tensor([0.0, 1.0, -2.0, 0.5]), torch.tensor([1.0, 2.0, 0.5, 3.0])
    vae.set_normalisation(mean, std)
    normalised = vae.encode(image)
    torch.testing.assert_close(
        normalised.mean, (raw.mean - mean.view(1, 4, 1, 1)) / std.view(1, 4, 1, 1)
    )
    torch.testing.assert_close(normalised.std, raw.std / std.view(1, 4, 1, 1))
    torch.testing.assert_close(vae.decode(normalised.mean), decoded, atol=1e-5, rtol=1e-5)
