"""Passes events on to other experiment trackers, through Accelerate; off by default."""

from typing import Any

from accelerate import Accelerator

from icot_tui.config import RunConfig
from icot_tui.engine.journal.events import Evaluated, Event, StepsTrained
from icot_tui.errors import UserError


class Trackers:
    """TensorBoard, W&B, MLflow, trackio: whatever the config names."""

    def __init__(self, config: RunConfig, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        if not config.trackers.names:
            return
        missing = set(config.trackers.names) - {tracker.value for tracker in accelerator.log_with}
        if missing:
            raise UserError(
                f"trackers.names has {', '.join(sorted(missing))}, which is not installed: "
                "pip install 'icot-tui[trackers]', or take it out"
            )
        try:
            accelerator.init_trackers(config.trackers.project, config=_flat(config.model_dump()))
        except (ImportError, ValueError, OSError) as error:
            raise UserError(f"a tracker of trackers.names cannot be started: {error}") from error

    def write(self, event: Event) -> None:
        if isinstance(event, StepsTrained):
            losses = [loss for loss in event.losses if loss is not None]
            values = {"stage": event.stage, "learning_rate": event.learning_rate}
            if losses:
                values["loss"] = sum(losses) / len(losses)
            self._accelerator.log(values, step=event.step)
        elif isinstance(event, Evaluated):
            found = {"exact_match": event.exact_match, "validation_loss": event.loss}
            self._accelerator.log(found, step=event.step)

    def close(self) -> None:
        if self._accelerator.trackers:
            self._accelerator.end_training()


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as `section.key`, which is what trackers can show."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, (int, float, str)) else str(value)
    return flat
