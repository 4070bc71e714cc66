"""The run that most tests look at, or go on with."""

import pytest

from tests.methods.distillation.runs import distilled
from tests.tiny import train_new


@pytest.fixture(scope="package")
def whole(tmp_path_factory):
    return train_new(tmp_path_factory.mktemp("whole"), distilled())
