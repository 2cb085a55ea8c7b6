"""Export a generator of images or texts, or a translator of images, as one HTML page that needs no connection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.images.page_files import make_output_codec
from zerosum.data.images.summary import describe_channels
from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput
from zerosum.game.sample_spec import require_single_tensor
from zerosum.inference.load import load, load_translator, open_model
from zerosum.inference.web.runtime import read_runtime
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporter import TimedProgress
from zerosum.run_folder import Json
from zerosum.workflows.editing_session import DIRECTION_SAMPLES, DIRECTION_SEED, EditingSession
from zerosum.workflows.export_request import ExportRequest
from zerosum.workflows.sample import load_image_generator

if TYPE_CHECKING:
    from zerosum.inference.export.graph import Graph
    from zerosum.inference.generator import Generator
    from zerosum.inference.translator import Translator
    from zerosum.recipes.recipe import Recipe

MAX_CHANNELS = 4
"""Channels of images that browsers read."""
TYPE_OF_BROWSERS = "uint8"


def write_web(request: ExportRequest, path: Path) -> None:
    """Write the page of a run.

    Args:
        request: what is exported; `ort` is the package of ONNX Runtime Web.
        path: the file that is written.

    Raises:
        BadInput: the run has no images or other images than browsers read, `ort` cannot be used, or a network does not
            compute the same as ONNX model.
    """
    from zerosum.inference.export.onnx_model import check_onnx_support

    recipe = open_model(request.run, best=request.best).recipe
    if request.reverse and not recipe.is_translation:
        raise BadInput(f"`reverse`: {request.run} generates from latents and translates nothing; leave it out")
    if recipe.is_translation and MEDIA_KINDS.find(recipe.data.kind).has_signals:
        noun = DATA_KINDS.find(recipe.data.kind).noun
        raise BadInput(f"{request.run}: translates into {noun}s, and a web page translates images; choose `to` onnx")
    has_images = recipe.is_translation or MEDIA_KINDS.find(recipe.data.kind).is_image
    texts = None if has_images else _describe_texts(request, recipe)
    check_onnx_support("web")
    runtime = read_runtime(request.ort)
    describe = _describe_translator if recipe.is_translation else _describe_generator
    settings, graphs = texts or describe(request, recipe)
    from zerosum import __version__
    from zerosum.inference.web.page import build_page

    settings |= {
        "name": request.run.resolve().name,
        "best": request.best,
        "made": f"Made with Zerosum {__version__} and ONNX Runtime Web {runtime.version}.",
    }
    models = _build_models(graphs, request)
    page = build_page(models, settings, runtime).encode("utf8")
    path.write_bytes(page)
    sizes = f"{len(page) / 1e6:.1f} MB: open the file in a browser"
    request.reporter.message(f"one page of {sizes}; it needs no connection and sends nothing")


def _build_models(graphs: Mapping[str, Graph], request: ExportRequest) -> dict[str, bytes]:
    """Return the networks as ONNX models, after a check that they compute the same."""
    from zerosum.inference.export.onnx_model import build_checked_model

    progress = TimedProgress(request.reporter, "exporting networks")
    models = {}
    for number, (name, graph) in enumerate(graphs.items()):
        models[name] = build_checked_model(graph, "web", half=request.half)[0].SerializeToString()
        progress(number + 1, len(graphs))
    return models


def _describe_generator(request: ExportRequest, recipe: Recipe) -> tuple[dict[str, Json], Mapping[str, Graph]]:
    """Return the settings and the graphs of the page of a generator.

    Raises:
        BadInput: it does not generate images, or takes numeric conditions.
    """
    from zerosum.inference.web.graphs import generator_graphs
    from zerosum.inference.web.page_settings import find_methods, generator_settings

    generator = load_image_generator(request.run, "cpu", request.best, "a web page shows images")
    if generator.codec.condition_spec is not None:
        raise BadInput(
            f"{request.run}: its generator takes numeric conditions, for which a web page has no controls; choose `to` "
            "onnx"
        )
    session = EditingSession.from_run(request.run, "cpu", request.best, None, None)
    request.reporter.message("computing directions to edit along")
    methods = find_methods(generator, session.space, session.draw_latents())
    if not methods:
        request.reporter.message("no layer of this network takes the latent directly: the page has no directions")
    samples = {"count": DIRECTION_SAMPLES, "seed": DIRECTION_SEED}
    settings = generator_settings(generator, generator.codec.shown_bands, methods, samples)
    return {**settings, "description": _describe_generation(request, recipe, generator)}, generator_graphs(generator)


def _describe_texts(request: ExportRequest, recipe: Recipe) -> tuple[dict[str, Json], Mapping[str, Graph]]:
    """Return the settings and the graphs of the page of a generator of texts.

    Raises:
        BadInput: a web page does not show what it generates.
    """
    generator = load(request.run, "cpu", best=request.best)
    texts, noun = MEDIA_KINDS.find(generator.kind).page_texts(generator.codec), DATA_KINDS.find(generator.kind).noun
    if texts is None:
        raise BadInput(f"{request.run}: generates {noun}s, and a web page shows images or texts; choose `to` onnx")
    from zerosum.inference.export.graph import generator_graph

    graph = generator_graph(generator)
    takes_wishes = generator.trained_conditions and any(each.name == "known" for each in graph.inputs)
    settings: dict[str, Json] = {
        "task": "texts", **texts.settings(), "latent": generator.latent.model_dump(mode="json"),
        "takes_wishes": takes_wishes, "description": f"Generates {noun}s. {_describe_training(request, recipe)}",
    }  # fmt: skip
    return settings, {"generator": graph}


def _describe_translator(request: ExportRequest, recipe: Recipe) -> tuple[dict[str, Json], Mapping[str, Graph]]:
    """Return the settings and the graphs of the page of a translator.

    Raises:
        BadInput: its inputs are not images that browsers read.
    """
    from zerosum.inference.web.graphs import translator_graphs
    from zerosum.inference.web.page_settings import translator_settings

    data = recipe.data.reversed() if request.reverse else recipe.data
    translator = load_translator(request.run, "cpu", best=request.best, reverse=request.reverse)
    channels = translator.input_shape[0] - data.fills_holes
    if data.dtype_of_inputs != TYPE_OF_BROWSERS or channels > MAX_CHANNELS:
        raise BadInput(
            f"{request.run}: translates images of {describe_channels(channels, data.dtype_of_inputs)}, and browsers "
            "read 8 bits and at most 4 channels; choose `to` onnx"
        )
    codec = make_output_codec(translator.target_shape, data.dtype_of_outputs, data.range_of_outputs)
    settings = translator_settings(translator, codec.shown_bands, data.fills_holes, request.reverse)
    height, width = translator.input_shape[1:]
    takes = f"Of any size, {describe_channels(channels)}; the network was trained on {width} × {height} pixels."
    if data.fills_holes:
        takes += " Paint over what is to be filled; transparent pixels are filled too."
    settings |= {"description": _describe_translation(request, recipe, translator), "takes": takes}
    return settings, translator_graphs(translator)


def _describe_generation(request: ExportRequest, recipe: Recipe, generator: Generator) -> str:
    """Return what a generator makes, in a sentence, and how it was trained."""
    _, height, width = require_single_tensor(generator.codec.spec, "a web page").shape
    classes = f"{len(generator.classes)} classes, " if generator.classes else ""
    return f"Generates images of {classes}{width} × {height} pixels. {_describe_training(request, recipe)}"


def _describe_translation(request: ExportRequest, recipe: Recipe, translator: Translator) -> str:
    """Return what a translator makes, in a sentence, and how it was trained."""
    factor = translator.scale_factor
    result = f"images {factor} times as wide and high" if factor > 1 else "images of the same size"
    return f"Translates images to {result}. {_describe_training(request, recipe)}"


def _describe_training(request: ExportRequest, recipe: Recipe) -> str:
    model = open_model(request.run, best=request.best)
    examples = "its best networks" if model.checkpoint == "best" else f"trained on {model.examples:,} examples"
    return f"Recipe {recipe.name}, {examples}."
