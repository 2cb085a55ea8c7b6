"""Known contents stay on their side of the split when data change."""

import numpy as np
import pytest

from zerosum.data.former_data import FormerSplit
from zerosum.data.split import split_by_content, split_by_group
from zerosum.errors import BadInput


def random_hashes(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def former_split(hashes: np.ndarray) -> FormerSplit:
    train, held_out = split_by_content(hashes, 0.1)
    return FormerSplit(np.sort(hashes[train]), np.sort(hashes[held_out]))


def test_a_grown_set_keeps_the_sides_of_its_examples() -> None:
    """The rule alone would train on examples that were held out: of 200 it holds out 50, and of 1,000 about 100."""
    small, more = random_hashes(0, 200), random_hashes(1, 800)
    former, grown = former_split(small), np.concatenate([more, small])
    by_rule = split_by_content(grown, 0.1)
    assert np.isin(grown[by_rule[0]], former.held_out).any()
    train, held_out = former.keep(grown, *by_rule)
    assert sorted([*train, *held_out]) == list(range(1000))
    assert np.isin(former.held_out, grown[held_out]).all()
    assert np.isin(former.train, grown[train]).all()
    for rows, ruled in zip((train, held_out), by_rule, strict=True):
        assert (np.diff(grown[rows].astype(object)) > 0).all(), "in order of content"
        assert set(rows[rows < 800]) == set(ruled[ruled < 800]), "new examples are where the rule has them"


def test_unchanged_data_have_the_same_split_in_the_same_order() -> None:
    hashes = np.repeat(random_hashes(2, 150), 2)  # with copies
    train, held_out = split_by_content(hashes, 0.1)
    kept = former_split(hashes).keep(hashes, train, held_out)
    assert np.array_equal(kept[0], train)
    assert np.array_equal(kept[1], held_out)


def test_new_examples_of_a_known_group_are_on_its_side() -> None:
    hashes, groups = random_hashes(3, 400), np.repeat(random_hashes(4, 40), 10)
    train, held_out = split_by_group(hashes, groups, 0.1, "data.group")
    former = FormerSplit(np.unique(hashes[train]), np.unique(hashes[held_out]))
    more = np.concatenate([hashes, random_hashes(5, 800)])
    more_groups = np.concatenate([groups, groups, np.repeat(random_hashes(6, 40), 10)])
    kept_train, kept_held_out = former.keep(more, *split_by_group(more, more_groups, 0.1, "data.group"), more_groups)
    assert not np.isin(more_groups[kept_train], more_groups[kept_held_out]).any()
    assert set(groups[held_out]) <= set(more_groups[kept_held_out])
    assert sorted([*kept_train, *kept_held_out]) == list(range(1200))


def test_contents_that_are_gone_keep_their_side_for_later() -> None:
    hashes = random_hashes(7, 200)
    former = former_split(hashes)
    left = former_split(hashes[:150])
    later = former.merge(FormerSplit(*(np.intersect1d(side, left.present) for side in (former.train, former.held_out))))
    assert len(later.gone) == 50
    assert len(later.present) == 150
    assert np.array_equal(later.train, former.train)
    train, held_out = later.keep(hashes, *split_by_content(hashes, 0.5))
    assert np.array_equal(np.sort(hashes[held_out]), former.held_out)
    assert np.array_equal(np.sort(hashes[train]), former.train)
    assert not len(later.merge(former).gone)


def test_no_side_may_become_empty() -> None:
    hashes = random_hashes(8, 100)
    former = former_split(hashes)
    for side, name in ((former.train, "held-out"), (former.held_out, "training")):
        with pytest.raises(BadInput, match=f"none of the {name} examples of the run is left"):
            former.keep(side, *split_by_content(side, 0.1))
