import json

import numpy as np
import pytest
import torch

from molecule_data import molecule_texts
from zerosum.data.molecules.chemistry import canonical_smiles, kekule_smiles
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.property_range import PropertyRange
from zerosum.data.molecules.tokens import split_smiles
from zerosum.errors import BadInput

TEXTS = molecule_texts()[:100]
WRITTEN = [kekule_smiles(text) or "" for text in TEXTS]  # the form that a codec reads and writes
SEED = torch.arange(len(TEXTS))
QED = PropertyRange("qed", mean=0.8, deviation=0.1, low=0.2, high=0.94)
LOGP = PropertyRange("logp", mean=2.4, deviation=0.9, low=-1.0, high=5.0)


@pytest.fixture
def codec() -> MoleculeCodec:
    tokens = sorted({token for text in WRITTEN for token in split_smiles(text)})
    return MoleculeCodec(tuple(tokens), 64, (LOGP, QED))


@pytest.fixture
def sample(codec: MoleculeCodec) -> torch.Tensor:
    raw, known = codec.encode_smiles(TEXTS)
    assert known.all()
    return codec.encode(torch.from_numpy(raw))


def test_molecules_are_samples_and_samples_molecules(codec: MoleculeCodec, sample: torch.Tensor) -> None:
    assert sample.shape == (100, *codec.spec.shape)
    assert sample.dtype == torch.float32
    assert sample.max() < codec.spec.num_tokens
    assert codec.decode(sample, SEED).tolist() == WRITTEN
    assert [canonical_smiles(text) for text in WRITTEN] == TEXTS
    assert codec.decode(sample + 0.4, SEED).tolist()[0].startswith(WRITTEN[0])  # ends become tokens at .5
    assert not codec.find_invalid(codec.decode(sample, SEED)).any()


def test_any_values_are_decoded(codec: MoleculeCodec) -> None:
    noise = 1e3 * torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    noise[0, 0], noise[1, 0] = float("nan"), float("inf")
    items = codec.decode(noise, SEED[:50])
    assert items[0] == ""
    rounded = codec.round(noise)
    assert codec.decode(rounded, SEED[:50]).tolist() == items.tolist()
    invalid = codec.find_invalid(items)
    assert invalid.tolist() == [not canonical_smiles(text) for text in items]
    assert invalid.sum() > 10


def test_encoding_leaves_a_place_for_the_end(codec: MoleculeCodec) -> None:
    _, known = codec.encode_smiles(["C" * 63, "C" * 64, "C[Pt]"])
    assert known.tolist() == [True, False, False]


def test_features_tell_molecules_apart(codec: MoleculeCodec, sample: torch.Tensor) -> None:
    features = codec.embed(sample)
    assert features.shape == (100, 64)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(100))
    distances = torch.cdist(features, features) + 2 * torch.eye(100)
    assert distances.min() > 0.01
    assert codec.embed(torch.zeros(2, 64)).abs().sum() == 0


def test_properties_are_given_by_name(codec: MoleculeCodec) -> None:
    nothing = codec.draw_conditions(SEED[:2], None)
    condition = codec.set_conditions(nothing, {"QED": "0.9", "logp": 3.3}, SEED[:2])
    torch.testing.assert_close(condition["values"], torch.tensor([[1.0, 1.0]] * 2))
    assert condition["known"].tolist() == [[1, 1]] * 2
    assert nothing["known"].sum() == 0


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("qed", "1.4", "`given` qed=1.4: the training molecules have values from 0.2 to 0.94"),
        ("qed", "high", "`given` qed=high: give a number"),
        ("qed", "nan", "give a number"),
        ("qde", "0.9", "`given` qde: the run was not trained with this property; did you mean qed?"),
        ("weight", "300", "give one of logp, qed"),
    ],
)
def test_values_that_cannot_be_given(codec: MoleculeCodec, name: str, value: str, part: str) -> None:
    with pytest.raises(BadInput) as info:
        codec.set_condition(codec.give_nothing(1), name, value)
    assert part in str(info.value)


def test_no_properties(codec: MoleculeCodec) -> None:
    plain = MoleculeCodec(codec.tokens, codec.max_tokens)
    assert plain.condition_spec is None
    assert plain.draw_conditions(SEED, None) is None


def test_unknown_properties_are_standardized_to_zero(codec: MoleculeCodec) -> None:
    condition = codec.standardize(np.array([[3.3, np.nan]], np.float32))
    np.testing.assert_allclose(condition["values"], [[1.0, 0.0]], rtol=1e-6)
    assert condition["known"].tolist() == [[1, 0]]


def test_codec_is_restored(codec: MoleculeCodec) -> None:
    restored = MoleculeCodec.restore(json.loads(json.dumps(codec.settings())))
    assert (restored.tokens, restored.max_tokens, restored.properties) == (codec.tokens, 64, (LOGP, QED))


def test_range_of_a_property() -> None:
    known = PropertyRange.fit("sa", np.array([1.0, np.nan, 3.0], np.float32))
    assert known == PropertyRange("sa", 2.0, 1.0, 1.0, 3.0)
    with pytest.raises(BadInput, match=r"`data\.properties` sa: is 2 in all training molecules"):
        PropertyRange.fit("sa", np.array([2.0, 2.0], np.float32))
    with pytest.raises(BadInput, match=r"`data\.properties` sa: could be computed for 0 of 2"):
        PropertyRange.fit("sa", np.array([np.nan, np.nan], np.float32))


def test_filters(codec: MoleculeCodec) -> None:
    items = np.array(["c1ccccc1", "CCO", "C(", "c1ccc2ccccc2c1"])
    assert codec.parse_filter("rings>=1 and LogP<2")(items).tolist() == [True, False, False, False]
    assert codec.parse_filter("rings!=2")(items).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "part"),
    [("rings", "is no comparison"), ("mass<3", "there is no such property"), ("qed>high", "is no number")],
)
def test_filters_that_mean_nothing(codec: MoleculeCodec, text: str, part: str) -> None:
    with pytest.raises(BadInput, match=part):
        codec.parse_filter(text)


def test_large_vocabularies_are_encoded_and_decoded(codec: MoleculeCodec) -> None:
    large = MoleculeCodec((*codec.tokens, *(f"[{number}CH3]" for number in range(1, 300))), 64)
    texts = ["CC[299CH3]", "C[1CH3]"]
    raw, known = large.encode_smiles(texts)
    assert known.all()
    assert raw.dtype == np.uint16
    sample = large.encode(torch.from_numpy(raw))
    assert large.decode(sample, SEED[:2]).tolist() == texts
    assert large.embed(sample).shape == (2, 64)
