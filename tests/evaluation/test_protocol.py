"""Protocols of scores, and which scores may be ranked together."""

from dataclasses import replace

import pytest

from zerosum.evaluation.protocol import COMPARED_FIELDS, Protocol
from zerosum.evaluation.ranking import EvaluatedRun, incomparable_reasons, rank_by_protocol

PROTOCOL = Protocol(
    features="lite0",
    weights_hash="57934424",
    resize_mode="bicubic, antialiased, to 96 px",
    image_format="28x28 gray, fit by crop",
    real_fingerprint="0123456789ab",
    reference_split="held-out",
    num_real=5000,
    num_generated=10000,
    sample_source="ema",
)
OTHER_VALUES = {
    "features": "pixels",
    "weights_hash": "00000000",
    "resize_mode": "none",
    "image_format": "64x64 RGB, fit by crop",
    "real_fingerprint": "ffffffffffff",
    "reference_split": "train",
    "num_real": 4999,
    "num_generated": 9999,
    "sample_source": "raw",
    "truncation": 0.7,
    "is_paired": True,
    "neighbors": 3,
    "version": 0,
}


def make_run(name: str, kid: float, error: float = 0.001, protocol: Protocol = PROTOCOL) -> EvaluatedRun:
    score = {"value": kid, "error": error, "floor": 0.0, "floor_error": 0.0, "ratio": None}
    return EvaluatedRun(name, protocol, {protocol.score_name("kid"): score}, 100)


@pytest.mark.parametrize("field", COMPARED_FIELDS)
def test_a_difference_in_any_compared_field_forbids_a_comparison(field: str) -> None:
    other = replace(PROTOCOL, **{field: OTHER_VALUES[field]})
    assert other.key != PROTOCOL.key
    (difference,) = PROTOCOL.differences(other)
    assert str(OTHER_VALUES[field]) in difference
    assert str(getattr(PROTOCOL, field)) in difference


def test_another_seed_is_the_same_protocol() -> None:
    assert replace(PROTOCOL, seed=9).key == PROTOCOL.key


def test_as_dict_and_from_dict_are_inverse() -> None:
    assert Protocol.from_dict(PROTOCOL.as_dict()) == PROTOCOL


def test_describe_contains_every_value() -> None:
    line = replace(PROTOCOL, truncation=0.7, seed=3).describe()
    for word in ("lite0 57934424", "96 px", "10,000", "5,000", "held-out", "01234567", "ema", "seed 3", "0.7", "28x28"):
        assert word in line


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"features": "inception", "num_generated": 50000, "reference_split": "all"}, "fid"),
        ({"features": "inception", "num_generated": 50000, "reference_split": "all", "num_real": 4999}, "fd_inception"),
        ({"features": "inception", "num_generated": 50000, "reference_split": "train"}, "fd_inception"),
        ({"features": "inception", "num_generated": 50000, "num_real": 50000}, "fid"),
        ({"features": "inception", "num_generated": 50000}, "fd_inception"),  # 5,000 held-out images
        ({"features": "inception", "num_generated": 49999, "reference_split": "all"}, "fd_inception"),
        (
            {"features": "inception", "num_generated": 50000, "reference_split": "all", "truncation": 0.7},
            "fd_inception",
        ),
        ({"num_generated": 50000, "reference_split": "train"}, "fd_lite0"),
        ({"features": "my.module:factory"}, "fd_factory"),
    ],
)
def test_only_the_standard_protocol_is_named_fid(changes: dict, name: str) -> None:
    assert replace(PROTOCOL, **changes).score_name("fd") == name


def test_different_protocols_are_ranked_separately_with_the_reason() -> None:
    pixels = replace(PROTOCOL, features="pixels", weights_hash="1")
    groups = rank_by_protocol(
        [make_run("c", 0.5), make_run("pixels", 0.0, protocol=pixels), make_run("a", 0.1), make_run("b", 0.102)]
    )
    assert [[ranked.run.name for ranked in group.runs] for group in groups] == [["a", "b", "c"], ["pixels"]]
    assert [ranked.is_tied for ranked in groups[0].runs] == [False, True, False]
    (sentence,) = incomparable_reasons(groups)
    assert sentence.startswith("pixels: not ranked with a, b, c")
    assert "features (lite0 and pixels)" in sentence


def test_scores_against_training_items_are_ranked_within_one_training_set_only() -> None:
    """Also those that a kind of data alone has; copies that occur by chance are not mentioned."""
    score = {"value": 0.5, "error": None, "floor": 0.5, "floor_error": None, "ratio": None}
    overlap = {"text": "2 samples are training rows", "copies": 2}
    rows = [
        {
            "protocol": replace(PROTOCOL, auxiliary_fingerprints=name).as_dict(),
            "scores": {"kid_lite0": score, "authenticity": score, "dcr": score, "shape": score},
            "overlaps": [overlap, overlap | {"text": "1 sample", "by_chance": True}],
        }
        for name in ("a", "b")
    ]
    for others, expected in ((rows, {"kid_lite0", "shape"}), (rows[:1], set(rows[0]["scores"]))):
        (group,) = rank_by_protocol([EvaluatedRun.from_row("run", row) for row in others])
        assert all(set(ranked.run.scores) == expected for ranked in group.runs)
        assert group.runs[0].run.overlaps == ["2 samples are training rows"]
