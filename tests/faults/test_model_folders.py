"""200 damaged model folders: each is refused in one sentence, and none is opened."""

import json
import random
import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from typer.testing import CliRunner

from icot_tui.cli.eval import app
from icot_tui.data.tokenizing import character_tokenizer
from icot_tui.errors import UserError

pytestmark = pytest.mark.slow

FOLDERS = 200
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1234\n"
BROKEN_JSON = ["", "{", "[]", "null", "3", '"text"', "{'a': 1}", "\x00\x01", "[" * 3000, POINTER]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_whole(tmp_path_factory.mktemp("whole"))


def make_whole(root):
    """A folder with a model and a tokenizer, its shards, adapters on it, and examples."""
    tokenizer = character_tokenizer("0123456789*+=")
    torch.manual_seed(0)
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 64}
    sizes |= {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = GPT2LMHeadModel(GPT2Config(**sizes, vocab_size=len(tokenizer)))
    model.save_pretrained(root / "plain")
    model.save_pretrained(root / "sharded", max_shard_size="6KB")
    adapters = LoraConfig(task_type="CAUSAL_LM", r=2, fan_in_fan_out=True, init_lora_weights=False)
    base = AutoModelForCausalLM.from_pretrained(root / "plain")
    get_peft_model(base, adapters).save_pretrained(root / "adapters")
    for name in ("plain", "sharded", "adapters"):
        tokenizer.save_pretrained(root / name)
    (root / "test.txt").write_text("1 * 2||2 #### 2\n3 * 3||9 #### 9\n")
    return root


# What can be wrong: each takes a folder and a generator of random numbers ----------------------


def cut(folder, rng):
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def stretch(folder, rng):
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    path.write_bytes(path.read_bytes() + bytes(rng.randrange(1, 99)))


def header(folder, rng):
    """Bytes of a weight file's header replaced."""
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    data = bytearray(path.read_bytes())
    for _ in range(8):
        data[rng.randrange(8, 120)] = 0
    path.write_bytes(data)


def replaced(folder, rng):
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    path.write_bytes(rng.choice([b"", POINTER.encode(), b"<html></html>", rng.randbytes(500)]))


def gone(folder, rng):
    rng.choice(sorted(folder.glob("*.safetensors"))).unlink()


def directory(folder, rng):
    path = rng.choice([*sorted(folder.glob("*.safetensors")), folder / "tokenizer.json"])
    path.unlink()
    path.mkdir()


def tensors(folder, rng):
    """A tensor missing, too many, renamed, or of another shape."""
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    found = load_file(path)
    name = rng.choice(sorted(found))
    tensor = found.pop(name)
    wrong = [{}, {f"{name}_": tensor}, {f"module.{name}": tensor}, {name: tensor[..., :1].clone()}]
    wrong += [{name: torch.zeros(*tensor.shape, 2)}, {name: tensor, f"more.{name}": tensor.clone()}]
    save_file(found | rng.choice(wrong), path, metadata={"format": "pt"})


def config_text(folder, rng):
    (folder / "config.json").write_text(rng.choice(BROKEN_JSON))


def config_value(folder, rng):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    wrong = [
        {"n_embd": 10**9},
        {"n_embd": 18},
        {"n_embd": -16},
        {"n_head": 0},
        {"n_head": 5},
        {"n_layer": 3},
        {"n_layer": 1},
        {"n_layer": "two"},
        {"n_layer": None},
        {"n_positions": 8},
        {"n_positions": 10**15},
        {"vocab_size": -1},
        {"vocab_size": 12},
        {"vocab_size": 10**12},
        {"activation_function": "unknown"},
        {"layer_norm_epsilon": "small"},
        {"model_type": "unknown"},
        {"model_type": "bert"},
        {"model_type": "t5"},
        {"model_type": None},
        {"model_type": ["gpt2"]},
        {"quantization_config": {"quant_method": "awq"}},
        {"quantization_config": {}},
    ]
    path.write_text(json.dumps(config | rng.choice(wrong)))


def tokenizer_text(folder, rng):
    path = folder / "tokenizer.json"
    whole = path.read_text()
    path.write_text(rng.choice([*BROKEN_JSON, "{}", whole[: rng.randrange(len(whole))]]))


def tokenizer_gone(folder, rng):
    (folder / "tokenizer.json").unlink()
    if rng.random() < 0.5:
        (folder / "tokenizer_config.json").unlink()


def tokenizer_value(folder, rng):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    key = rng.choice(["model", "pre_tokenizer", "decoder"])
    content[key] = {"type": "Unknown"}
    path.write_text(json.dumps(content))


def tokenizer_too_large(folder, rng):
    character_tokenizer(map(chr, range(0x4E00, 0x4E00 + 200))).save_pretrained(folder)


def no_separator(folder, rng):
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: config[key] for key in config if key != "eos_token"}))


def pickled(folder, rng):
    """A pickle that is cut short, holds no tensors, or more than tensors."""
    for path in folder.glob("model*"):
        path.unlink()
    path = folder / "pytorch_model.bin"
    torch.save(rng.choice([[1, 2], {"a": 3}, {"a": random.Random(0)}, torch.ones(3)]), path)
    if rng.random() < 0.4:
        path.write_bytes(path.read_bytes()[: rng.randrange(300)])


def index(folder, rng):
    path = folder / "model.safetensors.index.json"
    whole = json.loads(path.read_text())
    other = {"weight_map": dict.fromkeys(whole["weight_map"], "nowhere.safetensors")}
    path.write_text(rng.choice([*BROKEN_JSON, "{}", json.dumps(other)]))


def adapter_config(folder, rng):
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    wrong = [{"r": 3}, {"r": 0}, {"r": "two"}, {"base_model_name_or_path": None}]
    wrong += [{"base_model_name_or_path": "./nowhere"}, {"base_model_name_or_path": "/nowhere"}]
    wrong += [{"target_modules": ["nothing"]}, {"peft_type": "UNKNOWN"}, {"peft_type": None}]
    texts = [*BROKEN_JSON, *(json.dumps(config | one) for one in wrong)]
    path.write_text(rng.choice(texts))


KINDS = {
    "plain": [
        *(cut, stretch, header, replaced, gone, directory, tensors, config_text, config_value),
        *(tokenizer_text, tokenizer_gone, tokenizer_value, tokenizer_too_large, no_separator),
        pickled,
    ],
    "sharded": [cut, header, replaced, gone, tensors, index],
    "adapters": [cut, header, replaced, gone, tensors, adapter_config],
}
DAMAGES = [(folder, damage) for folder, damages in KINDS.items() for damage in damages]


@pytest.mark.parametrize("folder", KINDS)
def test_the_whole_ones_open(whole, folder):
    result = evaluated(whole / folder, whole)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("number", range(FOLDERS))
def test_a_damaged_one_is_refused(whole, tmp_path, number):
    folder, damage = DAMAGES[number % len(DAMAGES)]
    rng = random.Random(number)
    shutil.copytree(whole / folder, tmp_path / "model")
    damage(tmp_path / "model", rng)
    error = evaluated(tmp_path / "model", whole).exception
    assert isinstance(error, UserError), (damage.__name__, error)
    assert len(str(error)) < 1200 and "\n" not in str(error).strip()


def evaluated(folder, whole):
    arguments = [str(folder), "--data", str(whole / "test.txt"), "--stage", "0", "--no-speed"]
    return CliRunner().invoke(app, arguments)
