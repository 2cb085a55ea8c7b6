"""MOSES's CharRNN as a written-out loop, to measure how fast it trains and samples on this machine.

Settings are those that MOSES publishes (Polykovskiy et al. 2020, arXiv:1811.12823): three LSTM layers of 768 values,
dropout .2, batches of 64 sorted by length, Adam with a rate of 1e-3. Sampling draws a batch of sequences at once and
ends with the longest of them, which is faster than one draw for each row.
Its network has about 12 million weights, ours at size nano 1.5 million, so this compares loops, not equal networks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

WIDTH, LAYERS, DROPOUT, BATCH, RATE = 768, 3, 0.2, 64, 1e-3
SAMPLED, SAMPLED_AT_ONCE, MAX_LENGTH = 1_024, 512, 100
MOLECULES = 50_000
"""Molecules of the training file that are read: more than it sees in the time."""
PAD, BEGIN, END = 0, 1, 2


class CharRNN(nn.Module):
    """Predict each character of a SMILES from those before it."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, characters, padding_idx=PAD)
        self.lstm = nn.LSTM(characters, WIDTH, LAYERS, dropout=DROPOUT, batch_first=True)
        self.to_logits = nn.Linear(WIDTH, characters)

    def loss(self, sequences: Sequence[Tensor]) -> Tensor:
        """Return the mean negative log-likelihood of a character, of sequences with their first and last tokens."""
        ordered = sorted(sequences, key=len, reverse=True)
        lengths = torch.tensor([len(sequence) - 1 for sequence in ordered])
        inputs = pad_sequence([sequence[:-1] for sequence in ordered], batch_first=True)
        targets = pack_padded_sequence(pad_sequence([sequence[1:] for sequence in ordered], batch_first=True), lengths,
                                       batch_first=True)  # fmt: skip
        states, _ = self.lstm(pack_padded_sequence(self.embedding(inputs), lengths, batch_first=True))
        return nn.functional.cross_entropy(self.to_logits(states.data), targets.data)

    @torch.inference_mode()
    def sample(self, number: int) -> Tensor:
        """Draw sequences (N, L)."""
        token, hidden = torch.full((number, 1), BEGIN), None
        is_open, drawn = torch.ones(number, dtype=torch.bool), []
        while len(drawn) < MAX_LENGTH and bool(is_open.any()):
            states, hidden = self.lstm(self.embedding(token), hidden)
            token = torch.multinomial(self.to_logits(states[:, 0]).softmax(1), 1)
            drawn.append(token)
            is_open &= token[:, 0] != END
        return torch.cat(drawn, 1)


def measure_charrnn(train: Path, seconds: float) -> Mapping[str, float]:
    """Return how many molecules a second it trains on and draws, each for about so many seconds of one process."""
    with train.open(encoding="utf8") as file:
        texts = [line.split()[0] for line, _ in zip(file, range(MOLECULES), strict=False)]
    numbers = {character: place for place, character in enumerate(sorted(set("".join(texts))), END + 1)}
    sequences = [torch.tensor([BEGIN, *(numbers[character] for character in text), END]) for text in texts]
    torch.manual_seed(0)
    network = CharRNN(END + 1 + len(numbers))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    trained, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        loss = network.loss([sequences[place] for place in torch.randint(len(sequences), (BATCH,)).tolist()])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trained += BATCH
    network.eval()
    start = time.perf_counter()
    for _ in range(SAMPLED // SAMPLED_AT_ONCE):
        network.sample(SAMPLED_AT_ONCE)
    return {
        "examples_per_second": trained / passed, "samples_per_second": SAMPLED / (time.perf_counter() - start),
        "loss": float(loss.detach()),
    }  # fmt: skip
