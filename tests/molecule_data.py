"""The molecules that tests use: 600 of MOSES's training set; see data/molecules/NOTICE.md."""

from pathlib import Path

_FILE = Path(__file__).parent / "data/molecules/moses.smi"


def molecule_file() -> Path:
    """The path of the file, one SMILES text a line."""
    return _FILE


def molecule_texts() -> list[str]:
    """The 600 SMILES texts, which are canonical and all different."""
    return _FILE.read_text("utf8").split()
