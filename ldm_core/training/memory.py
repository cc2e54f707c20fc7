"""What the C library does with memory that is freed."""

import ctypes
import platform

# The names and numbers of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Keep freed memory for what is allocated next, up to 2 GiB; with glibc, else do nothing.

    A training step frees all its activations and the next asks for as much again. By default
    glibc returns them to the kernel in between, which then has to clear every page anew: a sixth
    of a step's time on two cores.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)  # the most that every release accepts
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
