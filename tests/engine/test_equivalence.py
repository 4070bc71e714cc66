"""What must not change the mathematics: batches, padding, precision tricks, compilers, adapters."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from icot_tui.config import ModelConfig
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.models.build import build_model
from icot_tui.models.positions import extend_positions
from icot_tui.models.supervised import ChunkedCrossEntropy, SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.tiny import final_state, news, tiny, train, train_new

STILL = {"dropout": 0.0}


def losses(folder):
    return [
        loss for line in news(folder) if line["event"] == "StepsTrained" for loss in line["losses"]
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    config = tiny(model=STILL, train={"micro_batch_size": None})
    return losses(train_new(tmp_path_factory.mktemp("plain"), config))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"micro_batch_size": 1}},
        {"train": {"micro_batch_size": 5}},
        {"train": {"pad_to_multiple": 16}},
        {"model": STILL | {"gradient_checkpointing": True}},
    ],
    ids=["8x1", "5+3", "padded", "gradient checkpointing"],
)
def test_same_losses(plain, tmp_path, changes):
    sections = {"model": STILL, "train": {"micro_batch_size": None}} | changes
    assert losses(train_new(tmp_path, tiny(**sections))) == pytest.approx(plain, rel=1e-4, abs=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="the compiler needs a C compiler")
@pytest.mark.timeout(300)
def test_compiled_is_eager(plain, tmp_path):
    """And every padded shape was met before the clock started: no recompilation later."""
    import torch._dynamo as dynamo

    config = tiny(
        model=STILL, train={"micro_batch_size": None, "compile": True, "pad_to_multiple": 16}
    )
    counted = []

    def listen(event):
        counted.append(dynamo.utils.counters["stats"]["unique_graphs"])

    folder = train_new(tmp_path, config, listen=listen)
    assert losses(folder) == pytest.approx(plain, rel=1e-3, abs=1e-3)
    assert counted[2] == counted[-1] > 0  # after RunStarted and the first checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16-mixed", "bfloat16"])
def test_bfloat16_is_near(plain, tmp_path, precision):
    config = tiny(model=STILL | {"precision": precision}, train={"micro_batch_size": None})
    folder = train_new(tmp_path, config)
    assert losses(folder)[:10] == pytest.approx(plain[:10], rel=0.05)
    saved = list_checkpoints(folder.checkpoints)[-1].path
    wanted = torch.float32 if precision == "bfloat16-mixed" else torch.bfloat16
    from icot_tui.engine.checkpoints.checkpoint import load_tensors

    assert {value.dtype for value in load_tensors(saved / "model.safetensors").values()} == {wanted}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt_neox", "opt"])
def test_other_families_train_and_resume(tmp_path, architecture):
    config = tiny(model={"architecture": architecture}, train={"max_steps": 9})
    folder = train_new(tmp_path, config)
    known = losses(folder)
    assert known[-1] < known[0]
    opened = open_checkpoint(folder.path)
    assert opened.model.config.model_type == architecture
    assert opened.state["curriculum"]["stage"] > 0


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A trained run, to go on from as from any pretrained model."""
    config = tiny(model=STILL, train={"max_steps": 4})
    folder = train_new(tmp_path_factory.mktemp("base"), config)
    return list_checkpoints(folder.checkpoints)[-1].path


@pytest.mark.slow
def test_adapters_train_alone_and_resume_exactly(base, tmp_path):
    model = {"pretrained": str(base), "lora": {"rank": 2, "targets": ["c_attn"]}}
    data = {"tokenizer": str(base)}
    config = tiny(model=model, data=data, checkpoints={"keep": 100, "every_steps": 5})
    folder = train_new(tmp_path, config)
    known = losses(folder)
    assert known[-1] != known[0]
    newest = list_checkpoints(folder.checkpoints)[-1].path
    assert (newest / "adapter_model.safetensors").exists()
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(folder.path, copy.path, ignore=shutil.ignore_patterns("lock"))
    for checkpoint in list_checkpoints(copy.checkpoints):
        if checkpoint.step > 11:
            shutil.rmtree(checkpoint.path)
    train(copy)
    assert news(copy) == news(folder)
    assert final_state(copy) == final_state(folder)
    opened = open_checkpoint(folder.path)
    assert any("lora" in name for name, _ in opened.model.named_parameters())


def test_positions_are_extended(base):
    model = AutoModelForCausalLM.from_pretrained(base)
    before = model.transformer.wpe.weight.detach().clone()
    extend_positions(model, len(before) + 5)
    after = model.transformer.wpe.weight
    assert torch.equal(after[: len(before)], before)
    assert torch.equal(after[-1], before[-1])
    ids = torch.zeros(1, len(before) + 5, dtype=torch.long)
    assert model(ids).logits.isfinite().all()


def test_too_few_positions_are_told():
    with pytest.raises(UserError, match=r"needs 40 positions, but model\.positions is 30"):
        build_model(ModelConfig(layers=1, heads=1, width=8, positions=30), 20, 0, 40, seed=0)


def test_unknown_architecture_is_told():
    with pytest.raises(UserError, match="not known to transformers"):
        build_model(ModelConfig(architecture="gpt9", heads=1, width=8), 20, 0, 40, seed=0)


def test_missing_model_is_told(tmp_path):
    with pytest.raises(UserError, match="no causal language model can be read"):
        build_model(ModelConfig(pretrained=str(tmp_path)), 20, 0, 40, seed=0)


# The loss on supervised positions ------------------------------------------------------------


def whole_loss(lm, ids, states, targets):
    logits = lm(input_ids=ids).logits.flatten(0, 1)[states]
    return F.cross_entropy(logits, targets, reduction="sum")


@pytest.mark.parametrize(
    ("architecture", "extra"),
    [("gpt2", {}), ("llama", {}), ("granite", {"logits_scaling": 7.0}), ("gemma2", {})],
)
def test_loss_is_the_models_own(architecture, extra):
    """Also where the model scales or caps its logits behind the head."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    if architecture != "gpt2":
        sizes |= {"intermediate_size": 32, "num_key_value_heads": 2, "head_dim": 8}
    config = AutoConfig.for_model(architecture, vocab_size=50, pad_token_id=0, **sizes, **extra)
    lm = AutoModelForCausalLM.from_config(config).eval()
    ids = torch.randint(0, 50, (3, 9))
    states, targets = torch.tensor([2, 3, 11, 20, 24]), torch.randint(0, 50, (5,))
    model = SupervisedLM(lm)
    expected = whole_loss(lm, ids, states, targets)
    assert model(ids, None, states, targets).item() == pytest.approx(expected.item(), rel=1e-5)
    nll, best = model.score(ids, None, states, targets)
    assert nll.sum().item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.equal(best, lm(input_ids=ids).logits.flatten(0, 1)[states].argmax(-1))


def test_chunked_loss_and_gradients(monkeypatch):
    monkeypatch.setattr("icot_tui.models.supervised.CHUNK_BYTES", {"cpu": 4 * 9000 * 13})
    torch.manual_seed(0)
    hidden = torch.randn(30, 12, requires_grad=True)
    weight = torch.randn(9000, 12, requires_grad=True)
    targets = torch.randint(0, 9000, (30,))
    targets[[3, 29]] = -100
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    wanted = torch.autograd.grad(expected * 0.5, (hidden, weight))
    loss = ChunkedCrossEntropy.apply(hidden, weight, targets)
    found = torch.autograd.grad(loss * 0.5, (hidden, weight))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours - theirs).norm() < 1e-6 * theirs.norm()
    frozen = ChunkedCrossEntropy.apply(hidden, weight.detach(), targets)
    assert torch.autograd.grad(frozen, hidden)[0].isfinite().all()


@pytest.mark.parametrize("scale", [1.0, 40.0, 4000.0])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_chunked_loss_where_a_float_holds_no_probability_of_a_target(scale, precision):
    """e^-104 is 0 in float32; its logarithm would be the loss."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(40, 12, generator=generator, requires_grad=True)
    weight = (torch.randn(9000, 12, generator=generator) * scale).requires_grad_()
    targets = torch.randint(0, 9000, (40,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        logits = hidden @ weight.T
        expected = F.cross_entropy(logits.float(), targets, reduction="none")
        loss, each = ChunkedCrossEntropy.apply(hidden, weight, targets, True)
    if scale > 1:
        assert expected.max() > 104
    assert torch.allclose(each, expected, rtol=1e-6, atol=1e-5)
    assert loss.item() == pytest.approx(expected.sum().item(), rel=1e-6)
    wanted = torch.autograd.grad(expected.sum(), (hidden, weight))
    found = torch.autograd.grad(loss, (hidden, weight))
    allowed = 1e-5 if precision == torch.float32 else 1e-2
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours - theirs).norm() < allowed * theirs.norm()
