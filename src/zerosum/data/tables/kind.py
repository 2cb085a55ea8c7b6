"""Rows of a table as a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.kind import DataKind, Inspection, LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.table_file import read_table, table_suffix
from zerosum.data.tables.text_table import TextTable

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.data.tables.codec import TableCodec
    from zerosum.run_folder import Json


class Tables(DataKind):
    """Rows of numbers, dates, categories and missing cells."""

    name: ClassVar[str] = "tables"
    noun: ClassVar[str] = "row"
    extra: ClassVar[str] = "tables"
    class_hint: ClassVar[str] = "rows have columns in place of classes, and any of them can be given when sampling"
    publishes_items: ClassVar[bool] = True
    variants: ClassVar[tuple[str, ...]] = ("tables", "points")

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        return TableDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return nearly 1 for a file whose name is that of a table."""
        source = str(table.get("source", ""))
        return 0.95 if source and table_suffix(source) and not Path(source).is_dir() else 0.0

    def store(self, source: object) -> Path | None:
        """Store a pandas DataFrame as a file."""
        from zerosum.data.tables.frame_source import store_frame

        return store_frame(source)

    def inspect(self, data: DataConfig) -> Inspection:
        """Read the table, and find out what its columns hold.

        Raises:
            BadInput: it cannot be used.
        """
        from zerosum.data.tables.group_column import detect_table

        assert isinstance(data, TableDataConfig), "the settings are of this kind"
        table = read_table(Path(data.source))
        detect_table(data, table)
        return Inspection(data.source, table.num_rows, resolved=table)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load the table, split its rows, and fit the encoding."""
        from zerosum.data.tables.load import load_table

        assert isinstance(data, TableDataConfig), "the settings are of this kind"
        table = inspection.resolved if inspection and isinstance(inspection.resolved, TextTable) else None
        return load_table(data, options, table)

    def load_like(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load another table with the columns of a run's.

        Raises:
            BadInput: it cannot be used, or lacks a column.
        """
        from zerosum.data.tables.codec import TableCodec
        from zerosum.data.tables.load import load_table_like

        assert isinstance(data, TableDataConfig), "the settings are of this kind"
        assert isinstance(dataset.codec, TableCodec), "and so is the codec"
        return load_table_like(data, dataset.codec, options)

    def choose_common_settings(self, sources: Mapping[str, str], given: Mapping[str, object]) -> TableDataConfig:
        """Return the settings of the first source; the columns of one table decide what those of the others hold."""
        return TableDataConfig.model_validate({**given, "source": next(iter(sources.values()))})

    def load_comparable(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load another table with the columns of one, and with categories of its own.

        Raises:
            BadInput: it cannot be used, or lacks a column.
        """
        from zerosum.data.tables.comparison import load_comparable_table
        from zerosum.data.tables.dataset import TableDataset

        assert isinstance(data, TableDataConfig), "the settings are of this kind"
        assert isinstance(dataset, TableDataset), "and so is the dataset"
        return load_comparable_table(data, dataset, options)

    def align(self, datasets: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return tables by name with the codec of the last one, which knows the categories of all.

        It encodes the rows of each as their own codec does.
        """
        *_, last = datasets.values()
        return {name: replace(dataset, codec=last.codec) for name, dataset in datasets.items()}

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> TableCodec:
        """Return the codec of a table that was saved."""
        from zerosum.data.tables.codec import TableCodec

        return TableCodec.restore(settings, tensors)


TABLES = Tables()
