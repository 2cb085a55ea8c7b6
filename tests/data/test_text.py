"""Names of any characters become text that is safe to show."""

import json
import os

import pytest

from zerosum.data.summary import DatasetSummary
from zerosum.data.text import natural_sort_key, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat 10.png", "cat 10.png"),
        ("Zürich, 東京, 🐈", "Zürich, 東京, 🐈"),
        ("no\u00a0break", "no\u00a0break"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("two\nlines\r\ttab\0", "two\\nlines\\r\\ttab\\x00"),
        ("gpj.\u202egnp", "gpj.\\u202egnp"),
        ("zero\u200bwidth\ufeff\u2028", "zero\\u200bwidth\\ufeff\\u2028"),
        (os.fsdecode("été".encode("latin-1")), "\\xe9t\\xe9"),
        (os.fsdecode("日本".encode("shift-jis")), "\\x93\\xfa\\x96{"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_control_characters_and_bytes_that_are_no_utf8_are_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert printable(shown) == shown
    shown.encode()


def test_numbers_in_names_are_ordered_as_numbers() -> None:
    many = ["a" + "9" * 4301, "a1" + "0" * 4301]  # more digits than `int` takes
    ordered = ["", "a", "a0", "A01", "a1", "a2", "a10", *many, "b10", "b 2", "b 10", "c"]
    assert sorted(set(ordered), key=natural_sort_key) == ordered


def test_kept_characters_are_not_escaped() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_a_summary_is_printable_as_text_and_as_json() -> None:
    name = "\x1b[31m\udce9\n"
    summary = DatasetSummary(f"{name}/", "points", classes={name: 3}, notes=[f"ignored {name}"])
    shown = "\\x1b[31m\\xe9\\n"
    assert summary.lines()[0].startswith(f"{shown}/: ")
    assert json.loads(json.dumps(summary.as_dict(), ensure_ascii=False).encode())["classes"] == {shown: 3}
