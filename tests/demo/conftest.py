import pytest
from demo.runs import Runner


@pytest.fixture
def runner(label_model, tmp_path):
    return Runner(label_model, tmp_path)
