"""ldm_core.sample with shards of 4 images: python -m tests.small_shards. For tests that start
processes."""

import sys

from ldm_core import sample
from ldm_core.output import shards

if __name__ == "__main__":
    shards.SHARD = 4
    sys.exit(sample.main())
