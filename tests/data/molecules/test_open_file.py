"""Files of every format: which molecules and columns they have, and who claims them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rdkit import Chem

from molecule_data import molecule_file, molecule_texts
from zerosum.data.kind import DATA_KINDS, claimed_kind
from zerosum.data.molecules.chemistry import canonical_smiles, parse_mol_block, to_canonical
from zerosum.data.molecules.open_file import open_molecules
from zerosum.errors import BadInput

WriteFn = Callable[[str, str], Path]
TEXTS = molecule_texts()[:30]
LINES = "\n".join(TEXTS)


def make_sdf(texts: list[str]) -> str:
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(text)) for text in texts]
    return "".join(f"{block}>  <IC50>  (1)\n{place}.5\n\n$$$$\n" for place, block in enumerate(blocks))


FORMS = {
    "plain.smi": LINES,
    "crlf.smi": "\r\n".join(TEXTS) + "\r\n\r\n",
    "names.smi": "\n".join(f"{text}\tname {place}" for place, text in enumerate(TEXTS)),
    "header.smiles": "SMILES Name\n" + "\n".join(f"{text} x" for text in TEXTS),
    "upper.SMI": LINES,
    "zipped.smi.gz": LINES,
    "plain.txt": LINES,
    "header.txt": "smiles\n" + LINES,
    "table.txt": "id\tsmiles\n" + "\n".join(f"{place}\t{text}" for place, text in enumerate(TEXTS)),
    "table.csv": "id,SMILES,IC50\n" + "\n".join(f"{place},{text},{place}.5" for place, text in enumerate(TEXTS)),
    "excel.csv": "\ufeffid;Canonical SMILES;IC50\n" + "\n".join(f'{p};"{text}";{p}.5' for p, text in enumerate(TEXTS)),
    "moses.csv": "SMILES,SPLIT\n" + "\n".join(f"{text},train" for text in TEXTS),
    "single.csv": "smiles\n" + LINES,
    "unnamed.csv": "id,structure,IC50\n" + "\n".join(f"{place},{text},{place}.5" for place, text in enumerate(TEXTS)),
    "headless.csv": "\n".join(f"{text},{place}" for place, text in enumerate(TEXTS)),
    "table.tsv.gz": "smiles\tIC50\n" + "\n".join(f"{text}\t{place}.5" for place, text in enumerate(TEXTS)),
}


@pytest.mark.parametrize("name", FORMS)
def test_texts_of_every_form_are_read(name: str, write: WriteFn) -> None:
    file = open_molecules(write(name, FORMS[name]))
    assert [record.text for record in file.read(())] == TEXTS
    assert abs(file.count() - len(TEXTS)) <= 1
    if "IC50" in file.columns:
        assert [record.cells for record in file.read(["IC50"])] == [[f"{place}.5"] for place in range(len(TEXTS))]


@pytest.mark.parametrize("name", ["a.sdf", "a.sdf.gz"])
def test_sdf_is_read_with_its_fields(name: str, write: WriteFn) -> None:
    file = open_molecules(write(name, make_sdf(TEXTS)))
    assert file.columns == ("IC50",)
    records = list(file.read(["IC50"]))
    assert file.count() == len(records) == len(TEXTS)
    assert records[2].cells == ["2.5"]
    molecules = [parse_mol_block(record.text) for record in records]
    assert [to_canonical(molecule) for molecule in molecules if molecule is not None] == TEXTS


def test_rows_are_numbered_as_an_editor_shows_them(write: WriteFn) -> None:
    assert [record.row for record in open_molecules(write("a.smi", "CCO\n\nCCN\n")).read(())] == [1, 3]
    table = open_molecules(write("a.csv", 'smiles,note\nCCO,"two\nlines"\nCCN,x\n'))
    assert [(record.row, record.text) for record in table.read(())] == [(3, "CCO"), (4, "CCN")]


def test_cells_that_are_missing_are_empty(write: WriteFn) -> None:
    table = open_molecules(write("a.csv", "id,smiles,pic50\n1,CCO,5\n2\n3,CCN\n"))
    assert [(record.text, list(record.cells)) for record in table.read(["pic50"])] == [
        ("CCO", ["5"]), ("", [""]), ("CCN", [""]),
    ]  # fmt: skip


def test_the_column_of_the_settings_is_read(write: WriteFn) -> None:
    path = write("a.csv", "smiles,product\nCCO,CCN\nCCC,CCCN\n")
    assert [record.text for record in open_molecules(path, "product").read(())] == ["CCN", "CCCN"]
    with pytest.raises(BadInput, match=r"`data\.column` educt: .* choose one of smiles, product"):
        open_molecules(path, "educt")
    with pytest.raises(BadInput, match=r"`data\.column` educt: .* is no table"):
        open_molecules(write("a.smi", LINES), "educt")


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("empty.smi", "", "is empty"),
        ("blank.csv", "\n \n", "is empty"),
        ("page.smi", "<!DOCTYPE html><html>", "holds HTML or XML, in spite of its name"),
        ("page.csv", "<html>\n", "holds HTML or XML"),
        ("data.smi", '{"a": 1}', "holds JSON"),
        ("bytes.smi", "\0\1\2", "holds no text"),
        ("numbers.csv", "a,b\n1,2\n3,4\n", "has no column of SMILES (its columns are a, b); name it smiles"),
        ("words.tsv", "who\twhat\nhello\tworld\n", "has no column of SMILES"),
    ],
)
def test_files_without_molecules_are_refused(name: str, text: str, part: str, write: WriteFn) -> None:
    path = write(name, text)
    with pytest.raises(BadInput) as info:
        open_molecules(path)
    assert part in str(info.value)
    assert str(info.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(write: WriteFn, tmp_path: Path) -> None:
    (tmp_path / "cut.smi.gz").write_bytes(write("whole.smi.gz", LINES).read_bytes()[:200])
    (tmp_path / "no.smi.gz").write_text("CCO")
    for name in ("cut.smi.gz", "no.smi.gz", "missing.smi", "molecules.pdf"):
        with pytest.raises(BadInput, match=name):
            list(open_molecules(tmp_path / name).read(()))


@pytest.mark.parametrize("name", [name for name in FORMS if name != "upper.SMI"])
def test_files_of_molecules_are_claimed(name: str, write: WriteFn) -> None:
    assert claimed_kind({"source": str(write(name, FORMS[name]))}) == "molecules"


@pytest.mark.parametrize(
    "text",
    [
        "age,height,city\n31,1.7,Bonn\n40,1.8,Ulm\n",
        "code,amount\nC1,1\nC2,2\nN3,3\nB12,4\n",
        "name,id\nBob,CN\nOscar,NO\nIon,SI\n",
        "date,value\n2020-01-01,1\n2020-01-02,2\n",
        "a,b\n1,2\n",
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_tables_of_other_things_stay_tables(name: str, text: str, write: WriteFn) -> None:
    assert claimed_kind({"source": str(write(name, text))}) == "tables"


def test_other_sources_are_not_claimed(tmp_path: Path) -> None:
    kind = DATA_KINDS.find("molecules")
    for source in (str(tmp_path), str(tmp_path / "missing.csv"), "digits", "", "photo.png"):
        assert kind.claims({"source": source}) == 0
    assert kind.claims({"source": str(molecule_file()), "column": {"age": "number"}}) == 0


def test_test_data_are_different_canonical_molecules() -> None:
    texts = molecule_texts()
    assert len(texts) == len(set(texts)) == 600
    assert all(canonical_smiles(text) == text for text in texts[::20])
