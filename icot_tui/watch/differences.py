"""Where the configs of runs differ."""

from collections.abc import Mapping, Sequence
from typing import Any


def differing_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The dotted keys whose values are not the same in all configs, in the configs' order."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key for key in keys if any(config.get(key) != configs[0].get(key) for config in configs)
    ]
