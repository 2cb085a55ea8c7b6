"""Blocks and categories have the names that the user gave to columns and values."""

from pathlib import Path

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.load import load_table


def test_blocks_and_categories_are_named(customers: TableDataset) -> None:
    codec = customers.table_codec
    names = codec.block_names
    assert len(names) == len(codec.spec.blocks)
    assert "city and country" in names
    assert "total" not in names, "a sum has no block"
    block = names.index("city and country")
    found = {codec.category_name(block, index) for index in range(codec.spec.blocks[block].categories)}
    assert {"Wien, Österreich", "Linz, Nord, Österreich", "Köln, Deutschland"} <= found
    ages = names.index("age")
    assert [codec.category_name(ages, index) for index in (0, codec.spec.blocks[ages].categories - 1)] == [
        "missing", "another number",
    ]  # fmt: skip
    assert codec.category_name(names.index("member"), 0) in ("yes", "no")


def test_a_difference_has_no_text(customers: TableDataset) -> None:
    codec = customers.table_codec
    lengths = codec.block_names.index("end")
    assert codec.category_name(lengths, 0) == ""


def test_long_categories_are_cut_and_still_differ(tmp_path: Path) -> None:
    first, second = ("x" * 100_000 + end for end in "ab")
    lines = [f"{(first, second, 'short')[row % 3]},{row % 7}" for row in range(60)]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["a,b", *lines]) + "\n", "utf8")
    codec = load_table(TableDataConfig(source=str(path)), LoadOptions()).table_codec
    names = {codec.category_name(codec.block_names.index("a"), category) for category in range(3)}
    assert len(names) == 3
    assert "short" in names
    assert all(len(name) < 100 and (name == "short" or name.startswith("xxxx")) for name in names)
