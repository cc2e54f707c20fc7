"""ldm_core.sample with shards of 4 images, for tests that start processes."""

from ldm_core import sample
from ldm_core.output import shards


def main(arguments: list[str]) -> int:
    shards.SHARD = 4
    return sample.main(arguments)
