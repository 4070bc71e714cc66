"""A model that carries z1 = a0 b0 mod 10, and nothing else, at places that are known.

2×2-digit products at stage 8 with kept positions: `a0 a1 * b0 b1 SEP SEP2 #### c0 c1 c2 c3`.
All states are sums of one-hot vectors, so that each layer norm is the same for all examples.

block 0  attention  SEP reads a0 (head 0) and b0 (head 1); all others read themselves
         MLP        at SEP: one unit for each pair of digits, which writes the product's unit digit
block 1  attention  #### reads SEP's unit digit (if `uses` it); all others read themselves
head                says that digit: c0 is always right, the other digits never

So z1 stands at SEP from block 0's output on and at #### after block 1's attention; from SEP it is
read by block 1's attention, after which changing it there changes nothing.
"""

import torch
from torch import nn
from transformers import GPT2LMHeadModel

from icot_tui.config import RunConfig
from icot_tui.data.load import load_data
from icot_tui.data.tokenizing import encode_texts
from tests.analysis.made import blank_gpt2

WIDTH, HEADS, EPSILON = 128, 2, 1e-5
POSITIONS = 24
SEP_POSITION, MARK_POSITION = 13, 15  # of the first separator and of ####, with 8 tokens removed
SURE = 400.0


def wired_model(config: RunConfig, uses: bool = True) -> GPT2LMHeadModel:
    """The model; without `uses` z1 stands at SEP all the same, but nobody reads it."""
    data = load_data(config.data)
    words = len(data.tokenizer)
    digits = [encode_texts(data.tokenizer, [f" {digit}"])[0][0] for digit in range(10)]
    place = words
    first = place + POSITIONS
    a, b, unit, out = (torch.arange(first + 10 * n, first + 10 * n + 10) for n in range(4))
    assert int(out[-1]) < WIDTH
    model = blank_gpt2(words, data.separator_id, 2, HEADS, WIDTH, POSITIONS)
    stack = model.transformer
    with torch.no_grad():
        stack.wte.weight[:, :words] = torch.eye(words)
        stack.wpe.weight[:, place:first] = torch.eye(POSITIONS)
        reads = [{SEP_POSITION: 0}, {SEP_POSITION: 3}]
        tokens = torch.tensor(digits)
        _attend(stack.h[0].attn, place, reads, [tokens, tokens], [a, b], ones=2)
        _multiply(stack.h[0].mlp, place + SEP_POSITION, a, b, unit)
        if uses:
            reads = [{MARK_POSITION: SEP_POSITION}, {}]
            _attend(stack.h[1].attn, place, reads, [unit, unit], [out, None], ones=5)
        model.lm_head.weight[tokens, out] = 10.0
    return model


def _attend(attention, place, reads, values, targets, ones) -> None:
    """Each head: positions read themselves, but for those in `reads`; copies values to targets."""
    size = WIDTH // HEADS
    wanted = torch.zeros(WIDTH, 3 * WIDTH)
    for head, (map_, source, target) in enumerate(zip(reads, values, targets, strict=True)):
        begin = head * size
        for position in range(POSITIONS):
            wanted[place + position, begin + map_.get(position, position)] = SURE
            wanted[place + position, WIDTH + begin + position] = 1.0
        if target is not None:
            wanted[source, 2 * WIDTH + begin + torch.arange(10)] = 1.0
            attention.c_proj.weight[begin + torch.arange(10), target] = 1.0
    _behind_norm(attention.c_attn, wanted, ones)


def _multiply(mlp, sep, a, b, unit) -> None:
    wanted, bias = torch.zeros(WIDTH, 4 * WIDTH), torch.zeros(4 * WIDTH)
    for i in range(10):
        for j in range(10):
            number = 10 * i + j
            wanted[[int(a[i]), int(b[j]), sep], number] = 2.0
            bias[number] = -5.0
            mlp.c_proj.weight[number, unit[i * j % 10]] = 1.0
    _behind_norm(mlp.c_fc, wanted, ones=4)
    mlp.c_fc.bias += bias


def _behind_norm(linear: nn.Module, wanted: torch.Tensor, ones: int) -> None:
    """Let `linear(norm(x))` be `x @ wanted` for x with so many ones."""
    mean = ones / WIDTH
    deviation = (mean - mean**2 + EPSILON) ** 0.5
    linear.weight[:] = wanted * deviation
    linear.bias[:] = wanted.sum(0) * mean
