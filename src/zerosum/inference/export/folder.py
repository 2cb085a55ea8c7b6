"""The files next to an exported model: the facts about it, and a README for people who do not know Zerosum."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from zerosum.inference.export.source import SCRIPTS, ExportSource, Facts
from zerosum.inference.translator import MAX_WHOLE_PIXELS
from zerosum.media.script import load_script, render

FACTS_FILE, README_FILE, CONDITIONS_FILE = "config.json", "README.md", "conditions.npz"


def write_facts(source: ExportSource, facts: Facts, to: str, folder: Path) -> None:
    """Write config.json and README.md, and conditions.npz if the network takes conditions.

    Args:
        source: what was exported.
        facts: the facts about it, with those that are known after the export.
        to: the form in which it was exported.
        folder: where the files are written.
    """
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", "utf8")
    (folder / README_FILE).write_text(describe(source, facts, to), "utf8")
    if source.arrays:
        np.savez_compressed(folder / CONDITIONS_FILE, rows=source.arrays["rows"], labels=source.arrays["labels"])


def describe(source: ExportSource, facts: Facts, to: str) -> str:
    """Return the README of an export in the form `to`."""
    rows = [
        f"| `{each.name}` | ({', '.join(map(str, each.axes))}) | {each.description} |" for each in source.graph.inputs
    ]
    classes, parity = facts.get("classes"), facts["parity"]
    assert isinstance(parity, dict), "an export is compared before it is described"
    values = {
        "noun": source.noun,
        "packages": source.packages,
        "label": f'"{classes[0]}"' if isinstance(classes, list) and classes else "",
        "arguments": ", ".join(each.name for each in source.graph.inputs),
        "inputs": "\n".join(rows),
        "range": " (N, C, H, W) in [-1, 1]",
        "multiple": str(source.graph.size_multiple),
        "whole": f"{MAX_WHOLE_PIXELS:,}",
        "compared": "batches and sizes" if "translation" in source.words else "batches",
        "error": f"{parity['error']:.1e}",
        **{name: str(facts[name]) for name in ("zerosum", "recipe", "checkpoint")},
    }
    words = source.words | {to} | ({"half"} if facts.get("weights") == "float16" else set())
    return render(load_script(SCRIPTS / "README.md.txt"), words, values)
