"""The examples in the docstrings of the workflows run as they are written."""

import doctest
import shutil
from pathlib import Path

import pytest

import zerosum
from zerosum.workflows.run import Run

FUNCTIONS = [
    zerosum.train, zerosum.resume, zerosum.profile, zerosum.evaluate, zerosum.evaluate_folders, zerosum.sample,
    zerosum.walk, zerosum.mix, zerosum.edit, zerosum.encode, zerosum.apply, zerosum.diagnose, zerosum.compare,
    zerosum.inspect_dataset, zerosum.trace_nan, Run,
]  # fmt: skip


@pytest.mark.parametrize("documented", FUNCTIONS, ids=lambda documented: documented.__name__)
def test_docstring_examples(
    documented: object, trained_ring: Path, trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with runs/ring, except for `train`, which creates it, and runs/digits."""
    monkeypatch.chdir(tmp_path)
    if documented is not zerosum.train:
        shutil.copytree(trained_ring, "runs/ring")
    shutil.copytree(trained_digits, "runs/digits")
    (test,) = doctest.DocTestFinder(recurse=False).find(documented, globs={"zerosum": zerosum})
    assert test.examples
    report: list[str] = []
    failures, _ = doctest.DocTestRunner().run(test, out=report.append)
    assert not failures, "".join(report)
