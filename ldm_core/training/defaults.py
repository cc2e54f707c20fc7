"""The sampling settings that suit a model, by how long it was trained."""

from ..diffusion.settings import SamplingSettings

# Between the longest of the short trainings that were measured (3,100 steps of the U-Net) and the
# shortest of the long ones (13,000).
SHORT_TRAINING = 6000


def suited_defaults(steps: int) -> SamplingSettings:
    """The default settings of a model whose U-Net was trained for `steps` steps.

    Measured on MNIST. A model of 18,000 steps draws the label as often in 16 steps and with less
    guidance as with SamplingSettings(), and with more variety. Models of 2,200 to 3,100 steps,
    which is ten minutes on two cores, draw it more often when guidance begins earlier; that costs
    a longer training variety. Nothing between was measured, and nothing shorter.
    docs/training-log.md has all figures.
    """
    if steps >= SHORT_TRAINING:
        return SamplingSettings(steps=16, guidance_scale=3.3)
    return SamplingSettings(
        sampler="unipc", steps=16, guidance_scale=3.1, guidance_interval=(0.55, 0.8)
    )
