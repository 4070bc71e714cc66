"""The training step written the obvious way, as the published code does it.

Removal example by example in Python on tensors, logits over the whole sequence, an arg-max every
step, float32. It stands here to be compared with; nothing else uses it.
"""

import torch
import torch.nn.functional as F


class PlainLoop:
    """One step a call: the same losses as the engine's, given the same rows and stage."""

    def __init__(self, lm, learning_rate: float, separator: int) -> None:
        self.lm = lm
        self.separator = separator
        self.optimizer = torch.optim.AdamW(lm.parameters(), lr=learning_rate)

    def step(self, examples: list[torch.Tensor], scheduled: list[int]) -> float:
        """Train on whole examples after removing min(s + o, m) tokens from the left of each."""
        rows, labels = [], []
        for tokens, remove in zip(examples, scheduled, strict=True):
            separators = (tokens == self.separator).nonzero().flatten()
            first, second = separators[0].item(), separators[1].item()
            removed = min(remove, second - first - 1)
            row = torch.cat([tokens[: first + 1], tokens[first + 1 + removed :]])
            label = row.clone()
            label[: first + 1] = -100
            rows.append(row)
            labels.append(label)
        longest = max(len(row) for row in rows)
        ids = torch.full((len(rows), longest), self.separator, device=rows[0].device)
        targets = torch.full_like(ids, -100)
        for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
            ids[number, : len(row)] = row
            targets[number, : len(label)] = label
        logits = self.lm(input_ids=ids).logits
        shifted, wanted = logits[:, :-1], targets[:, 1:]
        loss = F.cross_entropy(shifted.flatten(0, 1), wanted.flatten())
        correct = (shifted.argmax(-1) == wanted).sum().item()
        assert correct >= 0
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.lm.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()
