"""The packages that tables need, which are an extra."""

from __future__ import annotations

from zerosum.errors import BadInput


def import_pandas() -> None:
    """Import pandas, or say how it is installed.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise BadInput('tables need the extra `tables`: pip install "zerosum[tables]"') from error
