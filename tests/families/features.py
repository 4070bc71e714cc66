"""What must hold of each family: each feature against the plainest way to compute the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.config import EvaluationConfig
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.engine.evaluation.held_out import examples_of, prepare
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.engine.run_folder import RunFolder
from icot_tui.models.behaviour import behaviour
from icot_tui.models.residual_stream import ResidualStream, Site
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.families.configs import WORDS, tiny_model
from tests.tiny import assert_same, final_tensors, read_lines, tiny, train, train_new

ROWS, COLUMNS = 3, 7
TRAIN = {"max_steps": 4, "decay_steps": 0, "warmup_steps": 0, "micro_batch_size": None}


def config_of(folder: Path, **sections):
    """A run of four steps, which removes tokens, from a pretrained folder."""
    model = {"pretrained": str(folder), "dropout": None} | sections.pop("model", {})
    curriculum = {"max_steps": 1, "min_steps": 1, "gate_window": 1}
    train = TRAIN | sections.pop("train", {})
    return tiny(
        model=model,
        curriculum=curriculum,
        train=train,
        data={"train_examples": 32, "validation_examples": 6},
        evaluation={"every_steps": 4, "samples": 2},
        **sections,
    )


def equal(one: torch.Tensor, other: torch.Tensor) -> None:
    scale = float(other.detach().float().abs().max())
    torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-4 * scale)


class Family:
    """A saved random model, and the run that was trained from it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        tiny_model(name).save_pretrained(folder / "model")
        self._run: RunFolder | None = None

    @property
    def run(self) -> RunFolder:
        """Trained once."""
        if self._run is None:
            config = config_of(self.folder / "model", checkpoints={"keep": 9, "every_steps": 2})
            self._run = train_new(self.folder / "runs", config)
        return self._run

    def train(self) -> None:
        """Loss and gradients are those of the model's own logits, row by row."""
        ours, plain = tiny_model(self.name).eval(), tiny_model(self.name).eval()
        ids = torch.randint(WORDS, (ROWS, COLUMNS), generator=torch.Generator().manual_seed(1))
        lengths, prompts = (7, 4, 6), (2, 1, 3)
        spans = [range(p, n) for p, n in zip(prompts, lengths, strict=True)]
        states = torch.tensor([r * COLUMNS + at - 1 for r, span in enumerate(spans) for at in span])
        targets = torch.tensor([int(ids[r, at]) for r, span in enumerate(spans) for at in span])
        loss = SupervisedLM(ours)(ids, None, states, targets)
        loss.backward()
        expected = torch.zeros(())
        for row, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
            logits = plain(input_ids=ids[row : row + 1, :length], use_cache=False).logits[0]
            wanted = ids[row, prompt:length]
            nll = F.cross_entropy(logits[prompt - 1 : length - 1].float(), wanted, reduction="sum")
            expected = expected + nll
        expected.backward()
        equal(loss, expected)
        for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
            if other.grad is not None and other.grad.abs().max() > 1e-6 and name:
                equal(one.grad, other.grad)
        assert read_lines(self.run)[-1]["finished"]

    def resume(self) -> None:
        """From its middle, bit for bit."""
        copy = RunFolder(self.folder / "copy")
        shutil.copytree(self.run.path, copy.path, ignore=shutil.ignore_patterns("lock"))
        for checkpoint in list_checkpoints(copy.checkpoints):
            if checkpoint.step > 2:
                shutil.rmtree(checkpoint.path)
        train(copy)
        assert_same(final_tensors(copy), final_tensors(self.run))

    def eval(self) -> None:
        """What is written for held-out examples is what a plain loop writes; so is the loss."""
        opened = open_checkpoint(self.run.path)
        sharpen(opened.model)
        text = examples_of(opened, None, None, None, "token")
        model = prepare(opened, opened.stage, text, "cpu")
        rows = np.arange(len(model.split))
        table = position_table(model.lm)
        examples = StagedExamples.of(model.token_format, model.split, rows, model.stage, 12, table)
        prefixes = examples.prefixes(rows, np.zeros_like(rows))
        separators = model.token_format.separators
        for batch_size in (1, 4):
            written = decode(model.lm, prefixes, separators, batch_size=batch_size)
            for row in rows.tolist():
                prompt = model.split.example(row)[: prefixes.lengths[row]].tolist()
                assert written.row(row) == plain_ids(model.lm, prompt, 12, separators.answer)
        expected, count = 0.0, 0
        batch = examples.batch(rows)
        for ids, begin, end in zip(batch.ids, batch.prompt_lengths, batch.lengths, strict=True):
            with torch.no_grad():
                row = torch.from_numpy(ids[:end])[None]
                logits = model.lm(input_ids=row, use_cache=False).logits[0]
            wanted = torch.from_numpy(ids[begin:end])
            expected += float(F.cross_entropy(logits[begin - 1 : -1], wanted, reduction="sum"))
            count += int(end - begin)
        found = model.evaluate(EvaluationConfig(samples=0)).loss
        assert found == pytest.approx(expected / count, rel=1e-4)

    def ask(self) -> None:
        """Three questions are answered alike together, alone and by a plain loop."""
        model = LoadedModel(open_checkpoint(self.run.path))
        sharpen(model.lm)
        texts = ["56*78", "12*34", "11*99"]
        questions = [model.reader.read(text, False) for text in texts]
        end = model.token_format.separator_id
        for question, answer in zip(questions, model.answer(questions), strict=True):
            alone = model.answer([question])[0]
            assert (alone.decoded, alone.answer) == (answer.decoded, answer.answer)
            ids = plain_ids(model.lm, list(question.prompt), answer.decoded, end)
            assert len(ids) == answer.decoded
            whole = "".join(model.opened.tokenizer.decode(ids).split())
            assert (answer.answer or "").replace(" ", "") in whole

    def probe(self) -> None:
        """Hooks see the model's own hidden states."""
        model = open_checkpoint(self.run.path).model
        stream = ResidualStream(model)
        sites = [Site(0, "resid_pre"), Site(0, "resid_post")]
        ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
        with torch.no_grad(), stream.recording(sites) as recorded:
            logits = stream.forward(ids, None)
            own = model(input_ids=ids, output_hidden_states=True, use_cache=False)
        equal(logits, own.logits)
        first = recorded[sites[1]]  # state-space families do not count the embeddings
        closest = min(own.hidden_states[:2], key=lambda one: float((one - first).abs().max()))
        equal(first, closest)

    def lora(self) -> None:
        """Adapters alone are trained, and resumed bit for bit."""
        # PEFT refuses some of Mamba's modules.
        targets = ["in_proj"] if "mamba" in self.name else "all-linear"
        model = {"lora": {"rank": 2, "targets": targets}}
        config = config_of(
            self.folder / "model", model=model, checkpoints={"keep": 9, "every_steps": 2}
        )
        run = train_new(self.folder / "lora", config)
        copy = RunFolder(self.folder / "lora-copy")
        shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("lock"))
        shutil.rmtree(list_checkpoints(copy.checkpoints)[-1].path)
        train(copy)
        newest = [list_checkpoints(one.checkpoints)[-1].path for one in (run, copy)]
        one, other = (open_checkpoint(path).model.state_dict() for path in newest)
        assert_same(one, other)
        assert any(value.abs().sum() > 0 for name, value in one.items() if "lora_B" in name)

    def distill(self) -> None:
        """ICoT-KD's four trainings."""
        train = TRAIN | {"max_steps": 1}
        config = config_of(
            self.folder / "model",
            train=train,
            method={"name": "distillation"},
            distillation={"mixture_components": 2},
        )
        run = train_new(self.folder / "kd", config)
        assert read_lines(run)[-1]["finished"]
        answer = LoadedModel(open_checkpoint(run.path)).ask("56*78")
        assert answer.decoded

    def bf16(self) -> None:
        """Trained in bfloat16, a checkpoint in float32 means what it meant in training."""
        config = config_of(self.folder / "model", model={"precision": "bfloat16"})
        run = train_new(self.folder / "bf16", config)
        assert read_lines(run)[-1]["finished"]
        found = [line["loss"] for line in read_lines(run) if line["event"] == "Evaluated"][-1]
        opened = open_checkpoint(run.path)
        text = examples_of(opened, None, None, None, "token")
        result = prepare(opened, opened.stage, text, "cpu").evaluate(EvaluationConfig(samples=0))
        assert abs(result.loss - found) < 0.05 * found


def sharpen(lm: torch.nn.Module) -> None:
    """Make rows differ in what they write."""
    with torch.no_grad():
        lm.get_input_embeddings().weight.mul_(20)
    behaviour(lm)


@torch.no_grad()
def plain_ids(lm: torch.nn.Module, prompt: list[int], most: int, end: int) -> list[int]:
    """Greedy decoding of one row without a cache: the definition."""
    ids = list(prompt)
    while len(ids) < len(prompt) + most and ids[len(prompt) :].count(end) < 2:
        logits = lm(input_ids=torch.tensor([ids]), use_cache=False).logits
        ids.append(int(logits[0, -1].argmax()))
    return ids[len(prompt) :]


FEATURES = ("train", "resume", "eval", "ask", "probe", "lora", "distill", "bf16")
