"""The methods, by name."""

from icot_tui.methods.base import Method
from icot_tui.methods.distillation.method import Distillation
from icot_tui.methods.explicit_cot import ExplicitCoT
from icot_tui.methods.no_cot import NoCoT
from icot_tui.methods.stepwise import StepwiseInternalization

METHODS: dict[str, Method] = {
    "no_cot": NoCoT(),
    "explicit_cot": ExplicitCoT(),
    "stepwise": StepwiseInternalization(),
    "distillation": Distillation(),
}

__all__ = ["METHODS", "Method"]
