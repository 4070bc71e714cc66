"""What the playground's actions do, by their names in its table."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from icot_tui.tui.actions.export import MOST_OVER_THE_TERMINAL, keep
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.budget_plot import plot_budget
from icot_tui.tui.play.export import as_words, write
from icot_tui.tui.play.help import PlayHelp
from icot_tui.tui.play.question_file import ask_file
from icot_tui.tui.play.records import VIEWS, ViewName
from icot_tui.tui.play.worker import Job
from icot_tui.tui.screens.number import NumberDialog, whole_number

if TYPE_CHECKING:
    from icot_tui.tui.play.screen import PlayScreen

Do = Callable[["PlayScreen"], object]


def do(screen: "PlayScreen", name: str) -> None:
    """Do one of them."""
    if name in VIEWS:
        screen.open_hidden(name)
    else:
        HANDLERS[name](screen)


def toggle_look(screen: "PlayScreen") -> None:
    """Open the pane of hidden positions, or close it."""
    result = screen.answers.current
    if screen.looking:
        screen.close_hidden()
    elif result is not None and result.entry.is_pair:
        screen.open_hidden("thoughts")
    else:
        screen.open_hidden("probe" if screen.view == "thoughts" else None)


def toggle_sampled(screen: "PlayScreen") -> None:
    """Draw tokens, or take the likeliest."""
    screen.options = replace(screen.options, sampled=0 if screen.options.sampled is None else None)
    _ask_again(screen)


def toggle_raw(screen: "PlayScreen") -> None:
    """Another reading of what is written."""
    screen.options = replace(screen.options, raw=not screen.options.raw)
    screen.show_head()
    form = "the model's own form" if screen.options.raw else "a person's form, such as 12*34"
    screen.tell(f"Questions are read in {form} now.")


def _ask_again(screen: "PlayScreen") -> None:
    screen.show_head()
    if screen.text:
        screen.ask(screen.text)


def choose_budget(screen: "PlayScreen") -> None:
    """Ask how many tokens are to be written, or say why that can't be chosen."""
    mixed = [one for one in screen.list.chosen if one.mixed]
    if not mixed:
        screen.tell(
            "None of the chosen checkpoints was trained with mixed stages "
            "(curriculum.mixed_stages), so how many tokens they write can't be chosen: compare "
            "checkpoints of several stages instead.",
            "warning",
            10.0,
        )
        return
    if screen.options.written is not None:
        screen.options = replace(screen.options, written=None)
        screen.tell("Each model writes as many tokens as it is used to again.")
        _ask_again(screen)
        return
    most = max((one.max_cot_tokens or 0) for one in mixed) or None

    def chosen(number: int | float | None) -> None:
        if number is not None:
            screen.options = replace(screen.options, written=int(number))
            _ask_again(screen)

    screen.app.push_screen(
        NumberDialog(
            "budget of thought",
            "How many tokens of its chain of thought may the model write? 0 asks for the answer "
            "alone. The same key takes the budget away.",
            "" if most is None else f"The whole chain of thought has {most} tokens.",
            whole_number(0, most),
            lambda number: f"{number} written, the others hidden",
        ),
        chosen,
    )


def change_attention(screen: "PlayScreen", what: str) -> None:
    """Heads or their mean; this question or many; or who reads."""
    if what == "heads":
        screen.heads = not screen.heads
    elif what == "average":
        screen.averaged = not screen.averaged
    elif screen.view == "attention" and screen.hidden.heat is not None:
        screen.reader = screen.hidden.grid.cursor[1]
    screen.open_hidden("attention")


def running_sum(screen: "PlayScreen") -> None:
    """The running sum before a digit, or the digit."""
    problem = screen.answers.toggle_sum()
    if problem:
        screen.tell(problem)


def train_probes(screen: "PlayScreen", examples: int) -> None:
    """Train probes for the checkpoint under the cursor, in a process of their own."""
    result = screen.answers.current
    if result is None or result.answer is None:
        screen.tell("Ask something first: the probes are for the checkpoint that answered.")
        return
    if result.entry.is_pair:
        screen.tell("Probes are for models that think alone: l shows a pair's thoughts.", "warning")
        return
    if not result.answer.hidden:
        screen.tell(
            "No chain-of-thought token is hidden at this stage: there is nothing to probe for.",
            "warning",
        )
        return
    entry, stage, there = result.entry, result.answer.stage, list(screen.list.entries)

    def work(job: Job) -> None:
        probe_reports.run(entry, stage, examples, there, job.report)

    def done(_: None) -> None:
        screen.probing = ""
        screen.look_again()

    def failed(problem: str) -> None:
        screen.probing = ""
        screen.hidden.show_words(screen.view, problem, True)

    view: ViewName = screen.view if screen.view in ("probe", "patching") else "probe"
    screen.probing = "training probes"
    screen.prober.submit("probe", work, done, failed)
    screen.open_hidden(view)


def back(screen: "PlayScreen") -> None:
    """Stop what takes long; or close the view; or leave."""
    if screen.probing:
        screen.prober.cancel("probe")
        screen.probing = ""
        screen.tell("The probes were stopped.")
        screen.look_again()
    elif any([screen.worker.cancel(kind) for kind in ("batch", "budget")]):
        screen.tell("It was stopped.")
    elif screen.looking:
        screen.close_hidden()
    else:
        leave(screen)


def leave(screen: "PlayScreen") -> None:
    """Back to the live screen, or out."""
    screen.dismiss(None)


def copy(screen: "PlayScreen") -> None:
    """To the clipboard by way of the terminal (OSC 52), and to a file."""
    if not screen.answers.results:
        screen.tell("There is no answer to copy yet.")
        return
    heat = screen.hidden.heat if screen.looking else None
    text = as_words(screen.text, screen.answers.results, heat)
    by_terminal = len(text) <= MOST_OVER_THE_TERMINAL
    if by_terminal:
        screen.app.copy_to_clipboard(text)
    first = "Copied" if by_terminal else "Too long for the clipboard"
    try:
        screen.tell(f"{first}; also in {keep([], 'copy-answers', 'txt', text)}", seconds=8.0)
    except OSError as error:
        screen.tell(f"{first}; no file could be written: {error.strerror}", seconds=8.0)


def export(screen: "PlayScreen") -> None:
    """Text and JSON."""
    if not screen.answers.results:
        screen.tell("There is no answer to write yet.")
        return
    heat = screen.hidden.heat if screen.looking else None
    try:
        paths = write([], screen.text, screen.answers.results, heat)
    except OSError as error:
        screen.tell(f"The answers can't be written: {error.strerror}", "error")
        return
    screen.tell(f"Written: {paths[0].with_suffix('')}.txt and .json", seconds=10.0)


def screenshot(screen: "PlayScreen") -> None:
    """The screen as it is, as SVG."""
    try:
        path = keep([], "screen", "svg", screen.app.export_screenshot(title="icot-tui"))
    except OSError as error:
        screen.tell(f"The picture can't be written: {error.strerror}", "error")
        return
    screen.tell(f"Written: {path}", seconds=10.0)


HANDLERS: dict[str, Do] = {
    "ask": lambda screen: screen.ask(screen.field.value),
    "earlier": lambda screen: screen.field.action_earlier(),
    "keys": lambda screen: screen.answers.lines.focus(),
    "pane": lambda screen: screen.list.focus(),
    "write": lambda screen: screen.field.focus(),
    "random": lambda screen: screen.pick(hardest=False),
    "hardest": lambda screen: screen.pick(hardest=True),
    "stages": lambda screen: screen.list.choose_stages(),
    "alone": lambda screen: screen.list.choose_current(),
    "sampled": toggle_sampled,
    "budget": choose_budget,
    "budget-plot": plot_budget,
    "file": ask_file,
    "raw": toggle_raw,
    "look": toggle_look,
    "next-view": lambda screen: screen.next_view(),
    "previous-token": lambda screen: screen.answers.move(-1, 0),
    "next-token": lambda screen: screen.answers.move(1, 0),
    "sum": running_sum,
    "probes": lambda screen: train_probes(screen, probe_reports.FEW),
    "more-probes": lambda screen: train_probes(screen, probe_reports.MANY),
    "heads": lambda screen: change_attention(screen, "heads"),
    "average": lambda screen: change_attention(screen, "average"),
    "reader": lambda screen: change_attention(screen, "reader"),
    "help": lambda screen: screen.app.push_screen(PlayHelp(screen.answers.lines.ascii)),
    "copy": copy,
    "export": export,
    "screenshot": screenshot,
    "refresh": lambda screen: screen.read_list(),
    "back": back,
    "leave": leave,
}
