"""Keep sequences that are drawn token by token complete: see `zerosum.game.sample_spec.TokenSyntax`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game.sample_spec import TokenSyntax


class SyntaxMask(nn.Module):
    """Which tokens may follow in sequences, whose state (N, 1 + M) has the open brackets and the marks that are open.

    The token 0, which ends a sequence, may follow where all brackets and marks are closed.
    """

    depth_changes: Tensor
    depths_needed: Tensor
    marks: Tensor

    def __init__(self, syntax: TokenSyntax) -> None:
        super().__init__()
        count = len(syntax.depth_changes)
        marks = torch.zeros(count, syntax.num_marks, dtype=torch.int64)
        for token, own in enumerate(syntax.marks):
            marks[token, list(own)] = 1
        self.register_buffer("depth_changes", torch.tensor(syntax.depth_changes), persistent=False)
        self.register_buffer("depths_needed", torch.tensor(syntax.depths_needed), persistent=False)
        self.register_buffer("marks", marks, persistent=False)

    def begin(self, count: int) -> Tensor:
        """Return the state of `count` empty sequences, (N, 1 + M) int64."""
        return self.depth_changes.new_zeros(count, 1 + self.marks.shape[1])

    def mask(self, logits: Tensor, state: Tensor) -> Tensor:
        """Return logits (N, V) with -inf for tokens that may not follow."""
        is_allowed = state[:, :1] >= self.depths_needed
        is_complete = (state == 0).all(1, keepdim=True)
        is_allowed = torch.cat([is_complete, is_allowed[:, 1:]], 1)
        return logits.masked_fill(~is_allowed, -torch.inf)

    def advance(self, state: Tensor, token: Tensor) -> Tensor:
        """Return the state after one more token (N,) of each sequence."""
        depth = state[:, 0] + self.depth_changes[token]
        return torch.cat([depth[:, None], (state[:, 1:] - self.marks[token]).abs()], 1)
