"""The first line of the playground: how questions are asked, and what is being done."""

from textual.content import Content

from icot_tui.formatting import count, plain
from icot_tui.tui.play.records import AskOptions


def head(options: AskOptions, chosen: int, listed: int, doing: str) -> Content:
    """The line.

    Args:
        options: how the questions are asked.
        chosen: checkpoints that are asked.
        listed: checkpoints that there are.
        doing: what the worker does; empty when it has nothing to do.
    """
    parts = [
        f"{chosen} of {count(listed, 'checkpoint')} asked" if listed else "",
        "sampled" if options.sampled is not None else "greedy",
        "the model's form" if options.raw else "",
        "" if options.written is None else f"{options.written} tokens written",
    ]
    return Content.assemble(
        ("playground", "bold $primary"),
        ("  ", ""),
        (", ".join(filter(None, parts)), ""),
        (f"   {plain(doing)} ..." if doing else "", "$accent"),
    )
