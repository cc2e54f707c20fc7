"""Runs in a row, for hours if you like: python -m benchmarks.soak.

Visitors press Generate again and again; many leave, stop or reload before the end. The memory of
the server must stay flat, every picture must be the one of its seed, and no file may be left.
"""

import argparse
import asyncio
import base64
import random
import time
from collections import Counter
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from ldm_core import LatentDiffusion

from .load import TIMEOUT_S, Busy, pictures_of
from .server import PAGE, ROOT, Server, serving

SEEDS = range(20_000, 20_040)
SAMPLERS = ("dpmpp_2m", "ddim", "unipc", "dpmpp_2m_sde", "heun")
LOOKS = 200  # at the memory, during a soak


def requests(count: int = len(SEEDS)) -> list[dict]:
    """Requests of all kinds; each is drawn many times."""
    draw = random.Random(0)
    return [
        {
            "label": str(seed % 10),
            "steps": draw.choice((4, 8, 12)),
            "sampler": draw.choice(SAMPLERS),
            "guidance_scale": draw.choice((1.0, 2.0, 3.3)),
            "seed": seed,
        }
        for seed in SEEDS[:count]
    ]


def pictures(model: LatentDiffusion, asked: list[dict]) -> list[np.ndarray]:
    """The picture of each request, drawn alone."""
    drawn = []
    for request in asked:
        options = {name: value for name, value in request.items() if name not in ("label", "seed")}
        drawn.append(
            model.generate([int(request["label"])], seeds=[request["seed"]], **options)[0].numpy()
        )
    return drawn


@dataclass
class Soak:
    """What has happened. apart: of finished runs, by the largest difference in grey levels."""

    server: Server
    asked: list[dict]
    wanted: list[np.ndarray]
    runs: int
    begun: int = 0
    ended: Counter = field(default_factory=Counter)
    apart: Counter = field(default_factory=Counter)
    memory: list[tuple[int, float]] = field(default_factory=list)  # runs begun, MB
    took_s: float = 0.0

    async def go(self, visitors: int, seed: int) -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
            every = [self._visitor(client, random.Random(seed + n)) for n in range(visitors)]
            await asyncio.gather(*every)

    def look(self) -> None:
        self.memory.append((self.begun, self.server.memory_mb()))

    async def _visitor(self, client: httpx.AsyncClient, draw: random.Random) -> None:
        """Press again and again. One in three leaves at some step; that a page is reloaded, or
        somebody presses Stop or closes it, is the same to a server: the stream is closed."""
        while self.begun < self.runs:
            if self.begun % max(1, self.runs // LOOKS) == 0:
                self.look()
            self.begun += 1
            which = draw.randrange(len(self.asked))
            leaves = draw.random() < 1 / 3
            after = draw.randrange(self.asked[which]["steps"]) if leaves else None
            self.ended[await self._run(client, which, after)] += 1

    async def _run(self, client: httpx.AsyncClient, which: int, after: int | None) -> str:
        asked, seen = self.asked[which], []
        try:
            async with aclosing(pictures_of(client, self.server.url, asked)) as steps:
                async for step in steps:
                    seen.append(step)
                    if after is not None and len(seen) > after:
                        return "left"
        except Busy:
            return "refused"
        assert len(seen) == asked["steps"] + 1, len(seen)
        self.apart[self._difference(which, seen[-1][3])] += 1
        return "finished"

    def _difference(self, which: int, text: str) -> int:
        found = np.frombuffer(base64.b64decode(text), np.uint8).reshape(self.wanted[which].shape)
        return int(np.abs(found.astype(int) - self.wanted[which]).max())

    def report(self) -> None:
        (_, first), *_, (_, last) = self.memory
        print(f"{self.begun} runs in {self.took_s:.0f} s: {dict(self.ended)}")
        print(f"largest difference of a finished picture in grey levels: {dict(self.apart)}")
        low, high = (of(mb for _, mb in self.memory) for of in (min, max))
        print(f"memory {low:.0f} to {high:.0f} MB, {first:.0f} at first, {last:.0f} at last")
        print(f"files left: {self.server.left or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, default=ROOT / "weights")
    add("--runs", type=int, default=20_000)
    add("--visitors", type=int, default=20, help="at once (20)")
    args = parser.parse_args()
    soak(args.weights, args.runs, args.visitors).report()


def soak(weights: Path, runs: int, visitors: int) -> Soak:
    """Let visitors run so many runs on a page of its own; Ctrl-C ends it before."""
    asked = requests()
    wanted = pictures(LatentDiffusion.load(weights), asked)
    with serving(PAGE, "--weights", weights.resolve()) as server:
        found = Soak(server, asked, wanted, runs)
        began = time.monotonic()
        with suppress(KeyboardInterrupt):
            asyncio.run(found.go(visitors, seed=0))
        found.took_s = time.monotonic() - began
        found.look()
    return found


if __name__ == "__main__":
    main()
