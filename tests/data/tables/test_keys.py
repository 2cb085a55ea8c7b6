"""Keys: what new ones look like, and that they are new."""

import numpy as np

from zerosum.data.tables.keys import KeyFormat


def test_hexadecimal_keys_go_on_after_those_of_the_data() -> None:
    known = [f"{number:08x}" for number in range(1, 300)]
    new = KeyFormat.fit(np.array(known, object)).texts(0, 300).tolist()
    assert new[0] == "0000012c"
    assert not set(new) & set(known)
    assert len(set(new)) == 300


def test_keys_of_very_many_digits_are_texts() -> None:
    keys = KeyFormat.fit(np.array(["9" * 5_000, "8" * 30], object))
    assert keys.texts(0, 2).tolist() == ["key-1", "key-2"]
    assert keys.typed(0, 2).tolist() == ["key-1", "key-2"]
