import numpy as np

from molecule_data import molecule_texts
from zerosum.data.molecules.tokens import Tokenizer, decode_rows, encode_texts, split_smiles, token_dtype


def test_tokens_joined_are_the_text() -> None:
    for text in (*molecule_texts(), "C[C@@H](Br)C%12CC%12Cl", "C[", "%1", "\n"):
        assert "".join(split_smiles(text)) == text


def test_texts_are_encoded_and_decoded() -> None:
    texts = molecule_texts()
    tokens = sorted({token for text in texts for token in split_smiles(text)})
    raw, known = encode_texts(texts, Tokenizer(tokens), 80, np.uint8)
    assert known.all()
    assert raw.dtype == np.uint8
    assert decode_rows(raw, tokens).tolist() == texts


def test_unknown_tokens_and_long_texts_are_left_out() -> None:
    raw, known = encode_texts(["CC", "CN", "CCCC", ""], Tokenizer(["C"]), 3, np.uint8)
    assert known.tolist() == [True, False, False, False]
    assert raw.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_text_ends_at_the_first_zero() -> None:
    assert decode_rows(np.array([[1, 0, 1], [0, 1, 1]]), ["C"]).tolist() == ["C", ""]


def test_large_vocabularies_have_numbers_of_two_bytes() -> None:
    assert token_dtype(255) is np.uint8
    assert token_dtype(256) is np.uint16
