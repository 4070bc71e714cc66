"""GPT-2's GELU in one operation, for training alone."""

import copy

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.activations import NewGELUActivation

from icot_tui.models.activation import fuse_gelu
from icot_tui.models.loading import load_pretrained
from tests.tiny import final_tensors, tiny, train_new

WORDS, IDS = 40, torch.arange(12).reshape(2, 6)


def gpt2():
    torch.manual_seed(0)
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 64, "vocab_size": WORDS}
    return GPT2LMHeadModel(GPT2Config(**sizes, activation_function="gelu_new"))


def written_out(lm):
    return [one for one in lm.modules() if isinstance(one, NewGELUActivation)]


def test_it_is_one_operation_with_the_same_loss_and_gradients():
    published = gpt2()
    model = copy.deepcopy(published)
    assert len(written_out(model)) == 2
    fuse_gelu(model)
    assert not written_out(model)
    loss, wanted = (one(input_ids=IDS, labels=IDS).loss for one in (model.eval(), published.eval()))
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    loss.backward()
    wanted.backward()
    for (name, ours), theirs in zip(model.named_parameters(), published.parameters(), strict=True):
        assert (ours.grad - theirs.grad).norm() < 1e-5 * theirs.grad.norm() + 1e-9, name


@pytest.mark.slow
def test_a_training_of_a_pretrained_model_has_it_and_its_checkpoints_know_nothing_of_it(
    tmp_path, monkeypatch
):
    from icot_tui.models.supervised import SupervisedLM

    small = train_new(tmp_path / "first", tiny(train={"max_steps": 1}))
    base = tmp_path / "base"
    source = small.checkpoints / "step-00000001"
    lm = load_pretrained(str(source))
    lm.config.activation_function = "gelu_new"
    lm.save_pretrained(base)
    for file in source.glob("tokenizer*"):
        (base / file.name).write_bytes(file.read_bytes())

    trained = []
    forward = SupervisedLM.forward

    def recorded(self, *given):
        trained.append(len(written_out(self)))
        return forward(self, *given)

    monkeypatch.setattr(SupervisedLM, "forward", recorded)
    folder = train_new(
        tmp_path / "runs", tiny(model={"pretrained": str(base)}, train={"max_steps": 3})
    )
    assert trained and not any(trained)
    assert final_tensors(folder)
    saved = load_pretrained(str(folder.checkpoints / "step-00000003"))
    assert saved.config.activation_function == "gelu_new" and len(written_out(saved)) == 1
