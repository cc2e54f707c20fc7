"""Many visitors of the page at the same moment: python -m benchmarks.load.

They press Generate together, and read their streams to the end. They live in a process of their
own, on the same machine as the server, so they take a share of its time, which the table shows.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from hosting.trial import free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
STEPS = 12
TIMEOUT_S = 300
BUSY = 503
CLEAR_PEAK = "5"  # what /proc/PID/clear_refs takes to forget the peak of a process
SHARED = "from demo.app import main; main()"
# The same page where each run has its own passes.
APART = (
    "import demo.app as app, demo.run as run; run.SharedBackend = lambda backend: backend; "
    "run.in_turn = lambda steps: steps; run.Runner.close = lambda runner: None; app.main()"
)


Visit = Callable[[httpx.AsyncClient, str, int], Awaitable[float | None]]


async def visit(client: httpx.AsyncClient, url: str, seed: int) -> float | None:
    """Press Generate on the page and see all steps; the seconds until the first picture, None if
    the server was too busy."""
    begun, first, frames = time.perf_counter(), 0.0, 0
    asked = {"label": str(seed % 10), "steps": STEPS, "seed": seed}
    async with client.stream("POST", f"{url}engine/denoise", json=asked) as answer:
        if answer.status_code == BUSY:
            return None
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: ") and (steps := json.loads(line[6:]).get("pictures")):
                first, frames = first or time.perf_counter() - begun, frames + len(steps)
    assert frames == STEPS + 1, frames
    return first


async def script(client: httpx.AsyncClient, url: str, seed: int) -> float | None:
    """Call /generate as a script does, which gets everything at the end."""
    begun, call = time.perf_counter(), f"{url}gradio_api/call/v2/generate"
    asked = {"label": str(seed % 10), "steps": STEPS, "seed": seed}
    answer = await client.post(call, json=asked)
    if answer.status_code == BUSY:
        return None
    answer.raise_for_status()
    event = answer.json()["event_id"]
    said = (await client.get(f"{url}gradio_api/call/generate/{event}")).text
    if "event: error" in said and "busy" in said:
        return None
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
    client_s: float = 0.0
    peak_mb: float = 0.0

    @property
    def served(self) -> int:
        return len(self.first_s)

    def slowest(self) -> float:
        """The first picture of the slowest 5%: all but these had theirs by then."""
        return sorted(self.first_s)[min(self.served - 1, int(0.95 * self.served))]


@dataclass
class Server:
    """A page in a process of its own."""

    name: str
    url: str
    process: subprocess.Popen
    visit: Visit
    idle_mb: float = 0.0
    left: list[Path] = field(default_factory=list)  # of its files, once it has ended

    def processor_s(self) -> float:
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = after_name.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, what: str = "VmRSS") -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(what)]
        return int(line.split()[1]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text(CLEAR_PEAK)


@contextlib.contextmanager
def serving(name: str, tree: Path, code: str, weights: Path, visit: Visit) -> Iterator[Server]:
    """A page of a checkout, while the block runs; nothing is left of it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    line = ["--port", str(port), "--weights", str(weights.resolve())]
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        environment = os.environ | {"GRADIO_TEMP_DIR": folder, "PYTHONPATH": str(tree)}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *line], cwd=tree, env=environment, stdout=nowhere
        )
        server = Server(name, url, process, visit)
        try:
            wait_for(url, process)
            yield server
        finally:
            process.terminate()
            process.wait(20)
            server.left += [path for path in Path(folder).rglob("*") if path.is_file()]


async def press(server: Server, count: int, visit: Visit, seed: int, found: Found) -> None:
    """So many press at once, and read to the end."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False) as client:
        server.forget_peak()
        began, server_s, client_s = time.perf_counter(), server.processor_s(), _own_s()
        visits = [visit(client, server.url, seed + n) for n in range(count)]
        firsts = await asyncio.gather(*visits)
        took = time.perf_counter() - began
    served = [first for first in firsts if first is not None]
    found.first_s += served
    found.refused += count - len(served)
    found.took_s.append(took)
    found.served_per_s.append(len(served) / took)
    found.server_s += server.processor_s() - server_s
    found.client_s += _own_s() - client_s
    found.peak_mb = max(found.peak_mb, server.memory_mb("VmHWM"))


def machine_s() -> float:
    """The processor time of all programs on this machine so far, idle time left out."""
    cpu = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    return (sum(cpu[:8]) - cpu[3] - cpu[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(servers: Sequence[Server], counts: Sequence[int], scripts: int, rounds: int) -> dict:
    """Print a table; returns what was found, by what pressed and by server. They take turns."""
    for server in servers:
        for _ in range(3):
            asyncio.run(press(server, 1, server.visit, 1, Found()))
            asyncio.run(press(server, 1, script, 1, Found()))
        server.idle_mb = server.memory_mb()
    columns = "served a second", "refused", "first picture, slowest 5%", "server's time a run"
    columns += "visitors' time a run", "peak memory against idle"
    print("| at once | page | " + " | ".join(columns) + " |\n|---" + "|---" * 7 + "|")
    found, seeds = {}, itertools.count(0, 1000)  # nobody asks for what was asked for before
    kinds = [(f"{n} visitor{'s' * (n > 1)}", n, None) for n in counts]
    kinds += [(f"{scripts} scripts", scripts, script)] if scripts else []
    for name, count, visitor in kinds:
        found[name] = {server.name: Found() for server in servers}
        for _ in range(rounds * (10 if count == 1 else 1)):
            seed = next(seeds)
            for server in servers:
                one = found[name][server.name]
                asyncio.run(press(server, count, visitor or server.visit, seed, one))
        for server in servers:
            _print_row(name, server, found[name][server.name], is_script=visitor is not None)
    return found


def _print_row(name: str, server: Server, found: Found, is_script: bool) -> None:
    first = f"{found.slowest() * 1000:.0f} ms"
    cells = [
        f"{statistics.median(found.served_per_s):.1f}",
        f"{found.refused} of {found.refused + found.served}",
        f"({first} for all)" if is_script else first,
        f"{1000 * found.server_s / found.served:.0f} ms",
        f"{1000 * found.client_s / found.served:.0f} ms",
        f"{found.peak_mb / server.idle_mb:.2f} of {server.idle_mb:.0f} MB",
    ]
    print(f"| {name} | {server.name} | " + " | ".join(cells) + " |", flush=True)


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
    add("--base-visit", type=Path, help="a Python file with its `visit`, if it is not as here")
    add("--only-shared", action="store_true", help="leave out the page whose passes are not shared")
    args = parser.parse_args()
    pages = {"shared": (ROOT, SHARED, visit)}
    if not args.only_shared:
        pages["not shared"] = (ROOT, APART, visit)
    if args.base:
        theirs = runpy.run_path(str(args.base_visit))["visit"] if args.base_visit else visit
        pages["base"] = (args.base.resolve(), SHARED, theirs)
    with contextlib.ExitStack() as stack:
        servers: list[Server] = []
        for name, (tree, code, how) in pages.items():
            weights = args.weights if tree == ROOT else tree / "weights"
            servers.append(stack.enter_context(serving(name, tree, code, weights, how)))
        used = lambda: machine_s() - _own_s() - sum(server.processor_s() for server in servers)
        began, before = time.perf_counter(), used()
        found = measure(servers, args.visitors, args.scripts, args.rounds)
        others = (used() - before) / (time.perf_counter() - began)
    print(f"Other programs took {others:.2f} cores of {os.cpu_count()} meanwhile.")
    for other in list(pages)[1:]:
        compare(found, "shared", other)


if __name__ == "__main__":
    main()
