import pytest

from ldm_core import SamplingSettings
from ldm_core.training.defaults import suited_defaults


@pytest.mark.parametrize("steps", [2_200, 3_100, 5_999])
def test_a_short_training_is_guided_earlier_and_in_more_steps(steps):
    assert suited_defaults(steps) == SamplingSettings(
        guidance_scale=3.1, guidance_interval=(0.55, 0.8), sampler="unipc", steps=16
    )


@pytest.mark.parametrize("steps", [6_000, 13_000, 27_000])
def test_a_long_training_is_guided_less_in_more_steps(steps):
    assert suited_defaults(steps) == SamplingSettings(steps=16, guidance_scale=3.3)
