"""The held-out side is decided by content alone and stays put."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.data.split import content_key, split_by_content

SHARES = st.floats(0.0, 0.5)


def keys_of(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 3000), share=SHARES, copies=st.integers(0, 50))
def test_every_index_falls_on_one_side_and_copies_fall_together(seed: int, n: int, share: float, copies: int) -> None:
    keys = keys_of(seed, n)
    keys = np.concatenate([keys, keys[np.arange(copies) % n]])
    train, held = split_by_content(keys, share)
    assert sorted([*train, *held]) == list(range(len(keys)))
    assert not np.isin(keys[train], keys[held]).any()
    distinct = np.unique(keys)
    count = len(np.unique(keys[held]))
    fewest = min(64, len(distinct) // 4) if share else 0
    assert count == min(max((distinct / 2.0**64 < share).sum(), fewest), 5000, len(distinct) - 1)
    assert held.size == 0 or keys[held].max() < keys[train].min()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(900, 20_000), added=st.integers(0, 20_000))
def test_a_side_never_changes_when_files_are_added(seed: int, n: int, added: int) -> None:
    """From 900 to 40,000 items the count below 0.1 is between 64 and 5,000: more than 2.8 sd from either end."""
    few, more = keys_of(seed, n), keys_of(seed + 1000, added)
    both = np.concatenate([few, more])
    train, held = split_by_content(few, 0.1)
    if len(held) > 64:
        again_train, again_held = split_by_content(both, 0.1)
        assert set(held) <= set(again_held)
        assert set(train) <= set(again_train)
        assert set(few[held]) == {key for key in few if int(key) / 2**64 < 0.1}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(1, 400))
def test_order_does_not_matter(seed: int, n: int) -> None:
    keys = keys_of(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    _, held = split_by_content(keys, 0.1)
    _, shuffled = split_by_content(keys[order], 0.1)
    assert set(keys[held]) == set(keys[order][shuffled])


def test_the_ends_of_the_key_range_and_of_the_share() -> None:
    ends = np.array([2**64 - 1, 0, 2**63, 2**63 - 1], np.uint64)
    assert split_by_content(ends, 0.5)[1].tolist() == [1, 3]
    assert split_by_content(ends, 0.0)[1].tolist() == []
    assert split_by_content(np.zeros(0, np.uint64), 0.1)[0].tolist() == []


def test_at_most_5000_are_held_out() -> None:
    assert len(split_by_content(keys_of(0, 100_000), 0.1)[1]) == 5000


def test_keys_are_the_same_everywhere() -> None:
    """Written down once: a change would move every user's held-out set."""
    assert content_key("L 1x1", b"\0") == KNOWN


KNOWN = 16408897676417358700
