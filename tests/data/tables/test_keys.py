"""Keys: what new ones look like, and that they are new."""

import numpy as np

from zerosum.data.tables.keys import KeyFormat


def test_hexadecimal_keys_go_on_after_those_of_the_data() -> None:
    known = [f"{number:08x}" for number in range(1, 300)]
    new = KeyFormat.fit(np.array(known, object)).texts(0, 300).tolist()
    assert new[0] == "0000012c"
    assert not set(new) & set(known)
    assert len(set(new)) == 300


def test_hexadecimal_keys_of_the_largest_number_get_longer() -> None:
    keys = KeyFormat.fit(np.array(["ab-fffffe", "00-0000aa"], object)).texts(0, 3).tolist()
    assert keys == ["ab-ffffff", "ac-000000", "ac-000001"]
    assert KeyFormat.fit(np.array(["fffffffe"], object)).texts(0, 2).tolist() == ["ffffffff", "100000000"]


def test_keys_of_very_many_digits_are_texts() -> None:
    keys = KeyFormat.fit(np.array(["9" * 5_000, "8" * 39], object))
    assert keys.texts(0, 2).tolist() == ["key-1", "key-2"]
    assert keys.typed(0, 2).tolist() == ["key-1", "key-2"]


def test_long_integers_go_on_counting() -> None:
    ids = KeyFormat.fit(np.array([str(2**60 + 3 * number) for number in range(9)], object))
    assert ids.texts(0, 2).tolist() == [str(2**60 + 25), str(2**60 + 26)]
    assert ids.typed(0, 2).dtype == "int64"
    assert ids.typed(0, 2).tolist() == [2**60 + 25, 2**60 + 26]
    last = KeyFormat.fit(np.array([str(2**63 - 3)], object))
    assert last.typed(0, 2).tolist() == [2**63 - 2, 2**63 - 1]
    assert last.typed(0, 3).tolist() == [str(2**63 - 2), str(2**63 - 1), str(2**63)], "no int64"
    assert KeyFormat.fit(np.array(["9" * 38], object)).texts(0, 1).tolist() == ["1" + "0" * 38]


def test_only_keys_with_leading_zeros_are_texts() -> None:
    assert KeyFormat.fit(np.array(["1001", "1002"], object)).typed(0, 1).tolist() == [1003]
    assert KeyFormat.fit(np.array(["0001", "1002"], object)).typed(0, 1).tolist() == ["1003"]
