"""A page in a process of its own, on this machine."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hosting.trial import free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
PAGE = "from demo.app import main; main()"
CLEAR_PEAK = "5"  # what /proc/PID/clear_refs takes to forget the peak of a process


@dataclass
class Server:
    """left: files that it left behind, known once it has ended."""

    url: str
    process: subprocess.Popen
    left: list[Path] = field(default_factory=list)

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
def serving(code: str, *options: str | Path, tree: Path = ROOT) -> Iterator[Server]:
    """Run Python code that serves a page, with --port and these options, while the block runs.

    tree: the checkout of this repository that it imports. Nothing is left of it.
    """
    port = free_port()
    line = [sys.executable, "-c", code, "--port", str(port), *map(str, options)]
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        environment = os.environ | {"GRADIO_TEMP_DIR": folder, "PYTHONPATH": str(tree)}
        environment |= {"GRADIO_ANALYTICS_ENABLED": "False"}
        process = subprocess.Popen(line, cwd=tree, env=environment, stdout=nowhere)
        server = Server(f"http://127.0.0.1:{port}/", process)
        try:
            wait_for(server.url, process)
            yield server
        finally:
            process.terminate()
            process.wait(20)
            server.left += [path for path in Path(folder).rglob("*") if path.is_file()]
