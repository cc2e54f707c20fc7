import platform
import subprocess
import sys

import pytest

# In a process of its own: other tests leave holes in the memory of this one, which are used first.
PAGES_OF_STEPS = """
import resource
import torch
from ldm_core.training.memory import keep_freed_memory

PIECES, NUMBERS = 40, 750_000  # 120 MB in all

def pages_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(NUMBERS) for _ in range(PIECES)]  # live together, and are freed together
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(pages_of_a_step(), pages_of_a_step())
keep_freed_memory()
for _ in range(3):  # until every hole that they leave fits the next
    pages_of_a_step()
print(pages_of_a_step())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it does nothing elsewhere")
def test_freed_memory_is_used_again():
    """Counts the pages that the kernel provides."""
    run = [sys.executable, "-c", PAGES_OF_STEPS]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    first, again, kept = map(int, said.split())
    assert first > 20_000 and again > 20_000, "without it each step takes new pages"
    assert kept < 100
