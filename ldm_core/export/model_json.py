"""What a program in any language must know of a model beside its networks."""

from typing import Any

from ..files.weights import weights_of
from ..latent_diffusion import LatentDiffusion


def model_json(model: LatentDiffusion) -> dict[str, Any]:
    """A dictionary for JSON.

    config: of all parts, with the names of the classes and the noise schedule. defaults: the
    settings that suit these weights. switches: what can be switched off. vocabulary: the words of
    prompts. weights: a fingerprint, as files with settings inside have it.
    """
    return {
        "config": model.config.to_dict(),
        "defaults": model.defaults.to_dict(),
        "switches": model.switches,
        "vocabulary": model.vocabulary.to_dict(),
        "weights": weights_of(model),
    }
