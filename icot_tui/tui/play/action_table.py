"""The actions of the playground."""

from dataclasses import replace

from icot_tui.tui.actions.action import Action, ActionTable, actions_of
from icot_tui.tui.play.records import VIEWS

VIEW_HELP = {
    "probe": "Score of a linear probe, minus that of its best control.",
    "lens": "What the model would predict at each place (logit lens).",
    "attention": "Which positions the chosen one attends to.",
    "attribution": "What swapping a token of the input does to the answer.",
    "patching": "How often patching an activation changes the answer as predicted.",
    "thoughts": "ICoT-KD: each layer's emulated thought beside the teacher's.",
}

ASK_ACTIONS = actions_of(
    "ask",
    (
        ("write", "i /", "write", "Write a question."),
        ("random", "r", "random", "Ask a random held-out example."),
        ("hardest", "h", "hardest", "Ask the hardest example for the checkpoint; then the next."),
        ("stages", "a", "all stages", "Choose the newest checkpoint of each stage."),
        ("alone", "n", "only this", "Choose only the checkpoint under the cursor."),
        ("sampled", "s", "sampled", "Sample the tokens, or take the most likely (greedy)."),
        (
            "budget",
            "b",
            "budget",
            "How many chain-of-thought tokens to write, if the run allows it.",
        ),
        ("budget-plot", "B", "budget plot", "Accuracy and speed for each such number, as a plot."),
        ("file", "o", "file", "Ask all questions of a file."),
        ("raw", "f", "form", "Read the question as a person writes it, or in the model's form."),
    ),
)

HIDDEN_ACTIONS = actions_of(
    "hidden",
    (
        ("look", "l", "look inside", "Look at the hidden positions, or close that view."),
        *((view, str(at), view, VIEW_HELP[view]) for at, view in enumerate(VIEWS, start=1)),
        ("full-map", "F", "full screen", "Give the heat map the whole screen, or take it back."),
        ("next-view", "v", "next view", "Next view."),
        ("previous-token", "<", "token before", "Choose the previous token."),
        ("next-token", ">", "next token", "Choose the next token."),
        ("sum", "x", "running sum", "The running sum before a digit, or the digit itself."),
        ("probes", "p", "train probes", "Train probes on 500 examples; they are kept."),
        ("more-probes", "P", "more probes", "Train probes on 2,000 examples: surer, slower."),
        ("heads", "m", "heads", "Attention of each head, or the mean of each layer's."),
        ("average", "e", "average", "Attention in this question, or the mean of many."),
        ("reader", "z", "read from here", "Attention of the column under the cursor."),
    ),
)

SCREEN_ACTIONS = actions_of(
    "app",
    (
        ("help", "?", "help", "Show all keys and what they do."),
        ("palette", ":", "commands", "Find an action by name and run it."),
        ("copy", "c", "copy", "Copy the answers, and the heat map; also kept in a file."),
        ("export", "w", "write files", "Write the answers as text and JSON."),
        ("screenshot", "g", "screenshot", "Write a picture of the screen as SVG."),
        ("refresh", "u", "look again", "Look for new checkpoints now."),
        ("back", "escape", "back", "Stop what is running; close the view; leave."),
        ("quit", "q ctrl+c", "leave", "Leave the playground."),
    ),
)

PLAY_TABLE = ActionTable(
    title="keys of the playground",
    intro=(
        "Write a question and press Enter; up and down bring earlier ones back. Tab goes from pane "
        "to pane, Escape out of the line in which you write; then these keys work. In the list "
        "Space chooses checkpoints, and * marks the best of a run; in the answers left and right "
        "choose a token and up and down an answer."
    ),
    groups={"ask": "Asking", "hidden": "Hidden positions", "app": "The screen itself"},
    actions=(*ASK_ACTIONS, *HIDDEN_ACTIONS, *SCREEN_ACTIONS),
)

FIELD_ACTIONS = actions_of(
    "ask",
    (
        ("ask", "Enter", "ask", "Ask this question."),
        ("earlier", "Up", "earlier questions", "The previous question."),
        ("keys", "Esc", "all other keys", "Leave the field, so that the other keys work."),
        ("pane", "Tab", "checkpoints", "Go to the list of checkpoints."),
    ),
)
"""What the footer shows while one writes; these keys are the line's own, and only named here."""
FIELD_KEYS = {action.name: (action.keys,) for action in FIELD_ACTIONS}

FOOTER = (
    "help", "quit", "write", "look", "random", "hardest", "next-view", "stages", "sampled",
    "budget", "export",
)  # fmt: skip
FOOTER_HIDDEN = (
    "look", "help", "next-token", "next-view", "sum", "probes", "more-probes", "heads", "average",
    "reader", "export", "write",
)  # fmt: skip


def footer_actions(writing: bool, looking: bool) -> list[Action]:
    """What matters now, the most important first."""
    if writing:
        return list(FIELD_ACTIONS)
    by_name = PLAY_TABLE.by_name
    if not looking:
        return [by_name[name] for name in FOOTER]
    leave = replace(by_name["look"], label="all answers")
    return [leave, *(by_name[name] for name in FOOTER_HIDDEN[1:])]
