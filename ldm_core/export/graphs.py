"""What a program in any language needs to draw: the networks as ONNX graphs, and the facts."""

from typing import Any

from ..files.weights import weights_of
from ..latent_diffusion import LatentDiffusion
from ..runtime.onnx_layers import Accuracy
from ..runtime.onnx_networks import decoder_graph, encoder_graph, unet_graph
from ..runtime.onnx_text import prompt_graph
from .packing import weights_in

# Found by trial, as docs/export.md tells. What the U-Net gets wrong grows from step to step; what
# the others get wrong does not.
UNET, OTHERS = Accuracy(narrow=15, wide=12), Accuracy(narrow=10, wide=10)
UNET_FILE = "unet.onnx"  # by this name the graph `inside` knows the file with its weights


def graphs(model: LatentDiffusion, small: bool = False) -> dict[str, bytes]:
    """ "prompt", "unet", "decoder" and "encoder"; "student_prompt" and "student", which are as
    "prompt" and "unet", where there is a student.

    small: with rounded weights, for files half as large. Of the weights of this release, one
    picture in some hundreds then has a pixel that differs by more than one grey level.
    """
    unet, others = (UNET, OTHERS) if small else (None, None)
    found = {
        "prompt": prompt_graph(model.conditioning, model.unet, others),
        "unet": unet_graph(model.unet, model.config.conditioning.n_tokens, unet),
        "decoder": decoder_graph(model.vae, others),
        "encoder": encoder_graph(model.vae, unet),
    }
    if student := model.student:
        found["student_prompt"] = prompt_graph(model.conditioning, student, others)
        found["student"] = unet_graph(student, model.config.conditioning.n_tokens, unet)
    return found


def inside_graph(model: LatentDiffusion, unet: bytes) -> bytes:
    """The graph of `graphs(model, small=True)["unet"]` once more, with switches and readings. Its
    weights are those of `unet`, which is that graph, in the file UNET_FILE."""
    n_tokens = model.config.conditioning.n_tokens
    elsewhere = weights_in(unet, UNET_FILE)
    return unet_graph(model.unet, n_tokens, UNET, inside=True, elsewhere=elsewhere)


def model_json(model: LatentDiffusion) -> dict[str, Any]:
    """What must be known of a model beside its networks, for JSON.

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
