"""Four families in every test run; all of them by tests/families/matrix.py."""

import pytest

from icot_tui.errors import UserError
from tests.families.features import FEATURES, Family

CHOSEN = ("bloom", "mamba", "minimax", "qwen3_next")
"""No positions; a state space; a cache that can't be used; linear and full attention."""


@pytest.fixture(scope="module", params=CHOSEN)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return Family(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_a_family_is_right_or_refused(family: Family, feature: str) -> None:
    if (family.name, feature) == ("minimax", "bf16"):  # transformers 5.23 mixes formats in it
        with pytest.raises(UserError, match="cannot have weights in bfloat16"):
            family.bf16()
    else:
        getattr(family, feature)()
