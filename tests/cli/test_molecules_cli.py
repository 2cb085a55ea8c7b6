"""Molecules on the command line: the summary of a file, and files that are refused."""

import json
from pathlib import Path

import pytest

from molecule_data import molecule_texts

TEXTS = molecule_texts()[:40]


def test_data_prints_the_summary_of_a_file(workdir: Path, run_cli) -> None:
    Path("mine.csv").write_text("name,smiles\n" + "\n".join(f"x,{t}" for t in [*TEXTS, TEXTS[0], "C1CC", "CCO.Cl"]))
    code, out, err = run_cli("data", "mine.csv")
    assert code == 0, err
    assert "mine.csv: 41 molecules of 43 rows" in out
    for part in (
        "heavy atoms: ",
        "property qed: 0.",
        "1 row left out (1 no molecule): line 43 'C1CC' (no molecule)",
        "1 row left out because an earlier one is the same molecule",
        "1 molecule of several parts, such as salts",
        "start from a run on many (--from)",
    ):
        assert part in out
    code, out, err = run_cli("data", "mine.csv", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "molecules")


@pytest.mark.parametrize(
    ("name", "text", "arguments", "expected"),
    [
        ("page.smi", "<html><body>CCO</body></html>", (), "zerosum: page.smi: holds HTML or XML, in spite of its name"),
        ("empty.smi", "", (), "zerosum: empty.smi: is empty"),
        ("few.smi", "CCO\nCCN\n", (), "zerosum: few.smi: has 2 different molecules that can be used; give at least 20"),
        ("bad.smi", "what is this\n" * 30, (), "zerosum: bad.smi: none of its 30 lines holds a molecule"),
        ("long.smi", f"{'C' * 10_000}\n" * 20, (), "the first is line 1 'CCCCC"),
        ("a.csv", "a,b\n1,2\n", ("--data.kind", "molecules"), "a.csv: has no column of SMILES (its columns are a, b)"),
        ("b.smi", "CCO\n", ("--data.properties", "potency"), "--data.properties potency: b.smi has no such column"),
        ("c.smi", "CCO\n", ("--data.score", "nothing:f"), "--data.score nothing:f: the module cannot be imported"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    name: str, text: str, arguments: tuple[str, ...], expected: str, workdir: Path, run_cli
) -> None:
    Path(name).write_text(text)
    code, _, err = run_cli("train", name, *arguments)
    assert code == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("runs").exists()
