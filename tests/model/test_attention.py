import pytest
import torch
from torch import nn

from ldm_core.model.attention import FeedForward, MultiHeadAttention, SpatialTransformer

from ..conftest import randomised


def test_attention_is_torchs_multihead_attention():
    ours = MultiHeadAttention(32, d_head=8, d_context=12)
    theirs = nn.MultiheadAttention(32, 4, kdim=12, vdim=12, batch_first=True)
    theirs.q_proj_weight.data = ours.to_q.weight.data
    theirs.k_proj_weight.data = ours.to_k.weight.data
    theirs.v_proj_weight.data = ours.to_v.weight.data
    theirs.in_proj_bias.data.zero_()
    theirs.out_proj.load_state_dict(ours.to_out.state_dict())
    x, context = torch.randn(2, 5, 32), torch.randn(2, 7, 12)
    torch.testing.assert_close(ours(x, context), theirs(x, context, context)[0])
    with pytest.raises(ValueError, match="30 must be a multiple of d_head 8"):
        MultiHeadAttention(30, d_head=8)


def test_feed_forward_is_geglu():
    layer = FeedForward(6)
    x = torch.randn(2, 3, 6)
    value, gate = layer.to_hidden(x)[..., :24], layer.to_hidden(x)[..., 24:]
    expected = layer.to_out(value * torch.nn.functional.gelu(gate))
    torch.testing.assert_close(layer(x), expected)


def test_a_new_spatial_transformer_is_the_identity():
    x, context = torch.randn(2, 16, 4, 4), torch.randn(2, 3, 8)
    assert torch.equal(SpatialTransformer(16, d_head=8, d_context=8)(x, context), x)


def test_every_position_sees_every_other_and_every_token():
    transformer = randomised(SpatialTransformer(16, d_head=8, d_context=8))
    x, context = torch.randn(1, 16, 4, 4), torch.randn(1, 3, 8)
    before = transformer(x, context)
    moved = x.clone()
    moved[:, :, 0, 0] += torch.randn(16)
    assert (transformer(moved, context) - before).abs().amax(dim=(0, 1)).gt(1e-6).all()
    for token in range(3):
        other = context.clone()
        other[:, token] += torch.randn(8)
        assert (transformer(x, other) - before).abs().amax(dim=(0, 1)).gt(1e-6).all()
