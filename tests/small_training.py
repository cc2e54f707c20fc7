"""train.py with small parts, for tests that start processes: python -m tests.small_training."""

import sys

import pytest

import train

from .conftest import train_small


def main(arguments: list[str] | None = None) -> int:
    train_small(pytest.MonkeyPatch())
    return train.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
