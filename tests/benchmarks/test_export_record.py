"""The record of exports has all recipes, each measured to be what its network computes."""

import json
from pathlib import Path

from zerosum.inference.export.parity import MAX_ERROR, MAX_HALF_ERROR
from zerosum.recipes.files import list_recipes

RECORD = json.loads((Path(__file__).parents[2] / "docs/export.json").read_text("utf8"))["exports"]
AT_SMALL = {"r3gan", "stylegan2", "biggan"}
FREE_AXES = {"image": ["batch", "height", "width"], "frames": ["batch", "frames"]}
"""Axes of any length of the networks that translate, by the name of their input."""


def test_every_recipe_was_exported() -> None:
    measured = {(row["recipe"], row["size"]) for row in RECORD}
    assert measured == {(name, "nano") for name in list_recipes()} | {(name, "small") for name in AT_SMALL}


def test_every_export_computes_what_its_network_computes() -> None:
    for row in RECORD:
        errors = {name: row[f"{name}_error"] for name in ("onnx", "pt2", "half")}
        # categories and tokens would be others with weights in half precision, which is refused
        half = {} if row["recipe"] in ("table", "molecule", "molgan") else {"half": MAX_HALF_ERROR}
        for name, largest in ({"onnx": MAX_ERROR, "pt2": MAX_ERROR} | half).items():
            assert isinstance(errors[name], float), f"{row['recipe']}, {name}: {errors[name]}"
            assert errors[name] <= largest, f"{row['recipe']}, {name}"


def test_every_export_takes_any_batch_and_inputs_of_any_size() -> None:
    for row in RECORD:
        free = next((axes for name, axes in FREE_AXES.items() if name in row["inputs"]), ["batch"])
        assert row["free_axes"] == free, row["recipe"]
