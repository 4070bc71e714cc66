"""Spikes, resets, samples, machine and accuracy: what they say."""

import numpy as np

from icot_tui.engine.journal.events import (
    Collapsed,
    LossSpike,
    OptimizerReset,
    RolledBack,
    RunEnded,
    SpikeRecovered,
)
from icot_tui.tui.panels.accuracy import AccuracyPanel, accuracy_data
from icot_tui.tui.panels.loss import LossPanel, loss_data
from icot_tui.tui.panels.machine import MachinePanel
from icot_tui.tui.panels.resets import ResetsPanel
from icot_tui.tui.panels.samples import SamplesPanel, wrong_characters
from icot_tui.tui.panels.spikes import SpikesPanel
from icot_tui.tui.run.view import Overlay
from icot_tui.watch.machine import GpuReading, MachineReading
from tests.screens.panel_run import Told, a_sample, look, look_at_any

WIDE = (90, 14)


def test_a_spike_stands_with_its_removal_height_and_recovery(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(40, 2.0)
    told.tell(
        LossSpike(step=110, spike=1, removal=1, baseline=1.0, loss=2.0),
        SpikeRecovered(step=130, spike=1, removal=1, height=1.25, steps=30),
    )
    lines = look(SpikesPanel(), told.view(), WIDE)
    assert lines[0].startswith("1 spike: 1 recovered")
    assert "token 1" in lines[2] and "+1.25" in lines[2] and "recovered in 30 steps" in lines[2]


def test_an_open_spike_recovers_since_its_removal(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(20, 2.0)
    told.tell(LossSpike(step=110, spike=1, removal=1, baseline=1.0, loss=2.0)).train(20, 1.5)
    text = "\n".join(look(SpikesPanel(), told.view(), WIDE))
    assert "recovering for 40 steps, 50 % left" in text


def test_a_collapse_is_told_and_what_ended_it(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(40, 3.0)
    told.tell(
        LossSpike(step=110, spike=1, removal=1, baseline=1.0, loss=2.0),
        Collapsed(step=140, spike=1, removal=1, height=2.0, steps=40),
    )
    assert "✗ collapse for 40 steps" in look(SpikesPanel(), told.view(), WIDE)[2]
    told.tell(RolledBack(step=140, checkpoint="step-00000100", stage=0, cause="collapse")).train(10)
    assert "✗ collapse after 40 steps" in look(SpikesPanel(), told.view(), WIDE)[2]


def test_hundreds_of_spikes_are_listed_newest_first(tmp_path):
    told = Told(tmp_path).start().train(1000)
    for n in range(400):
        told.tell(
            LossSpike(step=2 * n, spike=n, removal=None, baseline=1.0, loss=2.0),
            SpikeRecovered(step=2 * n + 1, spike=n, removal=None, height=1.0, steps=n),
        )
    lines = look(SpikesPanel(), told.view(), WIDE)
    assert "399 steps" in lines[2] and "398 steps" in lines[3]
    assert lines[-1] == "and 300 earlier" and len(lines) == 103


def test_resets_are_counted_with_the_last_ones_cause(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(30)
    told.tell(OptimizerReset(step=130, cause="by command")).train(1250)
    text = "\n".join(look(ResetsPanel(), told.view(), (40, 10)))
    assert "2 optimizer resets" in text and "by command" in text and "1,250 steps" in text


def test_a_run_that_keeps_its_optimizer_says_so(tmp_path):
    keeps = Told(tmp_path, curriculum={"reset_optimizer": False}).start().train(10)
    assert "keeps the optimizer's state" in " ".join(look(ResetsPanel(), keeps.view(), (40, 10)))


def test_samples_are_written_as_people_do_with_what_is_right(tmp_path):
    told = Told(tmp_path).start().train(10)
    told.evaluate(0.5, [1, 1, 1, 1], a_sample("0 7 5 0"), a_sample("0 7 4 0"), a_sample(None))
    text = "\n".join(look(SamplesPanel(), told.view(), (60, 12)))
    assert "100 of 200 examples right" in text
    assert "30 * 19  570" in text
    assert "470" in text and "right 570" in text and "no answer" in text


def test_samples_that_are_gone_are_no_crash(tmp_path):
    told = Told(tmp_path).start().train(10).evaluate(0.5, [1.0])
    for file in told.folder.samples.iterdir():
        file.unlink()
    assert "are missing" in " ".join(look(SamplesPanel(), told.view(), (60, 12)))


def test_differences_are_found_character_by_character():
    assert wrong_characters("470", "570") == [True, False, False]
    assert wrong_characters("70", "570") == [False, False]
    assert wrong_characters("1570", "570") == [True, False, False, False]
    assert wrong_characters("a cat", "a bat") == [False, False, True, False, False]
    assert wrong_characters("the cat", "cat") == [True] * 4 + [False] * 3
    assert wrong_characters("x" * 999, "y") == [True] * 999


def test_the_machine_says_what_it_knows(tmp_path):
    told = Told(tmp_path).start().train(100)
    gpu = GpuReading(
        name="H100",
        use=0.67,
        power_watts=212.0,
        power_limit=400.0,
        memory_used=31_200_000_000,
        memory_total=80_000_000_000,
        temperature=61.0,
    )
    reading = MachineReading(0.43, 5_100_000_000, 16_600_000_000, 3_400_000_000, (gpu,))
    text = "\n".join(look(MachinePanel(), told.view(machine=reading), (60, 16)))
    for words in ("20.0 steps/s", "8,000 tokens/s", "67 %", "212 of 400 W, 61 °C", "43 %",
                  "31.2 GB of 80.0 GB", "5.10 GB of 16.6 GB", "3.40 GB left"):  # fmt: skip
        assert words in text


def test_a_machine_that_tells_nothing_leaves_out_what_it_does_not_know(tmp_path):
    gpu = GpuReading(
        name="Odd card",
        use=None,
        power_watts=None,
        power_limit=None,
        memory_used=None,
        memory_total=None,
        temperature=None,
    )
    reading = MachineReading(None, None, None, None, (gpu,))
    told = Told(tmp_path).start().train(10)
    text = "\n".join(look(MachinePanel(), told.view(machine=reading), (60, 16)))
    assert "Odd card" in text and "CPU" not in text and "None" not in text


def test_of_a_run_on_another_machine_only_the_journal_is_told(tmp_path):
    text = " ".join(look(MachinePanel(), Told(tmp_path).start().train(10).view(), (60, 16)))
    assert "steps/s" in text and "another machine" in text and "GPU" not in text


def test_an_ended_run_tells_how_long_it_trained(tmp_path):
    told = Told(tmp_path).start().train(100).tell(RunEnded(step=100, reason="done", finished=True))
    text = " ".join(look(MachinePanel(), told.view(), (60, 16)))
    assert "the run has finished" in text and "5 s of training" in text


def test_accuracy_says_how_sure_it_is_and_which_digits_fell(tmp_path):
    told = Told(tmp_path).start().train(100).evaluate(0.9, [1.0, 0.95, 0.9, 1.0]).train(100)
    told.evaluate(0.4, [1.0, 0.4, 0.85, 1.0])
    lines = look(AccuracyPanel(), told.view(), (80, 16))
    assert lines[0].startswith("exact match 40.0 %, 35.0 % to 45.0 % (95 % interval), 200 examples")
    assert "best so far 90.0 %, steps still written" in "\n".join(lines)
    assert lines[-1].split() == [
        "digits,",
        "ones",
        "first",
        "1",
        "█",
        "2",
        "▄↓",
        "3",
        "▇",
        "4",
        "█",
    ]


def test_many_answer_tokens_are_told_in_little_room(tmp_path):
    told = Told(tmp_path).start().train(100).evaluate(0.9, [0.9] * 40).train(100)
    told.evaluate(0.1, [0.9] * 38 + [0.1, 0.9])
    assert look(AccuracyPanel(), told.view(), (60, 16))[-1].endswith("↓ 39")


def test_baselines_are_levels_and_other_runs_are_curves(tmp_path):
    told = Told(tmp_path).start().train(100).remove(8).evaluate(0.9, [1.0] * 4)
    none = Told(tmp_path, name="none", method={"name": "no_cot"}).start("No CoT").train(10)
    other = Told(tmp_path, name="other").start().train(20).evaluate(0.7, [1.0] * 4)
    for each in (none.evaluate(0.02, [0.1] * 4), other):
        each.view()
    overlays = Overlay("none", none.source, 2), Overlay("other", other.source, 5)
    data = accuracy_data(told.view(overlays=overlays), per_digit=False)
    assert [curve.name for curve in data.curves] == ["told", "other"]
    assert [curve.colour for curve in data.curves] == ["primary", "series5"]
    assert data.levels == ((0.9, "best, nothing written"), (0.02, "No CoT 2.0 %"))


def test_the_accuracy_of_overlaid_runs_is_told_as_a_number(tmp_path):
    told = Told(tmp_path).start().train(100).evaluate(0.9, [1.0] * 4)
    other = Told(tmp_path, name="other").start().train(20).evaluate(0.7, [1.0] * 4)
    early = Told(tmp_path, name="early").start().train(20)
    for each in (other, early):
        each.view()
    view = told.view(
        overlays=(Overlay("other", other.source, 5), Overlay("early", early.source, 6))
    )
    assert "overlaid other 70.0 %, early none yet" in look(AccuracyPanel(), view, (60, 16))
    assert not any("overlaid" in line for line in look(AccuracyPanel(), view, (60, 8)))
    many = told.view(overlays=(Overlay("other", other.source, 5),) * 8)
    assert look(AccuracyPanel(), many, (60, 16))[-2].endswith("…")
    full = AccuracyPanel()
    full.add_class("-full")
    told_in_full = " ".join(" ".join(look(full, many, (60, 30))).split())
    assert told_in_full.count("other 70.0 %") == 8


def test_each_digit_has_its_curve_when_asked_for(tmp_path):
    told = Told(tmp_path).start().train(100).evaluate(0.9, [1.0, 0.9, 0.8, 0.7])
    data = accuracy_data(told.view(), per_digit=True)
    assert [curve.name for curve in data.curves] == [
        "digit 1 (ones)",
        "digit 2",
        "digit 3",
        "digit 4",
    ]
    assert [float(curve.y[0]) for curve in data.curves] == [1.0, 0.9, 0.8, 0.7]


def test_the_loss_is_marked_where_something_happened(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(20, None).train(20)
    told.tell(
        LossSpike(step=110, spike=1, removal=1, baseline=1.0, loss=2.0),
        OptimizerReset(step=130, cause="by command"),
    )
    view = told.view(axis="removed")
    data = loss_data(view, 1, None)
    assert [mark.kind for mark in data.marks] == ["removal", "spike", "reset"]
    assert data.marks[0].x == 1.0 and data.x_label == "removed tokens"
    assert sum(value != value for value in data.curves[0].y) == 20


def test_a_long_run_is_thinned_but_not_where_one_looks_closely(tmp_path):
    told = Told(tmp_path).start()
    told.view().history.losses.extend(1, np.ones(200_000, np.float32))
    view = told.view()
    assert len(loss_data(view, 1, None).curves[0].x) < 20_000
    close = loss_data(view, 1, (1000.0, 3000.0)).curves[0].x
    assert ((close >= 1000) & (close <= 3000)).sum() >= 2001
    assert close[0] == 1 and close[-1] > 190_000


def test_after_going_back_only_what_stands_is_drawn_along_removed_tokens(tmp_path):
    told = Told(tmp_path).start().train(100).remove().train(100).evaluate(0.5, [1.0] * 4)
    told.tell(RolledBack(step=200, checkpoint="step-00000100", stage=0, cause="by command"))
    told.stage = 0
    told.train(50, 0.5)
    data = loss_data(told.view(axis="removed"), 1, None)
    assert (np.diff(data.curves[0].x) >= 0).all()
    assert float(data.curves[0].y[-1]) == 0.5
    assert not len(accuracy_data(told.view(axis="removed"), per_digit=False).curves[0].x)
    assert [mark.kind for mark in data.marks] == ["removal", "rollback"]


def test_loss_panel_takes_up_with_its_chart(tmp_path):
    panel = LossPanel()
    told = Told(tmp_path).start().train(30)

    async def check(pilot):
        panel.show(told.view())
        assert len(panel.chart.data.curves[0].x) == 30

    look_at_any(panel, told.view(), (60, 12), check)
