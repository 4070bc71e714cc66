"""`icot-tui export --to gguf`: llama.cpp answers as icot-tui does, or nothing is written."""

from importlib.util import find_spec

import numpy as np
import pytest
from gguf import GGUFReader

from icot_tui.exporting.gguf import write_gguf
from icot_tui.exporting.portable import make_portable
from icot_tui.exporting.source import read_source


@pytest.mark.slow
def test_llama_cpp_answers_alike_or_nothing_is_written(trained, export, tmp_path) -> None:
    out = tmp_path / "out"
    if find_spec("llama_cpp") is None:
        said = export(trained("own", True)[8], "gguf", out, status=1)
        assert "llama_cpp is not installed" in said and not list(tmp_path.iterdir())
        return
    export(trained("own", True)[8], "gguf", out)
    assert {path.name for path in out.iterdir()} == {"README.md", "model.gguf"}


@pytest.mark.slow
def test_the_file_holds_every_weight(trained, tmp_path) -> None:
    portable = make_portable(read_source(trained("own", True)[8], None, None))
    write_gguf(portable, tmp_path / "model.gguf")
    tensors = {one.name: one.data for one in GGUFReader(tmp_path / "model.gguf").tensors}
    block = portable.model.transformer.h[0]
    assert np.array_equal(tensors["blk.0.ffn_up.weight"], block.mlp.c_fc.weight.detach().T)
    positions = portable.model.transformer.wpe.weight.detach()
    assert np.array_equal(tensors["position_embd.weight"], positions)
