"""Many visitors of the page at the same moment: python -m benchmarks.load.

They press Generate together, and read their streams to the end. They live in a process of their
own, on the same machine as the server, and take a share of its time.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from .server import PAGE, ROOT, Server, serving

STEPS = 12
TIMEOUT_S = 300
BUSY = 503
# The same page where each run has its own passes.
APART = (
    "import demo.app as app, demo.run as run; run.SharedBackend = lambda backend: backend; "
    "run.in_turn = lambda steps: steps; run.Runner.close = lambda runner: None; app.main()"
)


Visit = Callable[[httpx.AsyncClient, str, int], Awaitable[float]]


class Busy(Exception):
    """The server has no place for a run."""


async def pictures_of(client: httpx.AsyncClient, url: str, asked: dict) -> AsyncIterator[list]:
    """Press Generate on the page: what its stream says of each step, as it comes."""
    async with client.stream("POST", f"{url}engine/denoise", json=asked) as answer:
        if answer.status_code == BUSY:
            raise Busy
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                said = json.loads(line.removeprefix("data: "))
                assert "error" not in said, said
                for picture in said.get("pictures", []):
                    yield picture


async def visit(client: httpx.AsyncClient, url: str, seed: int) -> float:
    """See all steps of a run; the seconds until the first picture."""
    begun, first, frames = time.perf_counter(), 0.0, 0
    asked = {"label": str(seed % 10), "steps": STEPS, "seed": seed}
    async for _ in pictures_of(client, url, asked):
        first, frames = first or time.perf_counter() - begun, frames + 1
    assert frames == STEPS + 1, frames
    return first


async def script(client: httpx.AsyncClient, url: str, seed: int) -> float:
    """Call /generate as a script does, which gets everything at the end."""
    begun, call = time.perf_counter(), f"{url}gradio_api/call/v2/generate"
    asked = {"label": str(seed % 10), "steps": STEPS, "seed": seed}
    answer = await client.post(call, json=asked)
    if answer.status_code == BUSY:
        raise Busy
    answer.raise_for_status()
    event = answer.json()["event_id"]
    said = (await client.get(f"{url}gradio_api/call/generate/{event}")).text
    if "event: error" in said and "busy" in said:
        raise Busy
    assert "event: complete" in said, said
    return time.perf_counter() - begun


@dataclass
class Found:
    """What came of some presses."""

    served_per_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)  # of each visitor
    took_s: list[float] = field(default_factory=list)  # of each round
    refused: int = 0
    server_s: float = 0.0  # of processor time, in all
    peak_mb: float = 0.0

    @property
    def served(self) -> int:
        return len(self.first_s)

    def slowest(self) -> float:
        """The first picture of the slowest 5%: all but these had theirs by then."""
        return sorted(self.first_s)[min(self.served - 1, int(0.95 * self.served))]

    def cells(self, idle_mb: float) -> list[str]:
        return [
            f"{statistics.median(self.served_per_s):.1f}",
            f"{self.refused} of {self.refused + self.served}",
            f"{self.slowest() * 1000:.0f} ms",
            f"{1000 * self.server_s / self.served:.0f} ms",
            f"{self.peak_mb / idle_mb:.2f} of {idle_mb:.0f} MB",
        ]


async def press(server: Server, count: int, visit: Visit, seed: int, found: Found) -> None:
    """So many press at once, and read to the end."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
        server.forget_peak()
        began, server_s = time.perf_counter(), server.processor_s()

        async def one(n: int) -> float | None:
            with contextlib.suppress(Busy):
                return await visit(client, server.url, seed + n)

        firsts = await asyncio.gather(*map(one, range(count)))
        took = time.perf_counter() - began
    served = [first for first in firsts if first is not None]
    found.first_s += served
    found.refused += count - len(served)
    found.took_s.append(took)
    found.served_per_s.append(len(served) / took)
    found.server_s += server.processor_s() - server_s
    found.peak_mb = max(found.peak_mb, server.memory_mb("VmHWM"))


def machine_s() -> float:
    """The processor time of all programs on this machine so far, idle time left out."""
    cpu = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(cpu[:8]) - cpu[3] - cpu[4]) / os.sysconf("SC_CLK_TCK")


def measure(
    servers: Mapping[str, Server], counts: Sequence[int], scripts: int, rounds: int
) -> dict[str, dict[str, Found]]:
    """Print a table; returns what was found, by what pressed and by server. They take turns."""
    idle_mb = {}
    for name, server in servers.items():
        for _ in range(3):
            asyncio.run(press(server, 1, visit, 1, Found()))
            asyncio.run(press(server, 1, script, 1, Found()))
        idle_mb[name] = server.memory_mb()
    columns = "served a second", "refused", "first picture, slowest 5%", "server's time a run"
    print("| at once | page | " + " | ".join([*columns, "peak memory against idle"]) + " |")
    print("|---" * 7 + "|")
    found, seeds = {}, itertools.count(0, 1000)  # nobody asks for what was asked for before
    kinds = [(f"{n} visitor{'s' * (n > 1)}", n, visit) for n in counts]
    kinds += [(f"{scripts} scripts", scripts, script)] if scripts else []
    for kind, count, visitor in kinds:
        found[kind] = {name: Found() for name in servers}
        for _ in range(rounds * (10 if count == 1 else 1)):
            seed = next(seeds)
            for name, server in servers.items():
                asyncio.run(press(server, count, visitor, seed, found[kind][name]))
        for name, one in found[kind].items():
            print(f"| {kind} | {name} | " + " | ".join(one.cells(idle_mb[name])) + " |", flush=True)
    return found


def compare(found: dict, ours: str, other: str) -> None:
    """Print ratios, round by round: throughput, and how long one visitor alone waits."""
    for name, of in found.items():
        pairs = zip(of[ours].served_per_s, of[other].served_per_s)
        faster = statistics.median(own / theirs for own, theirs in pairs)
        print(f"{name}: {faster:.2f} times as many a second as {other}", end="")
        first = statistics.median(of[ours].first_s) / statistics.median(of[other].first_s)
        print(f", the first picture after {first:.2f} of the time")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, default=ROOT / "weights")
    add("--visitors", type=int, nargs="+", default=[1, 5, 15, 50, 150])
    add("--scripts", type=int, default=50, help="that call /generate at once (50); 0 for none")
    add("--rounds", type=int, default=3, help="presses of each kind; ten times as many of one")
    add("--base", type=Path, help="another checkout of this repository, which takes turns")
    args = parser.parse_args()
    pages = {
        "shared": (PAGE, ROOT, args.weights),
        "not shared": (APART, ROOT, args.weights),
    }
    if args.base:
        pages["base"] = (PAGE, args.base.resolve(), args.base / "weights")
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(code, "--weights", weights.resolve(), tree=tree))
            for name, (code, tree, weights) in pages.items()
        }
        used = lambda: (
            machine_s() - time.process_time() - sum(s.processor_s() for s in servers.values())
        )
        began, before = time.perf_counter(), used()
        found = measure(servers, args.visitors, args.scripts, args.rounds)
        others = (used() - before) / (time.perf_counter() - began)
    print(f"Other programs took {others:.2f} cores of {os.cpu_count()} meanwhile.")
    for other in list(pages)[1:]:
        compare(found, "shared", other)


if __name__ == "__main__":
    main()
