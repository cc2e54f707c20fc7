"""Speed beside a peer, in one run: python -m benchmarks (or make bench).

The peer is diffusers, eager, as its users run it: a UNet2DConditionModel and an AutoencoderKL of
about these widths, DDIM. Pairs of runs, ours and theirs in turn, so that a machine whose speed
drifts slows both; the ratio is taken pair by pair.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image

from ldm_core import LatentDiffusion
from ldm_core.animation import write_gif
from ldm_core.datasets import to_pixels

STEPS, GUIDANCE_SCALE = 25, 1.5
RESULTS = Path(__file__).parent / "results" / "latest.json"


class Peer:
    """diffusers' parts of about our widths, with random weights: speed does not depend on them."""

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
        self.vae = AutoencoderKL(
            in_channels=1,
            out_channels=1,
            latent_channels=4,
            block_out_channels=(32, 64, 96),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=16,
        ).eval()
        self.scheduler = DDIMScheduler()
        self.context = torch.randn(2, 4, 128)

    def guided_step(self, x_t: torch.Tensor, t: int = 500) -> torch.Tensor:
        doubled = self.unet(torch.cat([x_t, x_t]), t, self.context.repeat_interleave(len(x_t), 0))
        uncond, cond = doubled.sample.chunk(2)
        return uncond + GUIDANCE_SCALE * (cond - uncond)

    def animation(self, path: Path) -> None:
        self.scheduler.set_timesteps(STEPS)
        x_t, frames = torch.randn(1, 4, 8, 8), []
        for t in self.scheduler.timesteps:
            x_t = self.scheduler.step(self.guided_step(x_t, t), t, x_t).prev_sample
            picture = Image.fromarray(to_pixels(self.vae.decode(x_t).sample)[0].numpy())
            frames.append(picture.resize((224, 224), Image.Resampling.NEAREST).convert("RGB"))
        diffusers.utils.export_to_gif(frames, str(path))


class Ours:
    def __init__(self, weights: Path):
        self.model = LatentDiffusion.load(weights)
        self.context = torch.randn(2, 4, self.model.config.unet.d_context)

    def guided_step(self, x_t: torch.Tensor) -> torch.Tensor:
        t = x_t.new_full((2 * len(x_t),), 0.5)
        context = self.context.repeat_interleave(len(x_t), 0)
        cond, uncond = self.model.unet(torch.cat([x_t, x_t]), t, context).chunk(2)
        return uncond + GUIDANCE_SCALE * (cond - uncond)

    def animation(self, path: Path) -> None:
        model, seeds = self.model, [0]
        frames = [model.decode(model.starting_noise(seeds))[0]]
        steps = model.denoise([7], seeds=seeds, steps=STEPS, sampler="ddim")
        frames += [model.decode(step.x_t)[0] for step in steps]
        write_gif(path, torch.stack(frames).numpy(), settings={}, scale=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--pairs", type=int, default=20, help="of runs, for each row")
    args = parser.parse_args()
    ours, peer = Ours(args.weights), Peer()
    one, many, latents = (torch.randn(n, 4, 8, 8) for n in (1, 64, 50))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        gif = Path(folder) / "a.gif"
        rows = {
            "guided step, 1 image": (lambda: ours.guided_step(one), lambda: peer.guided_step(one)),
            "guided step, 64 images": (
                lambda: ours.guided_step(many),
                lambda: peer.guided_step(many),
            ),
            "decode 50 latents": (
                lambda: ours.model.vae.decode(latents),
                lambda: peer.vae.decode(latents),
            ),
            f"{STEPS}-step animation, every step decoded, GIF written": (
                lambda: ours.animation(gif),
                lambda: peer.animation(gif),
            ),
        }
        figures = {name: compare(*pair, args.pairs) for name, pair in rows.items()}
    about = {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "pairs": args.pairs,
    }
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    print("| | ours | diffusers | ratio: median (min to max) |\n|---|---|---|---|")
    for name, row in figures.items():
        print(
            f"| {name} | {row['ours_ms']:.1f} ms | {row['peer_ms']:.1f} ms | "
            f"{row['ratio']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f}) |"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(about | {"rows": figures}, indent=1))


def compare(ours: Callable, peer: Callable, pairs: int) -> dict[str, float]:
    """Median times in ms, and the ratio peer / ours pair by pair: above 1, ours is faster."""
    for _ in range(2):  # the first runs allocate and choose kernels
        ours(), peer()
    times = [(seconds(ours), seconds(peer)) for _ in range(pairs)]
    ratios = [theirs / own for own, theirs in times]
    return {
        "ours_ms": 1000 * statistics.median(own for own, _ in times),
        "peer_ms": 1000 * statistics.median(theirs for _, theirs in times),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def seconds(call: Callable) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
