"""Open a file of molecules: find its form by its name and its first lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zerosum.data.molecules.molecule_file import MoleculeFile, read_head
from zerosum.data.molecules.sdf_file import SdfFile, find_fields
from zerosum.data.molecules.smiles_list import SmilesList, first_word, has_header
from zerosum.data.molecules.smiles_table import find_separator, find_smiles_column, open_table
from zerosum.data.molecules.smiles_text import is_smiles_column, is_smiles_name
from zerosum.data.text import printable
from zerosum.errors import BadInput

LIST_SUFFIXES = (".smi", ".smiles")
TABLE_SUFFIXES = (".csv", ".tsv")
SDF_SUFFIXES = (".sdf",)
TEXT_SUFFIXES = (".txt",)
SUFFIXES = (*LIST_SUFFIXES, *TEXT_SUFFIXES, *TABLE_SUFFIXES, *SDF_SUFFIXES)
"""Endings of the names of files of molecules, perhaps with .gz after them."""
_SURE, _LIKELY = 0.99, 0.97  # more than tables are of any .csv file


def molecule_suffix(path: Path | str) -> str:
    """Return the ending of the name of a file of molecules, without .gz, in lower case; "" if it is none."""
    name = str(path).lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def open_molecules(path: Path, column: str = "") -> MoleculeFile:
    """Open a file of molecules.

    Args:
        path: the file.
        column: the column of a table that holds SMILES; "" to find it.

    Raises:
        BadInput: it cannot be read, or has no column of SMILES.
    """
    shown = printable(str(path))
    if not path.is_file():
        raise BadInput(
            f"`data.source` {shown}: there is no such file; name a file of molecules ({', '.join(SUFFIXES)})"
        )
    suffix = molecule_suffix(path)
    if not suffix:
        raise BadInput(f"`data.source` {shown}: is no file of molecules; name one that ends with {', '.join(SUFFIXES)}")
    lines = read_head(path)
    if suffix in TABLE_SUFFIXES or (suffix in TEXT_SUFFIXES and _is_table(lines, path, column)):
        return open_table(path, [line for line in lines if line.strip()], column)
    if column:
        raise BadInput(f"`data.column` {printable(column)}: {shown} is no table with columns; leave it out")
    if suffix in SDF_SUFFIXES:
        return SdfFile(path, tuple(find_fields(lines)))
    return SmilesList(path, has_header(lines))


def _is_table(lines: list[str], path: Path, column: str) -> bool:
    """Return whether a .txt file is a table: its first line names a column of SMILES after or before others."""
    names = [name.strip().strip("\"'") for name in lines[0].split(find_separator(lines[0], path))]
    return len(names) > 1 and (column in names or any(is_smiles_name(name) for name in names))


def claim_molecules(table: Mapping[str, object]) -> float:
    """Return how sure it is that the source of these settings is a file of molecules; see `DataKind.claims`.

    Of a file that might be a table or a text, its first kilobytes are read.
    """
    source = str(table.get("source", ""))
    suffix, path, column = molecule_suffix(source), Path(source), table.get("column", "")
    if not source or not suffix or path.is_dir() or not isinstance(column, str):
        return 0.0
    if suffix in (*LIST_SUFFIXES, *SDF_SUFFIXES):
        return _SURE
    try:
        lines = [line for line in read_head(path) if line.strip()]
        return _LIKELY if _has_smiles(lines, path, suffix, column) else 0.0
    except (BadInput, OSError):
        return 0.0


def _has_smiles(lines: list[str], path: Path, suffix: str, column: str) -> bool:
    """Return whether the first lines of a table or a text have SMILES."""
    separator = find_separator(lines[0], path)
    rows = [[cell.strip().strip("\"'") for cell in line.split(separator)] for line in lines[:50]]
    if find_smiles_column(rows[0], rows[1:], column) is not None:
        return True
    return suffix in TEXT_SUFFIXES and is_smiles_column([first_word(line.strip()) for line in lines[1:50]])
