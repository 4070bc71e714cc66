"""The studies that can be rerun, or looked at where they have begun."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from icot_tui import resources
from icot_tui.formatting import plain
from icot_tui.studies.spec import load_study
from icot_tui.studies.trial_list import find_study_folder
from icot_tui.tui.screens.dialog import ChoiceDialog, DialogChoice


@dataclass(frozen=True)
class StudyChoice:
    """A study, what it is about, and the arguments of `icot-tui` for it."""

    name: str
    about: str
    command: list[str]


def study_dialog(runs: Path) -> ChoiceDialog[StudyChoice]:
    """All studies that come with the package; below the list, what the highlighted one shows."""
    choices = [DialogChoice(one, one.name) for one in _choices(runs)]
    return ChoiceDialog("studies", choices, about=lambda one: one.about, width=76)


def _choices(runs: Path) -> Iterator[StudyChoice]:
    for name, path in resources.studies().items():
        study = load_study(path).config
        if find_study_folder(runs, name) is not None:
            command, what = ["attach", name], "Started: Enter shows its trials."
        else:
            minutes = study.scales["cpu"].minutes if "cpu" in study.scales else 0.0
            what = f"Enter trains what is missing, about {minutes:g} minutes on two CPU cores."
            command, what = ["study", name], what if minutes else "Enter draws it."
        lines = (f"{study.title} ({study.source}).", study.about, what)
        yield StudyChoice(name, "\n".join(map(plain, lines)), command)
