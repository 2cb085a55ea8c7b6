"""The codec of a table, and a generator of rows of the table."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.fill import GenerateFn
from zerosum.data.tables.load import load_table


@pytest.fixture(scope="session")
def customers(table_file: Path) -> TableDataset:
    """The table with a constraint of each kind."""
    return load_table(
        TableDataConfig(source=str(table_file), combinations="city,country", ordered="start,end", sums="total,net,tax"),
        LoadOptions(),
    )


@pytest.fixture(scope="session")
def draw_real(customers: TableDataset) -> GenerateFn:
    """Real rows as samples, with the given part in place of theirs."""
    codec = customers.table_codec
    real = codec.encode_rows(np.asarray(customers.items(np.arange(len(customers.labels)))))

    def draw(condition: dict[str, Tensor], seeds: Tensor) -> Tensor:
        known = condition["known"][:, torch.from_numpy(codec.owners)]
        return torch.where(known > 0, condition["values"], real[(seeds % len(real)).abs()])

    return draw
