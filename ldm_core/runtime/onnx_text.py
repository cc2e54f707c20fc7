"""Prompts -> what the U-Net needs of them, as an ONNX graph: the conditioning, then `add_context`.

For programs that have no PyTorch. (In Python the module itself makes the context: it runs once for
a picture, and then a U-Net runs a dozen times.)
"""

from ..model.conditioning import Conditioning
from ..model.text import TextConditioning, TextEncoder
from ..model.unet import UNet
from ..model.vocabulary import EMPTY
from .onnx_layers import Accuracy, Layers
from .onnx_networks import add_context


def prompt_graph(conditioning: Conditioning, unet: UNet, accuracy: Accuracy | None = None) -> bytes:
    """A model that takes N prompts and returns all that `unet_graph` needs of them, as
    `context_graph` does.

    The inputs of a model that knows words are rows int32 and amounts float32, each (N, n_tokens),
    as in `Positions`; of one that knows labels only, ids int32 (N,), as from
    `LabelConditioning.ids`.
    """
    graph, n_tokens = Layers(accuracy), conditioning.config.n_tokens
    if isinstance(conditioning, TextConditioning):
        context = _add_encoder(graph, conditioning.encoder, n_tokens)
    else:
        table = graph.weights(conditioning.tokens.weight)
        tokens = graph.add("Gather", table, graph.input("ids", ("N",), "int32"))
        context = graph.reshape(tokens, -1, n_tokens, unet.config.d_context)
    return graph.model(add_context(graph, context, unet, n_tokens))


def _add_encoder(graph: Layers, encoder: TextEncoder, n_tokens: int) -> str:
    rows = graph.input("rows", ("N", n_tokens), "int32")
    amounts = graph.input("amounts", ("N", n_tokens))
    empty = encoder.words.weight[EMPTY]
    words = graph.add("Gather", graph.weights(encoder.words.weight - empty), rows)
    x = graph.add("Mul", words, graph.reshape(amounts, 0, n_tokens, 1))
    x = graph.add("Add", x, graph.weights(encoder.places.weight + empty))
    for layer in encoder.layers:
        normed = graph.layer_norm(x, layer.norm_attention)
        x = graph.add("Add", x, graph.self_attention(normed, layer.attention, n_tokens))
        normed = graph.layer_norm(x, layer.norm_feed_forward)
        x = graph.add("Add", x, graph.feed_forward(normed, layer.feed_forward, n_tokens))
    return graph.layer_norm(x, encoder.norm)
