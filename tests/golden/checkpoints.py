"""The models as folders of the published format."""

import json
from pathlib import Path

import torch

from tests.golden.tokenizer import digits_tokenizer
from tests.golden.weights import KD_CONFIG, SI_CONFIG, Tensors, kd_weights, si_weights

COMPONENTS = {"emulator_single": 1, "emulator_mixture": 5}


def write_checkpoints(folder: Path) -> Path:
    """Checkpoints, the architectures they only name, and a tokenizer.

    si, teacher, student, emulator_single, emulator_mixture  with config.json and state_dict.bin
    si_base, kd_base                                         config.json of the architecture
    tokenizer                                                of single digits and signs
    """
    SI_CONFIG.save_pretrained(folder / "si_base")
    KD_CONFIG.save_pretrained(folder / "kd_base")
    digits_tokenizer().save_pretrained(folder / "tokenizer")
    for name, tensors in (kd_weights() | {"si": si_weights()}).items():
        _write(folder / name, tensors)
    return folder


def _write(folder: Path, tensors: Tensors) -> None:
    config: dict[str, object] = {"base_model": "gpt2", "tokenizer_name": "gpt2"}
    if folder.name in COMPONENTS:
        config |= {"mixture_size": COMPONENTS[folder.name], "softmax_temperature": 0.05}
    tied = {"base_model.lm_head.weight": tensors["base_model.transformer.wte.weight"]}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(tensors | tied, folder / "state_dict.bin")
