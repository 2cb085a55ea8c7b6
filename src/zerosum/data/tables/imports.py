"""The packages that tables need, which are an extra."""

from __future__ import annotations

from zerosum.errors import BadInput


def missing_extra() -> BadInput:
    """Return an error about tables without the extra."""
    return BadInput('tables need the extra `tables`: pip install "zerosum[tables]"')


def import_pandas() -> None:
    """Import pandas, or say how it is installed.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise missing_extra() from error
