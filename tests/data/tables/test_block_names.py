"""Blocks and categories have the names that the user gave to columns and values."""

from zerosum.data.tables.dataset import TableDataset


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
