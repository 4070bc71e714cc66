"""The playground's table of actions: footer and help are made from it."""

from collections.abc import Sequence
from dataclasses import replace

from icot_tui.tui.actions.action import Action, Group
from icot_tui.tui.actions.keymap import KeyMap, textual_name
from icot_tui.tui.play.records import VIEWS

PLAY_GROUPS: dict[Group, str] = {
    "run": "Asking",
    "view": "Hidden positions",
    "app": "The screen itself",
}
WORDS = (
    "Write a question and press Enter; up and down bring earlier ones back. Tab goes from pane to "
    "pane, Escape out of the line in which you write; then these keys work. In the list Space "
    "chooses checkpoints, and * marks the best of a run; in the answers left and right choose a "
    "token and up and down an answer."
)
VIEW_HELP = {
    "probe": "How well a linear probe reads it, less the best of its controls.",
    "lens": "What the model would say at each place.",
    "attention": "Which positions the chosen one reads.",
    "attribution": "What swapping a token of the input does to the answer.",
    "patching": "How often patching an activation changes the answer as predicted.",
    "thoughts": "ICoT-KD: each layer's emulated thought beside the teacher's.",
}


def _ask(name: str, keys: str, label: str, help: str, footer: int = 0) -> Action:
    return Action(name, tuple(keys.split()), label, help, "run", footer)


def _look(name: str, keys: str, label: str, help: str, footer: int = 0) -> Action:
    return Action(name, tuple(keys.split()), label, help, "view", footer)


def _other(name: str, keys: str, label: str, help: str, footer: int = 0) -> Action:
    return Action(name, tuple(keys.split()), label, help, "app", footer)


PLAY_ACTIONS: tuple[Action, ...] = (
    _ask("write", "i /", "write", "Write a question.", 3),
    _ask("random", "r", "random", "Ask a random held-out example.", 5),
    _ask(
        "hardest",
        "h",
        "hardest",
        "Ask the example that the checkpoint finds hardest; then the next.",
        6,
    ),
    _ask("stages", "a", "all stages", "Choose the newest checkpoint of each stage.", 8),
    _ask("alone", "n", "only this", "Choose only the checkpoint under the cursor."),
    _ask("sampled", "s", "sampled", "Draw the tokens anew each time, or take the likeliest.", 9),
    _ask(
        "budget",
        "b",
        "budget",
        "How many tokens of the chain of thought are written, where the run allows it.",
        10,
    ),
    _ask("budget-plot", "B", "budget plot", "Accuracy and speed for each such number, as a plot."),
    _ask("file", "o", "file", "Ask all questions of a file."),
    _ask("raw", "f", "form", "Read the question as a person writes it, or in the model's form."),
    _look("look", "l", "look inside", "See what the hidden positions hold, or leave that.", 4),
    *(_look(view, str(at), view, VIEW_HELP[view]) for at, view in enumerate(VIEWS, start=1)),
    _look("next-view", "v", "next view", "See the next of these views.", 7),
    _look("previous-token", "<", "token before", "Choose the token before."),
    _look("next-token", ">", "next token", "Choose the next token."),
    _look("sum", "x", "running sum", "The running sum before a digit, or the digit itself."),
    _look("probes", "p", "train probes", "Train probes on 500 examples; they are kept."),
    _look("more-probes", "P", "more probes", "Train probes on 2,000 examples: surer, slower."),
    _look("heads", "m", "heads", "Attention of each head, or the mean of each layer's."),
    _look("average", "e", "average", "Attention in this question, or the mean of many."),
    _look("reader", "z", "read from here", "Attention of the column under the cursor."),
    _other("help", "?", "help", "Show all keys and what they do.", 1),
    _other("copy", "c", "copy", "Copy the answers, and the heat map; also kept in a file."),
    _other("export", "w", "write files", "Write the answers as text and JSON.", 11),
    _other("screenshot", "g", "screenshot", "Write a picture of the screen as SVG."),
    _other("refresh", "u", "look again", "Look for new checkpoints now."),
    _other("back", "escape", "back", "Stop what is being worked out; close the view; leave."),
    _other("leave", "q ctrl+c", "leave", "Leave the playground.", 2),
)
PLAY_KEYS: KeyMap = {
    action.name: tuple(textual_name(key) for key in action.keys) for action in PLAY_ACTIONS
}

WRITING: tuple[Action, ...] = (
    _ask("ask", "Enter", "ask", "Ask this question.", 1),
    _ask("earlier", "Up", "earlier questions", "The question before.", 2),
    _ask("keys", "Esc", "all other keys", "Leave the line, so that keys have a meaning.", 3),
    _ask("pane", "Tab", "checkpoints", "Go to the list of checkpoints.", 4),
)
"""What the footer shows while one writes; these keys are the line's own, and only named here."""
FOOTER_KEYS: KeyMap = PLAY_KEYS | {action.name: action.keys for action in WRITING}
_LOOKING = ("look", "help", "next-token", "next-view", "sum", "probes", "more-probes", "heads")
_LOOKING_MORE = ("average", "reader", "export", "write")


def footer(writing: bool, looking: bool) -> Sequence[Action]:
    """The keys that matter most now."""
    if writing:
        return WRITING
    if not looking:
        return PLAY_ACTIONS
    names = (*_LOOKING, *_LOOKING_MORE)
    by_name = {action.name: action for action in PLAY_ACTIONS}
    shown = [replace(by_name[name], footer=at) for at, name in enumerate(names, start=1)]
    return [replace(shown[0], label="all answers"), *shown[1:]]
