"""Export the networks of all recipes, compare them with the network itself, and measure how fast they are.

    python benchmarks/export.py            # all recipes at the size nano, some at small; about 4 minutes on one core
    python benchmarks/export.py --only vocoder enhance
    python benchmarks/export.py --speed    # ONNX Runtime against PyTorch on one core, interleaved

Networks are new, since what is measured does not depend on training. Writes docs/export.json and the tables of
docs/export.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.images.codec import ImageCodec
from zerosum.data.kind import DATA_KINDS, LoadOptions
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.graph import AtomType
from zerosum.data.molecules.graph_codec import MoleculeGraphCodec
from zerosum.data.molecules.property_range import PropertyRange
from zerosum.data.tables.config import TableDataConfig
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.export.exported_program import ProgramRunner, trace
from zerosum.inference.export.graph import (
    BATCH,
    FRAMES,
    HEIGHT,
    WIDTH,
    Graph,
    generator_graph,
    spectrum_graph,
    translator_graph,
)
from zerosum.inference.export.half_weights import halve_weights
from zerosum.inference.export.onnx_model import OnnxRunner, build_onnx_model
from zerosum.inference.export.parity import measure_parity
from zerosum.inference.generator import Generator
from zerosum.inference.translator import Translator
from zerosum.networks.autoencoder import DecodedGenerator
from zerosum.networks.vocos import SpectralTranslator
from zerosum.recipes.files import check_recipe, list_recipes
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import build_settings_tree, is_translation_recipe

DOCS = Path(__file__).parents[1] / "docs"
SPEC = TensorSpec((3, 64, 64), bounded=True)
CLASSES = ("a", "b", "c", "d", "e")
BATCHES = [{BATCH: 1}, {BATCH: 3}, {BATCH: 7}]
SIZES = [
    {BATCH: batch, HEIGHT: height, WIDTH: width}
    for batch, height, width in ((1, 8, 8), (3, 9, 200), (7, 15, 17), (1, 37, 53), (1, 200, 131))
]
FRAME_NUMBERS = [{BATCH: batch, FRAMES: frames} for batch, frames in ((1, 2), (3, 64), (7, 15), (1, 300))]
SOUND_INPUTS = {"vocoder": (64, 64), "enhance": (1, 16_384)}
CASES = [(name, "nano") for name in list_recipes()] + [(name, "small") for name in ("r3gan", "stylegan2", "biggan")]
SPEED_CASES = [("dcgan", "nano"), ("dcgan", "base"), ("r3gan", "small"), ("stylegan2", "small")]
SPEED_BATCH, SPEED_ROUNDS = 16, 9


def build_graph(name: str, size: str) -> tuple[Graph, list[dict[str, int]]]:
    """Return the new network of a recipe for color images of 64 pixels, and the sizes at which it is compared."""
    if name == "table":
        return build_table_graph(name, size), BATCHES
    if name == "molecule":
        return build_molecule_graph(name, size), [*BATCHES, {BATCH: 200}]
    if name == "molgan":
        return build_molecular_graph(name, size), BATCHES
    if name in SOUND_INPUTS:
        return build_sound_graph(name, size), FRAME_NUMBERS
    kind = "image-pairs" if is_translation_recipe(name, {}) else "images"
    settings = {"data.source": "images", "data.kind": kind}
    recipe = check_recipe(build_settings_tree(name, size, settings, {}, ("color",)))
    torch.manual_seed(0)
    if recipe.is_translation:
        shape = input_shape(recipe)
        network = recipe.generator.build(recipe.latent.size, SPEC, 0, TensorSpec(shape, bounded=True))
        return translator_graph(Translator(ready(network), shape, SPEC.shape, "new")), SIZES
    classes = CLASSES if recipe.is_conditional else ()
    spec = recipe.autoencoder.code_spec(SPEC) if recipe.autoencoder else SPEC
    network = recipe.generator.build(recipe.latent.size, spec, len(classes))
    if recipe.autoencoder:
        network = DecodedGenerator(network, recipe.autoencoder.build(SPEC))
    priors = tuple(1 / len(classes) for _ in classes)
    codec = ImageCodec(SPEC.shape)
    return generator_graph(Generator(ready(network), recipe.latent, kind, codec, "new", classes, priors)), BATCHES


def build_table_graph(name: str, size: str) -> Graph:
    """Return the new network of a recipe for rows of six columns, any of which may be given."""
    rng = np.random.default_rng(0)
    lines = [",".join(f"column{index}" for index in range(6))]
    for row in rng.normal(size=(500, 3)):
        lines.append(",".join([*(f"{value:.3f}" for value in row), *rng.choice(list("abcdefgh"), 3)]))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text("\n".join(lines) + "\n")
        codec = DATA_KINDS.find("tables").load(TableDataConfig(source=str(path)), LoadOptions()).codec
    recipe = check_recipe(build_settings_tree(name, size, {"data.source": "rows.csv", "data.kind": "tables"}, {}))
    torch.manual_seed(0)
    network = recipe.generator.build(recipe.latent.size, codec.spec, condition_spec=codec.condition_spec)
    return generator_graph(Generator(ready(network), recipe.latent, "tables", codec, "new"))


def build_molecule_graph(name: str, size: str) -> Graph:
    """Return the new network of a recipe for SMILES texts of 30 tokens, which can be asked for two properties."""
    tokens = (*"CNOSFHBIPcnos()=#-+123456/\\", "Cl", "Br", "[nH]")
    ranges = (PropertyRange("logp", 2.4, 0.9, -2.0, 6.0), PropertyRange("qed", 0.8, 0.1, 0.2, 0.95))
    codec = MoleculeCodec(tokens, 57, ranges)
    recipe = check_recipe(build_settings_tree(name, size, {"data.source": "molecules.smi"}, {}))
    assert recipe.autoencoder is not None, "this recipe has one"
    torch.manual_seed(0)
    spec, condition = recipe.autoencoder.code_spec(codec.spec), codec.condition_spec
    generator = recipe.generator.build(recipe.latent.size, spec, condition_spec=condition)
    network = DecodedGenerator(generator, recipe.autoencoder.build(codec.spec, condition_spec=condition))
    return generator_graph(Generator(ready(network), recipe.latent, "molecules", codec, "new"))


def build_molecular_graph(name: str, size: str) -> Graph:
    """Return the new network of a recipe for graphs of molecules of four elements."""
    codec = MoleculeGraphCodec(tuple(AtomType(symbol) for symbol in "CNOF"), 9)
    recipe = check_recipe(build_settings_tree(name, size, {"data.source": "small.smi"}, {}))
    torch.manual_seed(0)
    network = recipe.generator.build(recipe.latent.size, codec.spec)
    return generator_graph(Generator(ready(network), recipe.latent, "molecules", codec, "new"))


def build_sound_graph(name: str, size: str) -> Graph:
    """Return the part of the new network of a recipe that gives spectra of sounds of about a second at 16 kHz."""
    spec = TensorSpec((1, 16_384), bounded=True, rate=16_000, window=1_024)
    inputs = dataclasses.replace(spec, shape=SOUND_INPUTS[name])
    recipe = check_recipe(build_settings_tree(name, size, {"data.source": "sounds"}, {}))
    torch.manual_seed(0)
    network = recipe.generator.build(recipe.latent.size, spec, 0, inputs)
    assert isinstance(network, SpectralTranslator)
    ready(network)
    return spectrum_graph(network)


def ready(network: torch.nn.Module) -> torch.nn.Module:
    """Return a network in evaluation mode whose noise has an effect, as after training."""
    for name, parameter in network.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.3)
    return network.eval().requires_grad_(False)


def input_shape(recipe: Recipe) -> tuple[int, ...]:
    """Return the shape of the inputs of a recipe that translates."""
    if not recipe.data.degradations:
        return SPEC.shape
    degrade = DegradationPipeline(recipe.data.degradations)
    return tuple(degrade(torch.zeros(1, *SPEC.shape), torch.zeros(1, dtype=torch.int64)).shape[1:])


def measure(name: str, size: str) -> dict[str, object]:
    """Return the errors and sizes of the exports of a network."""
    graph, sizes = build_graph(name, size)
    start = time.perf_counter()
    model = build_onnx_model(graph)
    seconds = time.perf_counter() - start
    single = model.SerializeToString()
    error = measure_parity(graph, OnnxRunner(single), sizes).error
    half: dict[str, object] = dict.fromkeys(("half_decibels", "half_error", "half_megabytes"))  # refused
    if not graph.draws_categories:
        halve_weights(model)
        halved = model.SerializeToString()
        parity = measure_parity(graph, OnnxRunner(halved), sizes[-1:])
        half = {
            "half_decibels": parity.decibels, "half_error": parity.error, "half_megabytes": len(halved) / 1e6
        }  # fmt: skip
    axes = {dim.dim_param for each in model.graph.input for dim in each.type.tensor_type.shape.dim if dim.dim_param}
    with TemporaryDirectory() as folder:
        try:
            torch.export.save(trace(graph, "pt2"), Path(folder) / "model.pt2")
            program_error = measure_parity(graph, ProgramRunner(Path(folder) / "model.pt2"), sizes).error
        except (BadInput, AssertionError) as reason:
            program_error = str(reason).splitlines()[0]
    return {
        "recipe": name, "size": size, "inputs": [each.name for each in graph.inputs], "free_axes": sorted(axes),
        "onnx_error": error, "onnx_megabytes": len(single) / 1e6, "seconds": round(seconds, 1),
        **half, "pt2_error": program_error,
    }  # fmt: skip


def measure_speed(name: str, size: str) -> dict[str, object]:
    """Return how much faster ONNX Runtime generates than PyTorch, on one core: the median of interleaved rounds."""
    torch.set_num_threads(1)
    graph, _ = build_graph(name, size)
    run, inputs = (
        OnnxRunner(build_onnx_model(graph).SerializeToString(), threads=1),
        graph.example({BATCH: SPEED_BATCH}),
    )
    seconds: dict[str, list[float]] = {"onnx": [], "pytorch": []}
    for round_number in range(SPEED_ROUNDS + 1):
        for form, function in (("pytorch", graph), ("onnx", run)):
            start = time.process_time()
            function(inputs)
            if round_number:  # the first one warms up
                seconds[form].append(time.process_time() - start)
    ratios = [eager / onnx for eager, onnx in zip(seconds["pytorch"], seconds["onnx"], strict=True)]
    per_sample = {f"{form}_ms": statistics.median(values) / SPEED_BATCH * 1e3 for form, values in seconds.items()}
    return {"recipe": name, "size": size, "ratio": statistics.median(ratios), **per_sample}


def write_tables(record: dict[str, list[dict[str, object]]]) -> None:
    """Write the tables between the marks of docs/export.md."""
    page = DOCS / "export.md"
    lines = [
        "| Recipe | Size | Inputs | ONNX error | MB | half: MB | half: dB | pt2 error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record.get("exports", []):
        half = [row["half_megabytes"], row["half_decibels"]]
        halved = " | ".join("-" if value is None else f"{value:.{1 - place}f}" for place, value in enumerate(half))
        program = row["pt2_error"] if isinstance(row["pt2_error"], str) else f"{row['pt2_error']:.0e}"
        lines.append(
            f"| {row['recipe']} | {row['size']} | {', '.join(row['inputs'])} | {row['onnx_error']:.0e} | "
            f"{row['onnx_megabytes']:.1f} | {halved} | {program} |"
        )
    speed = ["| Recipe | Size | PyTorch, ms | ONNX Runtime, ms | Ratio |", "|---|---|---|---|---|"]
    speed += [
        f"| {row['recipe']} | {row['size']} | {row['pytorch_ms']:.2f} | {row['onnx_ms']:.2f} | {row['ratio']:.2f} |"
        for row in record.get("speed", [])
    ]
    text = page.read_text("utf8")
    for mark, table in (("exports", lines), ("speed", speed)):
        before, _, rest = text.partition(f"<!-- {mark} -->\n")
        _, _, after = rest.partition(f"<!-- end of {mark} -->")
        body = "\n".join(table)
        text = f"{before}<!-- {mark} -->\n{body}\n<!-- end of {mark} -->{after}"
    page.write_text(text, "utf8")


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], help="recipes that are measured; others keep their rows")
    arguments = parser.parse_args()
    speed, only = arguments.speed, arguments.only
    file = DOCS / "export.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    key, cases = ("speed", SPEED_CASES) if speed else ("exports", CASES)
    rows = {(row["recipe"], row["size"]): row for row in record.get(key, [])}
    for case in cases:
        if case[0] in only or not only:
            rows[case] = measure_speed(*case) if speed else measure(*case)
            print(rows[case], flush=True)
    record[key] = [rows[case] for case in cases if case in rows]
    file.write_text(json.dumps(record, indent=1) + "\n")
    write_tables(record)


if __name__ == "__main__":
    main()
