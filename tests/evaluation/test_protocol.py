"""How a score came about, and which scores may be ranked together."""

from dataclasses import replace

import pytest

from zerosum.evaluation.protocol import COMPARED_FIELDS, Protocol
from zerosum.evaluation.ranking import EvaluatedRun, incomparable_reasons, rank_by_protocol

PROTOCOL = Protocol(
    features="lite0", weights_hash="57934424", resize_mode="bicubic, antialiased, to 96 px", image_format="28x28 grey, fit by crop",
    real_fingerprint="0123456789ab", reference_split="held-out", num_real=5000, num_generated=10000, sample_source="averaged",
)  # fmt: skip
OTHER = {
    "features": "pixels", "weights": "00000000", "resize": "none", "images": "64x64 RGB, fit by crop",
    "data": "ffffffffffff", "against": "train", "real": 4999, "made": 9999, "source": "live", "truncation": 0.7,
    "answers": True, "neighbours": 3, "version": 0,
}  # fmt: skip


def entry(name: str, kid: float, error: float = 0.001, protocol: Protocol = PROTOCOL) -> EvaluatedRun:
    score = {"value": kid, "error": error, "floor": 0.0, "floor_error": 0.0, "ratio": None}
    return EvaluatedRun(name, protocol, {protocol.score_name("kid"): score}, 100)


@pytest.mark.parametrize("field", COMPARED_FIELDS)
def test_every_part_of_a_protocol_keeps_scores_apart(field: str) -> None:
    other = replace(PROTOCOL, **{field: OTHER[field]})
    assert other.key != PROTOCOL.key
    (difference,) = PROTOCOL.differences(other)
    assert str(OTHER[field]) in difference
    assert str(getattr(PROTOCOL, field)) in difference


def test_another_seed_is_no_other_protocol() -> None:
    assert replace(PROTOCOL, seed=9).key == PROTOCOL.key


def test_a_protocol_survives_being_written_down() -> None:
    assert Protocol.from_dict(PROTOCOL.as_dict()) == PROTOCOL


def test_the_line_tells_all() -> None:
    line = replace(PROTOCOL, truncation=0.7, seed=3).describe()
    for word in (
        "lite0 57934424",
        "96 px",
        "10,000",
        "5,000",
        "held-out",
        "01234567",
        "averaged",
        "seed 3",
        "0.7",
        "28x28",
    ):
        assert word in line


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"features": "inception", "made": 50000, "against": "all"}, "fid"),
        ({"features": "inception", "made": 50000, "against": "all", "real": 4999}, "fd_inception"),
        ({"features": "inception", "made": 50000, "against": "train"}, "fd_inception"),
        ({"features": "inception", "made": 50000, "real": 50000}, "fid"),
        ({"features": "inception", "made": 50000}, "fd_inception"),  # against 5,000 held out
        ({"features": "inception", "made": 49999, "against": "all"}, "fd_inception"),
        ({"features": "inception", "made": 50000, "against": "all", "truncation": 0.7}, "fd_inception"),
        ({"made": 50000, "against": "train"}, "fd_lite0"),
        ({"features": "my.module:factory"}, "fd_factory"),
    ],
)
def test_only_the_standard_protocol_earns_the_name_fid(changes: dict, name: str) -> None:
    assert replace(PROTOCOL, **changes).score_name("fd") == name


def test_different_protocols_are_not_ranked_together_and_the_reason_is_said() -> None:
    pixels = replace(PROTOCOL, features="pixels", weights="1")
    groups = rank_by_protocol([entry("c", 0.5), entry("far", 0.0, protocol=pixels), entry("a", 0.1), entry("b", 0.102)])
    assert [[rank.run.name for rank in group.runs] for group in groups] == [["a", "b", "c"], ["far"]]
    assert [rank.is_tied for rank in groups[0].runs] == [False, True, False]
    (sentence,) = incomparable_reasons(groups)
    assert sentence.startswith("far: not ranked with a, b, c")
    assert "features (lite0 and pixels)" in sentence
