"""The section of the papers' GPT-3.5 and GPT-4 rows: a model that is asked, and never trained."""

from typing import Annotated, Any, Literal

from pydantic import Field

from icot_tui.config.sections import FILE_OR_NAME, Count, Positive, Section


class PromptedConfig(Section):
    """A model that is prompted with worked examples, and trained on nothing."""

    model: Annotated[str, FILE_OR_NAME, Field(min_length=1)]
    """Folder or hub name of a causal language model, or the name that the endpoint knows."""
    endpoint: Annotated[str, Field(pattern="^https?://[^/@]+(/.*)?$")] | None = None
    """Base URL of an OpenAI-compatible endpoint; empty: the model runs here."""
    key_variable: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$|^$")] = "OPENAI_API_KEY"
    """Environment variable with the endpoint's key; "" where it wants none."""
    shots: Count = 5
    """Worked examples in each prompt, drawn from the training split by the run's seed."""
    cot: bool = False
    """Show their chains of thought, and let the model write its own."""
    form: Literal["human", "raw"] = "human"
    """human: numbers as people write them; raw: as the trained models see them."""
    examples: Positive | None = None
    """Ask only this many held-out examples, the first ones; empty: all of them."""
    max_new_tokens: Positive = 512
    """Most tokens of an answer, its chain of thought included."""
    batch_size: Positive = 8
    """Questions at a time: requests in flight, or rows of a forward pass."""
    options: dict[str, Any] = {"temperature": 0}
    """Further fields of each request to an endpoint."""
    retries: Count = 5
    """How often a failed request is sent again, ever more slowly."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """How long an endpoint may take for an answer."""
    max_requests: Positive = 2000
    """Budget of an endpoint: most answers, those kept from earlier runs included."""
    max_tokens: Positive = 2_000_000
    """Budget of an endpoint: stop once it has counted this many tokens, read and written."""
