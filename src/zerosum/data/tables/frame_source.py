"""Tables in memory as data: they are stored in the cache, so that a run can be continued and evaluated."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

from zerosum.data import cache
from zerosum.data.tables.column_types import index_to_columns
from zerosum.data.tables.imports import missing_extra
from zerosum.errors import BadInput

FILE_NAME = "dataframe.parquet"


def store_frame(source: object) -> Path | None:
    """Store a pandas DataFrame as a Parquet file under the hash of its content, and return the path.

    Returns:
        None: the source is no DataFrame.

    Raises:
        BadInput: it cannot be stored.
    """
    if "pandas" not in sys.modules:
        return None
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        return None
    buffer = io.BytesIO()
    try:
        index_to_columns(source).rename(columns=str).to_parquet(buffer, index=False)
    except ImportError as error:
        raise missing_extra() from error
    except Exception as error:  # the writer raises errors of many libraries
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(f"`source`: cannot store the DataFrame ({reason[0]}); give columns of one type each") from error
    content = buffer.getvalue()
    key = f"frame-{hashlib.blake2b(content, digest_size=16).hexdigest()}"

    def load(folder: Path) -> Path | None:
        path = folder / FILE_NAME
        return path if path.is_file() and path.stat().st_size == len(content) else None

    def write(folder: Path) -> None:
        (folder / FILE_NAME).write_bytes(content)

    try:
        return cache.load_or_write(key, load, write)
    except cache.CacheWriteError as error:
        raise BadInput(f"`source`: cannot store the DataFrame ({error}); save it as a file, and name that") from error
