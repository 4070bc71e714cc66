"""What a model is asked: an instruction, worked examples, and the question, as a conversation.

Answers have the form of the data's lines, `chain of thought #### answer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from icot_tui.config import DataConfig
from icot_tui.data.examples import ANSWER_MARK, Example, chunk_examples, numbered_lines, parse_line
from icot_tui.data.splits import ExampleSource, open_source
from icot_tui.data.tasks import Task
from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig

Conversation = list[dict[str, str]]
"""Messages as chat endpoints and chat templates take them: role and content."""

NEXT_QUESTION = "\nQuestion:"
"""Where a model that is no chat model begins to make up questions of its own."""


@dataclass(frozen=True)
class Questions:
    """Worked examples and held-out ones, all in the form that the model sees."""

    shots: tuple[Example, ...]
    asked: tuple[Example, ...]
    split: str


def read_questions(data: DataConfig, config: PromptedConfig, seed: int) -> Questions:
    """The examples of a prompted run, from the test split or, without one, the validation split.

    Raises:
        UserError: there are too few worked examples, or the data cannot be read.
    """
    source = open_source(data)
    split = data.reported_split
    task = source.task if config.form == "human" else None
    examples = (one for chunk in source.chunks(split) for _, one in chunk_examples(chunk))
    return Questions(
        tuple(_readable(example, task) for example in _worked_examples(source, config.shots, seed)),
        tuple(_readable(example, task) for example in islice(examples, config.examples)),
        split,
    )


def _worked_examples(source: ExampleSource, count: int, seed: int) -> list[Example]:
    """Drawn from the beginning of the training split, so that a large file is not read whole."""
    if not count:
        return []
    chunk = next(iter(source.chunks("train")))
    lines = [line for _, line in numbered_lines(chunk)]
    if len(lines) < count:
        raise UserError(
            f"prompted.shots is {count}, but there are only {len(lines)} training examples"
        )
    drawn = np.random.default_rng(seed).choice(len(lines), count, replace=False)
    return [parse_line(lines[place], f"{chunk.source}, training") for place in drawn.tolist()]


def _readable(example: Example, task: Task | None) -> Example:
    """Numbers of a task as people write them; other text as it is."""
    if task is None:
        return example
    return Example(
        task.human_input(example.input),
        task.human_cot(example.cot),
        task.human_answer(example.answer),
    )


def conversation(shots: Sequence[Example], question: str, cot: bool) -> Conversation:
    """The messages before the model's answer; the first one begins with the instruction."""
    steps = "Work it out step by step, then write" if cot else "Without any steps, write only"
    like = ", as the examples do" if shots else ""
    instruction = f"Answer the question. {steps} {ANSWER_MARK} and the answer{like}."
    messages: Conversation = []
    for example in shots:
        thought = f"{example.cot} " if cot and example.cot else ""
        answer = f"{thought}{ANSWER_MARK} {example.answer}"
        messages += [_message("user", example.input), _message("assistant", answer)]
    messages.append(_message("user", question))
    messages[0] = _message("user", f"{instruction}\n\n{messages[0]['content']}")
    return messages


def as_text(messages: Conversation) -> str:
    """The same for a model without a chat template, which goes on after `Answer:`."""
    instruction, _, first = messages[0]["content"].partition("\n\n")
    parts = [instruction, ""]
    for message in [_message("user", first), *messages[1:]]:
        if message["role"] == "user":
            parts.append(f"Question: {message['content']}")
        else:
            parts += [f"Answer: {message['content']}", ""]
    return "\n".join([*parts, "Answer:"])


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
