"""The files next to an exported model: the facts about it, and a README for people who do not know Zerosum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zerosum.inference.export.source import SCRIPTS, ExportSource, Facts
from zerosum.inference.translator import MAX_WHOLE_PIXELS
from zerosum.media.script import load_script, render
from zerosum.run_folder import Json

FACTS_FILE, README_FILE, CONDITIONS_FILE = "config.json", "README.md", "conditions.npz"


def write_facts(source: ExportSource, facts: Facts, to: str, folder: Path) -> None:
    """Write config.json and README.md, and conditions.npz if the network takes conditions.

    Args:
        source: what was exported.
        facts: the facts about it, with those that are known after the export.
        to: the form in which it was exported.
        folder: where the files are written.
    """
    (folder / FACTS_FILE).write_text(format_facts(facts) + "\n", "utf8")
    (folder / README_FILE).write_text(describe(source, facts, to), "utf8")
    if source.arrays:
        np.savez_compressed(folder / CONDITIONS_FILE, rows=source.arrays["rows"], labels=source.arrays["labels"])


def format_facts(value: Json, indent: int = 0) -> str:
    """Return JSON with a line for each fact, but for a whole list of numbers or texts.

    Example:
        >>> print(format_facts({"classes": ["cat", "dog"], "range": {"low": -1}}))
        {
          "classes": ["cat", "dog"],
          "range": {
            "low": -1
          }
        }
    """
    margin, parts, ends = "  " * (indent + 1), [], "[]"
    if isinstance(value, Mapping) and value:
        parts = [f"{json.dumps(name)}: {format_facts(inner, indent + 1)}" for name, inner in value.items()]
        ends = "{}"
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping | list | tuple) for inner in value):
        parts = [format_facts(inner, indent + 1) for inner in value]
    if not parts:
        return json.dumps(value)
    body = ",\n".join(margin + part for part in parts)
    return f"{ends[0]}\n{body}\n{margin[2:]}{ends[1]}"


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
        "given": source.given_example or "NAME=VALUE",
        "notes": "\n\n".join(source.notes),
        "arguments": ", ".join(each.name for each in source.graph.inputs),
        "inputs": "\n".join(rows),
        "range": " (N, C, H, W) in [-1, 1]",
        "multiple": str(source.graph.size_multiple),
        "whole": f"{MAX_WHOLE_PIXELS:,}",
        "compared": "batches and sizes" if source.graph.has_free_sizes else "batches",
        "error": f"{parity['error']:{'.1%' if source.graph.draws_tokens else '.1e'}}",
        **{name: str(facts[name]) for name in ("zerosum", "recipe", "checkpoint")},
    }
    words = source.words | {to, *["notes"] * bool(source.notes)} | {*["half"] * (facts.get("weights") == "float16")}
    return render(load_script(SCRIPTS / "README.md.txt"), words, values)
