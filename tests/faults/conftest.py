"""The run that tests put something odd into."""

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.faults.foreign import stopped_run


@pytest.fixture(scope="package")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return stopped_run(tmp_path_factory.mktemp("stopped"))
