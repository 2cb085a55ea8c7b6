"""The split into training and held-out examples depends on content alone and is stable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.data.content_hash import hash_content
from zerosum.data.split import split_by_content, split_by_group
from zerosum.errors import BadInput

FRACTIONS = st.floats(0.0, 0.5)


def random_hashes(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 3000), fraction=FRACTIONS, copies=st.integers(0, 50))
def test_every_index_is_on_one_side_and_copies_are_on_the_same_side(
    seed: int, n: int, fraction: float, copies: int
) -> None:
    hashes = random_hashes(seed, n)
    hashes = np.concatenate([hashes, hashes[np.arange(copies) % n]])
    train, held_out = split_by_content(hashes, fraction)
    assert sorted([*train, *held_out]) == list(range(len(hashes)))
    assert not np.isin(hashes[train], hashes[held_out]).any()
    distinct = np.unique(hashes)
    count = len(np.unique(hashes[held_out]))
    minimum = min(64, len(distinct) // 4) if fraction else 0
    assert count == min(max((distinct / 2.0**64 < fraction).sum(), minimum), 5000, len(distinct) - 1)
    assert held_out.size == 0 or hashes[held_out].max() < hashes[train].min()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(900, 20_000), added=st.integers(0, 20_000))
def test_no_example_changes_sides_when_files_are_added(seed: int, n: int, added: int) -> None:
    """From 900 to 40,000 examples the count below 0.1 is between 64 and 5,000: more than 2.8 std from either end."""
    hashes, added_hashes = random_hashes(seed, n), random_hashes(seed + 1000, added)
    all_hashes = np.concatenate([hashes, added_hashes])
    train, held_out = split_by_content(hashes, 0.1)
    if len(held_out) > 64:
        all_train, all_held_out = split_by_content(all_hashes, 0.1)
        assert set(held_out) <= set(all_held_out)
        assert set(train) <= set(all_train)
        assert set(hashes[held_out]) == {value for value in hashes if int(value) / 2**64 < 0.1}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 400))
def test_order_does_not_matter(seed: int, n: int) -> None:
    hashes = random_hashes(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    _, held_out = split_by_content(hashes, 0.1)
    _, reordered = split_by_content(hashes[order], 0.1)
    assert set(hashes[held_out]) == set(hashes[order][reordered])


def test_smallest_and_largest_hashes_and_fractions() -> None:
    extremes = np.array([2**64 - 1, 0, 2**63, 2**63 - 1], np.uint64)
    assert split_by_content(extremes, 0.5)[1].tolist() == [1, 3]
    assert split_by_content(extremes, 0.0)[1].tolist() == []
    assert split_by_content(np.zeros(0, np.uint64), 0.1)[0].tolist() == []


def test_at_most_5000_are_held_out() -> None:
    assert len(split_by_content(random_hashes(0, 100_000), 0.1)[1]) == 5000


def test_content_hashes_never_change() -> None:
    """A different hash would change the held-out set of every user."""
    assert hash_content("L 1x1", b"\0") == KNOWN_HASH


KNOWN_HASH = 16408897676417358700


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(2, 600), groups=st.integers(2, 40), fraction=st.floats(0.01, 0.5))
def test_groups_and_copies_are_on_one_side(seed: int, n: int, groups: int, fraction: float) -> None:
    rng = np.random.default_rng(seed)
    contents = random_hashes(seed, n)[rng.integers(0, n, n)]
    names = random_hashes(seed + 1, groups)[np.arange(n) % groups]
    try:
        train, held_out = split_by_group(contents, names, fraction, "data.groups")
    except BadInput:
        assert groups_are_connected(contents, names)
        return
    assert sorted([*train, *held_out]) == list(range(n))
    assert 0 < len(np.unique(contents[held_out])) <= max(1, len(np.unique(contents)) // 2)
    for column in (contents, names):
        assert not np.isin(column[train], column[held_out]).any()


def groups_are_connected(contents: np.ndarray, names: np.ndarray) -> bool:
    """Join groups that share a content, one pair after the other."""
    joined = {int(name): {int(name)} for name in names}
    first: dict[int, int] = {}
    for content, name in zip(contents.tolist(), names.tolist(), strict=True):
        other = first.setdefault(content, name)
        union = joined[other] | joined[name]
        for member in union:
            joined[member] = union
    return len({frozenset(members) for members in joined.values()}) == 1


def test_a_group_does_not_change_sides_when_others_are_added() -> None:
    names = np.repeat(random_hashes(0, 300), 5)
    contents = random_hashes(1, len(names))
    _, held_out = split_by_group(contents[:1000], names[:1000], 0.2, "data.groups")
    train, _ = split_by_group(contents, names, 0.2, "data.groups")
    assert not np.isin(names[held_out], names[train]).any()
    assert len(held_out) / 1000 == pytest.approx(0.2, abs=0.11)  # four standard deviations of 200 groups


def test_one_group_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(BadInput, match=r"^`data.group`: all examples are in one group") as error:
        split_by_group(random_hashes(0, 30), np.zeros(30, np.uint64), 0.1, "data.group")
    assert "data.groups" not in str(error.value)


def test_groups_that_all_share_contents_are_refused_as_such() -> None:
    contents = random_hashes(0, 10)[np.arange(30) % 10]
    with pytest.raises(BadInput, match=r"^`data.groups`: 3 groups share equal examples and are one, so none can be"):
        split_by_group(contents, np.repeat(random_hashes(1, 3), 10), 0.1, "data.groups")


def test_a_share_without_bounds_is_that_share() -> None:
    hashes = random_hashes(0, 20_000)
    for fraction in (0.0, 0.01, 0.5):
        _, held_out = split_by_content(hashes, fraction, bounded=False)
        assert len(held_out) == (hashes / 2.0**64 < fraction).sum()
    assert len(split_by_content(hashes[:3], 1e-9, bounded=False)[1]) == 1
