"""The whole chain of thought: what the model wrote, and ghosts for its hidden tokens."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ChainToken:
    """One position of the chain of thought.

    text         the token's text; a ghost's is that of the correct chain of thought
    written      did the model write it? Otherwise it is a ghost: hidden at this stage
    place        its index in the correct chain of thought; None for what goes beyond it
    probability  of the written token; None for ghosts
    expected     the correct token there; None where it is not known
    """

    text: str
    written: bool
    place: int | None
    probability: float | None = None
    expected: str | None = None

    @property
    def right(self) -> bool | None:
        """Is the written token correct? None for ghosts and where that is unknown."""
        if not self.written or self.place is None or self.expected is None:
            return None
        return self.text.strip() == self.expected.strip()


def whole_chain(
    written: Sequence[str],
    probabilities: Sequence[float],
    explicit: Sequence[str] | None,
    hidden: Sequence[int],
) -> tuple[ChainToken, ...]:
    """Written tokens and ghosts in the order of the correct chain of thought.

    Written tokens take the places that are not hidden, one after another. What the model writes
    beyond them follows the last such place; where it writes fewer, nothing is shown.

    Args:
        written: [W] texts of the chain-of-thought tokens that the model wrote.
        probabilities: [W] their probabilities.
        explicit: [m] texts of the correct chain; None where it is not known.
        hidden: indices in it that the stage removes.
    """
    own = [
        ChainToken(text, True, None, chance)
        for text, chance in zip(written, probabilities, strict=True)
    ]
    if explicit is None:
        return tuple(own)
    gone = set(hidden)
    kept = [place for place in range(len(explicit)) if place not in gone]
    last_kept = kept[-1] if kept else len(explicit) - 1
    chain: list[ChainToken] = []
    for place, text in enumerate(explicit):
        if place in gone:
            chain.append(ChainToken(text, False, place))
        elif own:
            chain.append(_placed(own.pop(0), place, text))
        if place == last_kept:
            chain += own
            own = []
    return (*chain, *own)


def _placed(token: ChainToken, place: int, expected: str) -> ChainToken:
    return ChainToken(token.text, True, place, token.probability, expected)
