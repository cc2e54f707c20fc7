"""train.py with small parts: python -m tests.small_training. For tests that start processes."""

import dataclasses
import sys

import train
from ldm_core import training_run
from ldm_core.config import ConditioningConfig, ModelConfig

from .conftest import SMALL


def small_parts(class_names: tuple[str, ...]) -> ModelConfig:
    return dataclasses.replace(SMALL, conditioning=ConditioningConfig(class_names))


if __name__ == "__main__":
    training_run.model_config = small_parts
    sys.exit(train.main())
