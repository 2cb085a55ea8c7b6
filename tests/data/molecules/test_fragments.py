"""Vocabularies of fragments: what is merged, and that every text is split into tokens that join to it."""

from zerosum.data.molecules.fragments import MIN_COUNT, learn_vocabulary
from zerosum.data.molecules.tokens import Tokenizer, split_smiles

TEXTS = ["CC(=O)Oc1ccccc1C(=O)O", "ClCCl", "BrCCB", "C%10CCCC%10", "c1ccccc1Cl", "[nH]1cccc1"] * 100


def test_the_most_frequent_pairs_are_merged() -> None:
    assert learn_vocabulary(["CCO"] * MIN_COUNT, 4) == ("C", "O", "CC", "CCO")
    assert learn_vocabulary(["CCO"] * (MIN_COUNT - 1), 4) == ("C", "O")


def test_all_tokens_are_in_a_vocabulary_that_is_smaller() -> None:
    assert set(learn_vocabulary(TEXTS, 2)) == {token for text in TEXTS for token in split_smiles(text)}


def test_texts_are_split_into_fewer_tokens_that_join_to_them() -> None:
    vocabulary = learn_vocabulary(TEXTS, 60)
    tokenizer = Tokenizer(vocabulary)
    for text in TEXTS:
        numbers = tokenizer.numbers(text)
        assert "".join(vocabulary[number - 1] for number in numbers) == text
        assert len(numbers) < len(split_smiles(text))


def test_a_fragment_does_not_end_within_an_atom() -> None:
    assert Tokenizer(["C", "CC", "Cl", "B", "Br", "CB"]).numbers("CCClCBr") == [2, 3, 1, 5]


def test_an_unknown_token_is_0_and_the_others_are_known() -> None:
    assert Tokenizer(["C", "CC"]).numbers("CC[Se]CCC") == [2, 0, 2, 1]
