from pathlib import Path

import pytest

from tests.golden.checkpoints import write_checkpoints


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the models in the published format."""
    return write_checkpoints(tmp_path_factory.mktemp("published"))
