"""A model card: the facts of a run in Markdown, to publish with its checkpoint."""

import json
from collections.abc import Iterator

from icot_tui.config import dump_toml, method_of
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.studies.outcome import Outcome, read_outcome


def model_card(run: RunFolder) -> str:
    """The card of a run's best checkpoint.

    Raises:
        UserError: the run never began, or trained nothing.
    """
    outcome = read_outcome(run)
    if not method_of(outcome.config).trains:
        raise UserError(f"run {run.name} only prompted a model: there is none to write a card for")
    if outcome.summary.facts is None:
        raise UserError(f"run {run.name} never started: there is nothing to report")
    return "\n\n".join(_parts(outcome)) + "\n"


def _parts(outcome: Outcome) -> Iterator[str]:
    config, summary = outcome.config, outcome.summary
    facts, metrics = summary.facts, summary.metrics
    assert facts is not None
    yield _front_matter(outcome)
    yield f"# {config.name}"
    if config.description:
        yield config.description
    base = config.model.pretrained
    origin = f"finetuned from `{base}`" if base else f"a {config.model.architecture} from scratch"
    method = method_of(config)
    yield (
        f"{method.model}, {summary.parameters:,} parameters, {origin}, trained with "
        f"{method.description} by icot-tui "
        f"{', '.join(outcome.versions)}."
    )
    yield "## Results"
    yield "\n".join(_results(outcome))
    yield "## Prompt"
    yield _prompt(outcome)
    yield "## Training"
    processes = f" in {facts.processes} processes" if facts.processes > 1 else ""
    resumed = f", resumed {summary.resumes} times" if summary.resumes else ""
    yield (
        f"{metrics.step:,} steps on {facts.train_examples:,} examples, {outcome.seconds:,.0f} "
        f"seconds on {facts.device}{processes}{resumed}; "
        f"{metrics.supervised_tokens:,} supervised tokens, {metrics.resets} optimizer resets, "
        f"{len(metrics.spikes)} loss spikes, {metrics.rollbacks} rollbacks."
    )
    yield "The configuration:"
    yield f"```toml\n{dump_toml(config).rstrip()}\n```"


def _prompt(outcome: Outcome) -> str:
    return (
        "A prompt is a blank, the question, a blank and the tokenizer's end-of-text token; the "
        f"model writes {method_of(outcome.config).writes}. "
        "`icot-tui ask CHECKPOINT QUESTION` does it."
    )


def _results(outcome: Outcome) -> Iterator[str]:
    summary, best = outcome.summary, outcome.best
    yield "| what | value |"
    yield "| --- | --- |"
    if method_of(outcome.config).removes_tokens:
        yield f"| tokens removed | {summary.removed_tokens} of {summary.max_cot_tokens} |"
    if best is None:
        yield "| exact match | not measured with the whole chain of thought removed |"
        return
    how = "the chain of thought written" if outcome.explicit else "nothing written"
    yield f"| best exact match, {how} | {best.exact_match:.3f} |"
    yield f"| at step | {best.step:,} |"
    yield f"| held-out examples | {_examples(outcome):,} |"


def _examples(outcome: Outcome) -> int:
    assert outcome.summary.facts is not None
    return outcome.summary.facts.validation_examples


def _front_matter(outcome: Outcome) -> str:
    """What the Hub reads; strings are written as JSON, which YAML understands."""
    config, best = outcome.config, outcome.best
    library = "transformers" if method_of(config).plain_model else "icot-tui"
    lines = ["---", f"library_name: {library}", "pipeline_tag: text-generation"]
    if config.model.pretrained:
        lines.append(f"base_model: {json.dumps(config.model.pretrained)}")
    lines += ["tags:", "- implicit-chain-of-thought", f"- {config.method.name}"]
    if best is not None:
        data = json.dumps(config.data.task or "own files")
        lines += [
            "model-index:",
            f"- name: {json.dumps(config.name)}",
            "  results:",
            "  - task: {type: text-generation}",
            f"    dataset: {{name: {data}, type: {data}}}",
            f"    metrics: [{{type: exact_match, value: {best.exact_match:.4f}}}]",
        ]
    return "\n".join([*lines, "---"])
