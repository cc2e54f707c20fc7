"""Our U-Net and noise schedule as stock classes of diffusers, which need no code of ours."""

import math

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from ...checks import InputError
from ...config import LATENT_SIDE
from ...diffusion.noise_schedule import NoiseSchedule
from ...model.attention import SpatialTransformer
from ...model.unet import Stage, TimedResidualBlock, UNet, frequencies

# diffusers numbers times: n stands for t = (n + 1) / N_TIMES. Steps whose count divides this, such
# as 12, 16, 20, 24 and 25, are ours; others are rounded. Of 1200 times diffusers would make 8 steps
# where 7 are asked for; of 3600 it miscounts from 95 steps on.
N_TIMES = 3600


def betas(schedule: NoiseSchedule) -> list[float]:
    """The noise schedule as diffusers stores it: 1 - alpha_bar(n) / alpha_bar(n - 1).

    diffusers multiplies them up again, each rounded to float32. So that roundings do not add up,
    each beta leads from what the ones before it really give to alpha_bar.
    """
    found, product = [], 1.0
    for alpha_bar in schedule.alpha_bar(torch.arange(1, N_TIMES + 1).double() / N_TIMES).tolist():
        beta = torch.tensor(1 - alpha_bar / product, dtype=torch.float32)
        found.append(beta.item())
        product *= (1 - beta).item()
    return found


def stock_unet(unet: UNet) -> UNet2DConditionModel:
    """A U-Net of diffusers that predicts what ours does, called as

        stock(x_t, n, encoder_hidden_states=context, class_labels=context.mean(dim=1)).sample

    for the number n of a time. It has one more residual block and one more transformer at each
    resolution on the way up than on the way down. The surplus blocks are identities: their last
    layer is zero, and a shortcut selects the first channels. So are transformers that we do not
    have. Ours are, at each resolution:

        down_blocks   0
        up_blocks     1, which takes the skip connection of down 0; at the coarsest resolution 0

    Its transformers add 1e-6 to the variance where they normalise a feature map, ours 1e-5, and no
    option changes that; the predictions of the two differ by rounding anyway, by about as much.
    Raises InputError for channels that do not grow from one resolution to the next.
    """
    channels, levels = unet.config.channels, len(unet.config.channels)
    if any(fine > coarse for fine, coarse in zip(channels, channels[1:])):
        raise InputError(
            "diffusers can express a U-Net whose channels grow from one resolution to the next, "
            f"not {channels}."
        )
    stock = UNet2DConditionModel(**_config(unet)).eval().requires_grad_(False)
    _fill_time(stock, unet)
    _copy(stock.conv_in, unet.conv_in)
    for level in range(levels):
        down, up = stock.down_blocks[level], stock.up_blocks[levels - 1 - level]
        coarsest = level == levels - 1
        for block, ours, at in ((down, unet.down[level], 0), (up, unet.up[level], not coarsest)):
            for i, (residual, transformer) in enumerate(zip(block.resnets, block.attentions)):
                if i == at:
                    _fill_stage(residual, transformer, ours)
                else:
                    _hand_on_residual(residual)
                    _hand_on_transformer(transformer)
        if not coarsest:
            _copy(down.downsamplers[0].conv, unet.downsample[level])
        if level:
            _copy(up.upsamplers[0].conv, unet.upsample[level - 1])
    middle = stock.mid_block
    _fill_stage(middle.resnets[0], middle.attentions[0], unet.mid_1)
    _fill_residual(middle.resnets[1], unet.mid_2)
    _copy(stock.conv_norm_out, unet.norm_out)
    _copy(stock.conv_out, unet.conv_out)
    return stock


def _config(unet: UNet) -> dict:
    config, levels = unet.config, len(unet.config.channels)
    return {
        "sample_size": LATENT_SIDE,
        "in_channels": config.latent_channels,
        "out_channels": config.latent_channels,
        "block_out_channels": config.channels,
        "layers_per_block": [2] * (levels - 1) + [1],
        "down_block_types": ["CrossAttnDownBlock2D"] * levels,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D"] * levels,
        "cross_attention_dim": config.d_context,
        # the number of heads; diffusers called it so once, and keeps the name
        "attention_head_dim": [c // config.d_head for c in config.channels],
        "norm_num_groups": unet.norm_out.num_groups,
        "norm_eps": unet.norm_out.eps,
        "use_linear_projection": True,
        "resnet_time_scale_shift": "scale_shift",
        "time_embedding_type": "fourier",
        "time_embedding_dim": config.d_time,
        "flip_sin_to_cos": True,  # cos first
        "class_embed_type": "simple_projection",  # of the mean token
        "projection_class_embeddings_input_dim": config.d_context,
    }


def _fill_time(stock: UNet2DConditionModel, unet: UNet) -> None:
    """The first layer turns the angles of n into those of n + 1, which is t = (n + 1) / N_TIMES."""
    step = frequencies(unet.config.d_time).double() / N_TIMES
    pi = float(torch.tensor(math.pi, dtype=torch.float32))  # as diffusers multiplies it in
    stock.time_proj.weight.copy_(step / (2 * pi))
    first, _, last = unet.time_embedding
    for_cos, for_sin = first.weight.double().chunk(2, dim=1)
    turned = [
        for_cos * step.cos() + for_sin * step.sin(),
        for_sin * step.cos() - for_cos * step.sin(),
    ]
    stock.time_embedding.linear_1.weight.copy_(torch.cat(turned, dim=1))
    stock.time_embedding.linear_1.bias.copy_(first.bias)
    _copy(stock.time_embedding.linear_2, last)
    _copy(stock.class_embedding, unet.pooled_context)


def _fill_stage(residual: nn.Module, transformer: nn.Module, stage: Stage) -> None:
    _fill_residual(residual, stage.residual)
    if stage.transformer is None:
        _hand_on_transformer(transformer)
    else:
        _fill_transformer(transformer, stage.transformer)


def _fill_residual(stock: nn.Module, block: TimedResidualBlock) -> None:
    _copy(stock.norm1, block.norm_1)
    _copy(stock.conv1, block.conv_1)
    _copy(stock.time_emb_proj, block.time)
    _copy(stock.norm2, block.norm_2)
    _copy(stock.conv2, block.conv_2)
    if stock.conv_shortcut is not None:
        _copy(stock.conv_shortcut, block.skip)


def _fill_transformer(stock: nn.Module, block: SpatialTransformer) -> None:
    _copy(stock.norm, block.norm)
    _copy(stock.proj_in, block.proj_in)
    (layer,) = stock.transformer_blocks
    for norm, attention, our_norm, ours in (
        (layer.norm1, layer.attn1, block.norm_self, block.self_attention),
        (layer.norm2, layer.attn2, block.norm_cross, block.cross_attention),
    ):
        _copy(norm, our_norm)
        _copy(attention.to_q, ours.to_q)
        _copy(attention.to_k, ours.to_k)
        _copy(attention.to_v, ours.to_v)
        _copy(attention.to_out[0], ours.to_out)
    _copy(layer.norm3, block.norm_feed_forward)
    _copy(layer.ff.net[0].proj, block.feed_forward.to_hidden)
    _copy(layer.ff.net[2], block.feed_forward.to_out)
    _copy(stock.proj_out, block.proj_out)


def _hand_on_transformer(transformer: nn.Module) -> None:
    """Make it the identity."""
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)


def _hand_on_residual(residual: nn.Module) -> None:
    """Make it the identity, keeping the first channels."""
    nn.init.zeros_(residual.conv2.weight)
    nn.init.zeros_(residual.conv2.bias)
    if residual.conv_shortcut is not None:
        nn.init.dirac_(residual.conv_shortcut.weight)
        nn.init.zeros_(residual.conv_shortcut.bias)


def _copy(layer: nn.Module, ours: nn.Module) -> None:
    """Weight and bias; where the layer has more output channels than ours, the others are zero."""
    for name, parameter in layer.named_parameters():
        source = getattr(ours, name)
        nn.init.zeros_(parameter)
        parameter[: len(source)].copy_(source)
