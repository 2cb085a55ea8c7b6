"""The package that molecules need, which is an extra."""

from __future__ import annotations

from zerosum.errors import BadInput


def import_rdkit() -> None:
    """Import RDKit, or say how it is installed.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import rdkit  # noqa: F401
    except ImportError as error:
        raise BadInput('molecules need the extra `molecules`: pip install "zerosum[molecules]"') from error
