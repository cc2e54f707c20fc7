"""The networks that a program needs to draw, as ONNX graphs."""

from ..latent_diffusion import LatentDiffusion
from ..runtime.onnx_layers import Accuracy
from ..runtime.onnx_networks import decoder_graph, encoder_graph, unet_graph
from ..runtime.onnx_text import prompt_graph

# Found by trial, as docs/export.md tells. What the U-Net gets wrong grows from step to step; what
# the others get wrong does not.
UNET, OTHERS = Accuracy(narrow=15, wide=12), Accuracy(narrow=10, wide=10)


def graphs(model: LatentDiffusion, small: bool = False) -> dict[str, bytes]:
    """ "prompt", "unet", "decoder" and "encoder".

    small: with rounded weights, for files half as large. Of the weights of this release, one
    picture in some hundreds then has a pixel that differs by more than one grey level.
    """
    unet, others = (UNET, OTHERS) if small else (None, None)
    return {
        "prompt": prompt_graph(model.conditioning, model.unet, others),
        "unet": unet_graph(model.unet, model.config.conditioning.n_tokens, unet),
        "decoder": decoder_graph(model.vae, others),
        "encoder": encoder_graph(model.vae, unet),
    }
