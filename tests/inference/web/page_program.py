"""Runs the program of the page, or files of it, with Node.js."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib import resources

import pytest

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

ELEMENTS = """
const elements = {};
const makeElement = () => ({dataset: {}, children: [], hidden: true, textContent: "", setAttribute() {}});
globalThis.document = {
  getElementById: (id) => (elements[id] ??= makeElement()), documentElement: makeElement(), activeElement: null,
};
const pageState = () => document.documentElement.dataset.state;
const visibleProblem = () => (byId("problem").hidden ? "" : byId("problem").textContent);
"""
"""Stands for the elements of the page, each of which is made when it is asked for."""


def run(files: Sequence[str], expression: str, setup: str = "") -> object:
    """Return the value of an expression after the program's files and `setup` were run."""
    page = resources.files("zerosum.inference.web")
    source = "\n".join([*(page.joinpath(file).read_text("utf8") for file in files), setup])
    source += f"\n;(async () => process.stdout.write(JSON.stringify(await ({expression}))))();"
    done = subprocess.run(["node", "--input-type=module"], input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
