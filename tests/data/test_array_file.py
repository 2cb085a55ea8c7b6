"""Arrays that are written while they are made."""

from pathlib import Path

import numpy as np
import pytest

from zerosum.data.array_file import ArrayFile, join_and_empty


@pytest.mark.parametrize("counts", [(), (1,), (3, 0, 100_000)])
def test_a_file_of_added_rows_is_that_of_the_array(tmp_path: Path, counts: tuple[int, ...]) -> None:
    parts = [np.random.default_rng(count).standard_normal((count, 2, 3)).astype(np.float16) for count in counts]
    with ArrayFile(tmp_path / "a.npy", np.float16, (2, 3)) as file:
        for part in parts:
            file.add(part)
    whole = np.concatenate([np.zeros((0, 2, 3), np.float16), *parts])
    np.save(tmp_path / "b.npy", whole)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), whole)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_parts_are_joined_in_their_order() -> None:
    parts = [np.arange(6).reshape(2, 3), np.arange(3).reshape(1, 3)]
    assert join_and_empty(parts).tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
    assert not parts
