"""Sequences that are drawn are complete: against the definition, for random tokens."""

import random

import torch

from zerosum.game.sample_spec import TokenSyntax
from zerosum.game.seeded_rng import derive_seeds
from zerosum.networks.sequence_autoencoder import RecurrentAutoencoder
from zerosum.networks.token_syntax import SyntaxMask

TOKENS = ("", "a", "(", ")", ")(", "1", "2", "1(", "(a)", "12")
SYNTAX = TokenSyntax(
    (0, 0, 1, -1, 0, 0, 0, 1, 0, 0),
    (0, 0, 0, 1, 1, 0, 0, 0, 0, 0),
    ((), (), (), (), (), (0,), (1,), (0,), (), (0, 1)),
)


def is_complete(text: str, *, at_end: bool) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return not at_end or (depth == 0 and all(text.count(mark) % 2 == 0 for mark in "12"))


def test_tokens_may_follow_exactly_where_the_text_stays_possible() -> None:
    rng, mask = random.Random(0), SyntaxMask(SYNTAX)
    for _ in range(200):
        text, state = "", mask.begin(1)
        for _ in range(12):
            allowed = mask.mask(torch.zeros(1, len(TOKENS)), state)[0] == 0
            expected = [is_complete(text, at_end=True)]
            expected += [is_complete(text + token, at_end=False) for token in TOKENS[1:]]
            assert allowed.tolist() == expected, text
            token = rng.choice([place for place in range(1, len(TOKENS)) if expected[place]])
            text, state = text + TOKENS[token], mask.advance(state, torch.tensor([token]))


def test_sequences_are_complete_unless_they_are_cut() -> None:
    torch.manual_seed(0)
    network = RecurrentAutoencoder(
        40, len(TOKENS), 3, encoder_width=4, decoder_width=8, embedding_size=4, num_given=0, decoding_noise=1.0,
        temperature=1.0, syntax=SYNTAX,
    )  # fmt: skip
    with torch.no_grad():
        drawn = network.decode(torch.randn(300, 3), derive_seeds(0, 0, 300)).long()
    texts = ["".join(TOKENS[token] for token in row) for row in drawn.tolist()]
    ended = (drawn == 0).any(1).tolist()
    assert sum(ended) > 50
    assert all(is_complete(text, at_end=has_ended) for text, has_ended in zip(texts, ended, strict=True))
