import platform

import pytest
import torch

from ldm_core.training.memory import keep_freed_memory

PIECES, NUMBERS = 40, 750_000  # 120 MB in all


def pages_of_a_step() -> int:
    """Pages that the kernel provides where many tensors live together and are freed together."""
    import resource  # not on Windows

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(NUMBERS) for _ in range(PIECES)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it does nothing elsewhere")
def test_freed_memory_is_used_again():
    keep_freed_memory()
    for _ in range(3):  # until every hole that they leave fits the next
        pages_of_a_step()
    assert pages_of_a_step() < 100  # of about 29,000
