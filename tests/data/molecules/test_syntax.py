"""The syntax of a vocabulary of SMILES: real molecules keep it, and what it counts."""

import torch

from molecule_data import molecule_texts
from zerosum.data.molecules.fragments import learn_vocabulary
from zerosum.data.molecules.syntax import smiles_syntax
from zerosum.data.molecules.tokens import Tokenizer
from zerosum.networks.token_syntax import SyntaxMask


def test_every_step_of_real_molecules_is_allowed() -> None:
    texts = [*molecule_texts(), "C%10CCCC%10", "[13CH3]C(=O)[O-]", "C%(12)CC%(12)", "[nH]1cccc1"]
    vocabulary = learn_vocabulary(texts, 120)
    tokenizer, mask = Tokenizer(vocabulary), SyntaxMask(smiles_syntax(vocabulary))
    for text in texts:
        state = mask.begin(1)
        for number in [*tokenizer.numbers(text), 0]:
            assert mask.mask(torch.zeros(1, len(vocabulary) + 1), state)[0, number] == 0, text
            state = mask.advance(state, torch.tensor([number]))


def test_rings_are_told_from_numbers_within_atoms() -> None:
    syntax = smiles_syntax(["[13C]", "%11", "%(11)", "1", "11", "C1CC1"])
    assert syntax.marks == ((), (), (1,), (1,), (0,), (), ())
    assert syntax.num_marks == 2


def test_branches_that_a_token_closes_must_be_open() -> None:
    syntax = smiles_syntax(["))C(", "(", "C(C)C)"])
    assert syntax.depth_changes == (0, -1, 1, -1)
    assert syntax.depths_needed == (0, 2, 0, 1)
