"""What is asked -> context, as an ONNX graph: the conditioning in front of `context_graph`.

For programs that have no PyTorch. (In Python the module itself makes the context: it is asked once
for a picture, and then a U-Net runs a dozen times.)
"""

from ..model.conditioning import Conditioning
from ..model.text import TextConditioning, TextEncoder
from ..model.unet import UNet
from ..model.vocabulary import EMPTY
from .onnx_graph import Shape
from .onnx_layers import Accuracy, Layers
from .onnx_networks import add_context


def text_graph(conditioning: Conditioning) -> bytes:
    """A model that takes N prompts and returns "context" (N, n_tokens, d_context).

    Of a model that knows words it takes rows int32 and amounts float32, each (N, n_tokens), as in
    `Positions`; of one that knows labels only, ids int32 (N,), as from `LabelConditioning.ids`.
    """
    graph = Layers()
    context, shape = _add_text(graph, conditioning)
    return graph.model({"context": (context, shape)})


def prompt_graph(conditioning: Conditioning, unet: UNet, accuracy: Accuracy | None = None) -> bytes:
    """`text_graph` and `context_graph` in one: the inputs of the first, the outputs of the second.
    They are all that `unet_graph` needs to know of a prompt."""
    graph = Layers(accuracy)
    context, _ = _add_text(graph, conditioning)
    return graph.model(add_context(graph, context, unet, conditioning.config.n_tokens))


def _add_text(graph: Layers, conditioning: Conditioning) -> tuple[str, Shape]:
    """The context and its shape."""
    n_tokens = conditioning.config.n_tokens
    if isinstance(conditioning, TextConditioning):
        encoder = conditioning.encoder
        context = _add_encoder(graph, encoder, n_tokens)
        return context, ("N", n_tokens, encoder.words.embedding_dim)
    table = conditioning.tokens.weight
    d_context = table.shape[1] // n_tokens
    tokens = graph.add("Gather", graph.weights(table), graph.input("ids", ("N",), "int32"))
    return graph.reshape(tokens, -1, n_tokens, d_context), ("N", n_tokens, d_context)


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
