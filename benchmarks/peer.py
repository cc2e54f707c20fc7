"""The peer: diffusers' parts of about our widths, used as its users use them."""

from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from ldm_core.model.pixels import to_pixels

GUIDANCE_SCALE = 1.5


class Peer:
    """Its weights are random: speed does not depend on them."""

    def __init__(self):
        self.unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(64, 128),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=128,
            attention_head_dim=(2, 4),  # the number of heads, for historical reasons: 32 wide each
            norm_num_groups=16,
        ).eval()
        vae = AutoencoderKL(
            in_channels=1,
            out_channels=1,
            latent_channels=4,
            block_out_channels=(32, 64, 96),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=16,
        )
        self.vae = vae.eval()
        self.scheduler = DDIMScheduler()
        self.context = torch.randn(2, 4, 128)

    def compiled(self) -> "Peer":
        """The same parts through torch.compile, which works at the first call of each shape."""
        twin = Peer()
        twin.unet = torch.compile(self.unet, dynamic=False)
        twin.decode = torch.compile(self.decode, dynamic=False)
        return twin

    def guided_step(self, x_t: Tensor, t: Tensor = torch.tensor(500)) -> Tensor:  # noqa: B008
        context = self.context.repeat_interleave(len(x_t), 0)
        uncond, cond = self.unet(torch.cat([x_t, x_t]), t, context).sample.chunk(2)
        return uncond + GUIDANCE_SCALE * (cond - uncond)

    def decode(self, z: Tensor) -> Tensor:
        return self.vae.decode(z).sample

    def denoise(self, count: int, steps: int):
        """Yields x_t after each step."""
        self.scheduler.set_timesteps(steps)
        x_t = torch.randn(count, 4, 8, 8)
        for t in self.scheduler.timesteps:
            x_t = self.scheduler.step(self.guided_step(x_t, t), t, x_t).prev_sample
            yield x_t

    def generate(self, count: int, steps: int) -> Tensor:
        *_, x_t = self.denoise(count, steps)
        return to_pixels(self.decode(x_t))

    def animation(self, steps: int, path: Path) -> None:
        frames = []
        for x_t in self.denoise(1, steps):
            picture = Image.fromarray(to_pixels(self.decode(x_t))[0].numpy())
            frames.append(picture.resize((224, 224), Image.Resampling.NEAREST).convert("RGB"))
        diffusers.utils.export_to_gif(frames, str(path))
