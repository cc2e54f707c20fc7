"""Prompts -> context as an ONNX graph: the conditioning in front of `context_graph`.

For programs that have no PyTorch. (In Python the module itself makes the context: it runs once for
a picture, and the U-Net a dozen times.)
"""

from ..model.conditioning import Conditioning
from ..model.text import TextEncoder
from ..model.unet import UNet
from ..model.vocabulary import EMPTY
from .onnx_layers import Accuracy, Layers
from .onnx_networks import add_context


def prompt_graph(conditioning: Conditioning, unet: UNet, accuracy: Accuracy | None = None) -> bytes:
    """A model that takes N prompts, rows int32 and amounts float32, each (N, n_tokens), as in
    `Positions`, and returns all that `unet_graph` needs to know of them, as `context_graph` does.
    """
    graph, n_tokens = Layers(accuracy), conditioning.config.n_tokens
    context = _add_encoder(graph, conditioning.encoder, n_tokens)
    return graph.model(add_context(graph, context, unet, n_tokens))


def _add_encoder(graph: Layers, encoder: TextEncoder, n_places: int) -> str:
    rows = graph.input("rows", ("N", n_places), "int32")
    amounts = graph.input("amounts", ("N", n_places))
    empty = encoder.words.weight[EMPTY]
    words = graph.add("Gather", graph.weights(encoder.words.weight - empty), rows)
    x = graph.add("Mul", words, graph.reshape(amounts, 0, n_places, 1))
    x = graph.add("Add", x, graph.weights(encoder.places.weight + empty))
    for layer in encoder.layers:
        normed = graph.layer_norm(x, layer.norm_attention)
        x = graph.add("Add", x, graph.self_attention(normed, layer.attention, n_places))
        normed = graph.layer_norm(x, layer.norm_feed_forward)
        x = graph.add("Add", x, graph.feed_forward(normed, layer.feed_forward, n_places))
    return graph.layer_norm(x, encoder.norm)
