"""What is exported of a run: the network as a graph, the facts that its users need, and a script that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zerosum import __version__
from zerosum.data.codec import Codec
from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.seeded_rng import RandomStream, SeedSeries
from zerosum.game.types import condition_inputs
from zerosum.inference.export.graph import Graph, generator_graph, spectral_network, spectrum_graph, translator_graph
from zerosum.inference.generator import Generator
from zerosum.inference.load import load, load_translator, open_model
from zerosum.inference.translator import MAX_WHOLE_PIXELS, PIECE_VALUES, TILE_PIXELS, Translator
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.script import ScriptPart, load_script, render
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import Json

FORMAT = 1
"""The version of the facts; it changes if scripts of older exports could not read them."""
SCRIPTS = Path(__file__).with_name("scripts")
Facts: TypeAlias = dict[str, Json]


@dataclass(frozen=True)
class ExportSource:
    """The network of a run, with all that is written next to it."""

    graph: Graph
    facts: Facts
    """What the inputs and outputs are and how they are made from and become items: the content of config.json."""
    script: str
    """infer.py for the ONNX model."""
    words: frozenset[str]
    """What the model has, as conditions of lines in scripts and texts: see `zerosum.media.script`."""
    arrays: Mapping[str, NDArray[np.generic]]
    """The training examples' conditions, from which they are drawn; {} if there are none."""
    noun: str
    """One item in words."""
    packages: str
    """The packages that the script needs, as pip takes them."""
    notes: tuple[str, ...] = ()
    """Paragraphs about the items for the README."""
    given_example: str = ""
    """What a user may give, such as cut=Ideal."""


def open_source(run: Path, *, best: bool = False, reverse: bool = False) -> ExportSource:
    """Load the generator or translator of a run, on the CPU.

    Args:
        run: the run folder, a model folder or hf:user/name.
        best: load the networks with the best online evaluation instead of the newest checkpoint.
        reverse: translate from target to input.

    Raises:
        BadInput: the folder is no run and no model, or has no such networks or direction.
    """
    model = open_model(run, best=best)
    recipe = model.recipe
    if recipe.is_translation:
        translator = load_translator(run, "cpu", best=best, reverse=reverse)
        if MEDIA_KINDS.find(recipe.data.kind).has_signals:
            return _signal_source(translator, recipe, model.read_codec().codec)
        return _translator_source(translator, recipe, reverse)
    if reverse:
        raise BadInput(f"`reverse`: {run} generates from latents and translates nothing; leave it out")
    return _generator_source(load(run, "cpu", best=best), recipe)


def _generator_source(generator: Generator, recipe: Recipe) -> ExportSource:
    graph = generator_graph(generator)
    taken = {each.name for each in graph.inputs}
    columns, arrays = _find_conditions(generator) if "condition" in taken else ([], {})
    part = MEDIA_KINDS.find(generator.kind).sample_script(generator.codec)
    takes_tree = "condition" in condition_inputs(generator.network) and "condition" not in taken
    latent, spec = generator.latent.kind, generator.codec.spec
    has = {
        "styles": generator.has_styles,
        "normal": latent in ("normal", "binary-normal"),
        "uniform": latent == "uniform",
        "binary": latent == "binary-normal",
        "table": bool(columns),
        "numbers": "condition" in taken and not columns,
        "tree": takes_tree,
        "given": takes_tree and generator.trained_conditions and bool(part.given_source),
        "bounded": isinstance(spec, TensorSpec) and spec.bounded,
    }
    words = frozenset({name for name, value in has.items() if value} | taken | {"generation"}) | part.words
    facts: Facts = {
        **_common_facts("generation", recipe, generator.kind, generator.checkpoint, graph),
        **part.facts,
        "latent": generator.latent.model_dump(mode="json"),
        "truncation": "styles" if generator.has_styles else "latents",
        "classes": list(generator.classes),
        "class_priors": list(generator.class_priors),
        "conditions": columns,
        "seeds": _seed_facts(),
    }
    noun = DATA_KINDS.find(generator.kind).noun
    notes = (*part.notes, *(part.given_notes if "given" in words else ()))
    script = _render_script("generator", part, words)
    return ExportSource(graph, facts, script, words, arrays, noun, _packages(part), notes, part.given_example)


def _translator_source(translator: Translator, recipe: Recipe, reverse: bool) -> ExportSource:
    data = recipe.data.reversed() if reverse else recipe.data
    graph = translator_graph(translator)
    part = MEDIA_KINDS.find(data.kind).translation_script(data, translator.input_shape, translator.target_shape)
    is_local = translator.receptive_radius is not None
    words = part.words | {each.name for each in graph.inputs} | {"translation", "bounded"} | {*["tiles"] * is_local}
    facts: Facts = {
        **_common_facts("translation", recipe, data.kind, translator.checkpoint, graph),
        **part.facts,
        "scale_factor": translator.scale_factor,
        "size_multiple": graph.size_multiple,
        "receptive_radius": translator.receptive_radius,
        "max_whole_pixels": MAX_WHOLE_PIXELS,
        "tile_pixels": TILE_PIXELS,
    }
    noun = DATA_KINDS.find(data.kind).noun
    return ExportSource(graph, facts, _render_script("translator", part, words), words, {}, noun, _packages(part))


def _signal_source(translator: Translator, recipe: Recipe, codec: Codec) -> ExportSource:
    network, kind = spectral_network(translator), recipe.data.kind
    graph = spectrum_graph(network)
    part = MEDIA_KINDS.find(kind).signal_script(recipe.data, codec, network.numbers)
    words = part.words | {each.name for each in graph.inputs} | {"signals"}
    facts: Facts = {
        **_common_facts("translation", recipe, kind, translator.checkpoint, graph),
        **part.facts,
        "scale_factor": translator.scale_factor,
        "size_multiple": translator.size_multiple,
        "receptive_radius": translator.receptive_radius,
        "piece_values": PIECE_VALUES,
    }
    script, noun = _render_script("signal_translator", part, words), DATA_KINDS.find(kind).noun
    return ExportSource(graph, facts, script, words, {}, noun, _packages(part), part.notes)


def _common_facts(task: str, recipe: Recipe, kind: str, checkpoint: str, graph: Graph) -> Facts:
    return {
        "format": FORMAT,
        "task": task,
        "zerosum": __version__,
        "recipe": recipe.name,
        "checkpoint": checkpoint,
        "kind": kind,
        "inputs": {each.name: {"shape": list(each.axes), "holds": each.description} for each in graph.inputs},
        "outputs": {name: {"shape": list(axes)} for name, axes in graph.outputs},
    }


def _seed_facts() -> Facts:
    """Return what makes the random numbers of a seed, for programs in other languages."""
    streams = (RandomStream.LATENT, RandomStream.CLASS, RandomStream.CONDITION)
    return {
        "hash": "SplitMix64",
        "series": SeedSeries.SAMPLING.value,
        "streams": {stream.name.lower(): stream.value for stream in streams},
    }


def _find_conditions(generator: Generator) -> tuple[list[Json], dict[str, NDArray[np.generic]]]:
    """Return the columns of the generator's conditions, and the training examples' rows; nothing if they have none."""
    if not generator.codec.condition_names:
        return [], {}
    settings, tensors = generator.codec.settings()["conditions"], generator.codec.tensors()
    assert isinstance(settings, list), "conditions with names are columns"
    return settings, {"rows": tensors["conditions"].numpy(), "labels": tensors["condition_labels"].numpy()}


def _packages(part: ScriptPart) -> str:
    return " ".join(("numpy", "onnxruntime", *part.packages))


def _render_script(name: str, part: ScriptPart, words: frozenset[str]) -> str:
    """Return infer.py, with the functions that read and write items of the kind of data."""
    values = {"imports": "\n".join(part.imports), "packages": _packages(part).replace(" ", ", ")}
    values["given"] = part.given_example or "NAME=VALUE"
    functions = "\n\n\n".join([part.source.rstrip("\n"), *[part.given_source] * ("given" in words)])
    script = render(load_script(SCRIPTS / f"{name}.py.txt"), words, values | {"functions": functions})
    return re.sub(r"\n{4,}", "\n\n\n", script)
