"""train.py with small parts: python -m tests.small_training. For tests that start processes."""

import sys

import train
from ldm_core.training import run

from .conftest import small_parts

if __name__ == "__main__":
    run.model_config = small_parts
    sys.exit(train.main())
