"""Tables on the command line: given columns, filters, missing cells."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(trained_table: Path, workdir: Path) -> Path:
    """A copy of the run on a table, in the working directory."""
    return Path(shutil.copytree(trained_table, workdir / "r"))


def test_given_columns_and_filters(run: Path, run_cli) -> None:
    given = ("--given", 'city="Linz, Nord"', "--given", 'net="12,34"')
    code, out, err = run_cli("sample", "r", "-n", "5", *given, "--where", "age>20 and member=no", "--into", "s")
    assert (code, out.strip()) == (0, "s"), err
    names, *rows = Path("s/samples.csv").read_text("cp1252").splitlines()
    assert names.startswith("id;city;country;net;")
    assert len(rows) == 5
    assert all("Linz, Nord;Österreich;12,34;" in row and row.endswith(";no") for row in rows)
    for arguments, expected in (
        (("--given", "end=01.02.2021"), "--given end: start must be given too"),
        (("--given", "net=12,34"), "--given net=12,34: give each name once"),
        (
            ("--given", "city=Wien,net="),
            "--given net=: has no value; a missing cell of a table cannot be given, and --where",
        ),
        (("--given", "net"), "--given net: give values by name"),
        (("--condition", "town=Wien"), "--given town: there is no such column"),
        (("--where", "price<3"), "--where price: there is no such column"),
        (("--where", "net<3", "--first", "4"), "--first 4: which samples pass --where"),
        (("--where", "net"), "is no comparison"),
    ):
        code, out, err = run_cli("sample", "r", "-n", "5", *arguments)
        assert (code, out) == (2, ""), arguments
        assert expected in err
        assert len(err.strip().splitlines()) == 1
    assert not (run / "outputs").exists()


def test_missing_cells_are_filled(run: Path, table_file: Path, run_cli) -> None:
    lines = table_file.read_text("cp1252").splitlines()[:4]
    lines[1:] = [";".join([*line.split(";")[:8], "", ""]) for line in lines[1:]]
    Path("holes.csv").write_text("\n".join(lines), "cp1252")
    code, out, err = run_cli("apply", "r", "holes.csv", "--into", "filled.csv", "--draws", "4")
    assert code == 0, err
    assert out.strip().endswith("filled.csv")
    assert "6 missing cells of 3 rows" in out + err
    filled = Path("filled.csv").read_text("cp1252").splitlines()
    assert len(filled) == 4
    for old, new in zip(lines[1:], filled[1:], strict=True):
        assert new.startswith(old.rstrip(";"))
        assert new.split(";")[-1] in ("yes", "no")
    code, out, err = run_cli("apply", "r", "holes.csv", "--into", "filled.csv")
    assert (code, out) == (2, "")
    assert "--into filled.csv: filled.csv exists" in err
    code, _, err = run_cli("apply", "r", "holes.csv", "--mask", "m.png")
    assert code == 2
    assert "--mask: is for images, and this run fills missing cells; leave it out" in err


def test_wishes_are_given_values(run: Path, run_cli) -> None:
    assert run_cli("sample", "r", "-n", "5", "--given", "city=Wien", "--want", "net=12,34", "--into", "s")[0] == 0
    rows = Path("s/samples.csv").read_text("cp1252").splitlines()[1:]
    assert all("Wien;Österreich;12,34;" in row for row in rows)
    for arguments, expected in (
        (("--want", "net=1,city=Wien,net=2"), "--want net=1,city=Wien,net=2: give each name once"),
        (("--want", "net"), "--want net: give each name once, with a value"),
        (("--want", "net=1", "--want", "net=2"), "--want net=2: give each name once"),
        (("--want", "net=1", "--given", "0.5"), "--want net=1: --given has numbers without names"),
        (("--temperature", "0.8"), "--temperature 0.8: this generator draws no tokens"),
    ):
        code, out, err = run_cli("sample", "r", "-n", "5", *arguments)
        assert (code, out) == (2, ""), arguments
        assert expected in err


def test_what_is_for_molecules_is_refused(run: Path, run_cli) -> None:
    for arguments, expected in (
        (("optimize", "r", "--raise", "net"), "--raise: samples of this kind of data have no scores"),
        (("optimize", "r", "--raise", "net", "--lower", "net"), "--raise or --lower: name one score"),
        (("optimize", "r", "--raise", "net", "--want", "net"), "--want net: give each name once"),
        (("encode", "r", "CCO"), "RUN: its generator has no encoder"),
        (("walk", "r", "--between", "CCO", "CCN"), "RUN: its generator has no encoder"),
    ):
        code, out, err = run_cli(*arguments)
        assert (code, out) == (2, ""), arguments
        assert expected in err
        assert len(err.strip().splitlines()) == 1
