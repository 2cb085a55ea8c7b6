"""Time a training step of `PackedGRU` and of `torch.nn.GRU` on the same packed sequences, in turns.

    python benchmarks/packed_gru.py

Sequences have the lengths and widths of the recipe `molecule` at size nano.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from zerosum.networks.packed_gru import PackedGRU

BATCH, LENGTH, INPUTS, TURNS = 256, 21, 64, 15
WIDTHS = {"encoder": 192, "decoder": 384}


def time_step(gru: nn.GRU, inputs: torch.Tensor, lengths: torch.Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    start = time.perf_counter()
    states, last = gru(pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False))
    (states.data.sum() + last.sum()).backward()
    return time.perf_counter() - start


def main() -> None:
    """Print the median milliseconds of each, and their ratio."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, width in WIDTHS.items():
        inputs = torch.randn(BATCH, LENGTH, INPUTS, requires_grad=True)
        lengths = torch.randint(9, LENGTH, (BATCH,))
        grus = (PackedGRU(INPUTS, width), nn.GRU(INPUTS, width, batch_first=True))
        times = [[time_step(gru, inputs, lengths) for gru in grus] for _ in range(TURNS)]
        own, theirs = (1000 * statistics.median(turn[place] for turn in times) for place in (0, 1))
        print(f"{name}, width {width}: {own:.0f} ms, torch.nn.GRU {theirs:.0f} ms, {theirs / own:.2f} times as long")


if __name__ == "__main__":
    main()
