import pytest

from demo.runs import Runner


@pytest.fixture
def runner(small_model, tmp_path):
    return Runner(small_model, tmp_path)
