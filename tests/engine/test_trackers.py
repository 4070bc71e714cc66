"""Other trackers get the same news."""

import pytest

from icot_tui.errors import UserError
from tests.tiny import news, tiny, train_new


@pytest.mark.slow
def test_tensorboard_has_losses_and_accuracy(tmp_path):
    from tensorboard.backend.event_processing import event_accumulator as reader

    folder = train_new(tmp_path, tiny(trackers={"names": ["tensorboard"], "project": "mine"}))
    files = list(folder.path.rglob("events.out.tfevents*"))
    assert files
    tags = {}
    for file in files:
        events = reader.EventAccumulator(str(file))
        events.Reload()
        tags |= {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    evaluated = [line for line in news(folder) if line["event"] == "Evaluated"]
    assert [event.step for event in tags["exact_match"]] == [line["step"] for line in evaluated]
    assert tags["stage"][-1].value == 8
    assert {"loss", "learning_rate", "validation_loss"} <= tags.keys()


def test_missing_tracker_is_told(tmp_path):
    import importlib.util

    absent = [name for name in ("wandb", "mlflow") if importlib.util.find_spec(name) is None]
    if not absent:
        pytest.skip("every tracker is installed")
    with pytest.raises(UserError, match=f"{absent[0]}, which is not installed"):
        train_new(tmp_path, tiny(trackers={"names": [absent[0]]}))
