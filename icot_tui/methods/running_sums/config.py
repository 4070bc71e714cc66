"""The section `[running_sums]`."""

from icot_tui.config.sections import Above, Positive, Section


class RunningSumsConfig(Section):
    """Linear heads that regress running sums while products are learnt without a chain."""

    weight: Above = 1.0
    """Of their mean squared error, over the variance of all running sums, beside the nats."""
    layer: Positive | None = None
    """The block whose attention they read, from 1 on; empty: the last one."""
    heads: Positive = 2
    """How many of its attention heads, from the first on, are read, each by itself."""
