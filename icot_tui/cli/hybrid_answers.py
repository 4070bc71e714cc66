"""`icot-tui ask --write-until`: answers with as much chain of thought as the model needs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from icot_tui.cli.answer_table import print_answers
from icot_tui.cli.console import print_json, print_table, spinner
from icot_tui.formatting import confidence, short_percent

if TYPE_CHECKING:
    from rich.text import Text

    from icot_tui.analysis.hybrid import BudgetOutcome, HybridAnswer
    from icot_tui.analysis.loaded_model import LoadedModel


def ask_until_sure(
    models: "Sequence[LoadedModel]",
    texts: Sequence[str],
    raw: bool,
    threshold: float,
    budgets: Sequence[int] | None,
    json: bool,
) -> None:
    """Ask every checkpoint, and print each answer, then what all of them took."""
    from icot_tui.analysis.budget import check_mixed
    from icot_tui.analysis.hybrid import BudgetOutcome, ask_until, budget_ladder

    for model in models:
        check_mixed(model)
    by_model = []
    with spinner("asking") as say:
        for model in models:
            questions = [model.reader.read(text, raw) for text in texts]
            tried = budget_ladder(model, questions, budgets)
            by_model.append(ask_until(model, questions, threshold, tried, say))
    outcomes = [BudgetOutcome.of_answers(found) for found in by_model]
    for text, *found in zip(texts, *by_model, strict=True):
        if json:
            print_json({"question": text, "answers": [one.as_json() for one in found]})
        else:
            print_answers(text, [one.answer for one in found], [_rows(one) for one in found])
    labels = [model.label for model in models]
    if json:
        for label, outcome in zip(labels, outcomes, strict=True):
            totals = {"checkpoint": label, "threshold": threshold} | outcome.as_json()
            print_json({"total": totals})
    elif len(texts) > 1:
        columns = [dict(_totals(outcome)) for outcome in outcomes]
        rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
        print_table(("", *labels), rows, f"all {len(texts):,} questions")


def _rows(found: "HybridAnswer") -> "dict[str, Text]":
    from rich.text import Text

    tries = [f"{one.budget}: sure {confidence(one.answer.confidence)}" for one in found.tries]
    decoded = f"{found.written_in_all} written, {found.decoded_in_all} tokens"
    return {"budgets tried": Text(", ".join(tries)), "in all tries": Text(decoded)}


def _totals(outcome: "BudgetOutcome") -> Iterator[tuple[str, str]]:
    share, low, high = outcome.exact_match, outcome.low, outcome.high
    known = f"{outcome.right:,} of {outcome.known:,}"
    if share is not None and low is not None and high is not None:
        known = f"{short_percent(share)} ({known})"
        yield "exact match", known
        yield "95 % interval", f"{short_percent(low)} to {short_percent(high)}"
    else:
        yield "exact match", "no correct answer is known"
        yield "95 % interval", ""
    yield "written, mean", f"{outcome.written:.2f}, {outcome.written_in_all:.2f} in all tries"
    yield "tokens, mean", f"{outcome.decoded:.2f}, {outcome.decoded_in_all:.2f} in all tries"
    yield "budgets chosen", shares_in_words(outcome.shares)


def shares_in_words(shares: dict[int, float]) -> str:
    """`0: 61.0%, 8: 39.0%`: questions by the budget that was chosen."""
    return ", ".join(f"{budget}: {short_percent(share)}" for budget, share in shares.items())
