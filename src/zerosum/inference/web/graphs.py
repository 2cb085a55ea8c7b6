"""The networks of a page as graphs: like those of other exports, but with what its sliders need as inputs.

Classes are class weights, so that the page can go from one class to another. A network with styles is two graphs: from
latents to styles, and from the styles of all layers to images, so that the page can edit and mix them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game import seeded_rng
from zerosum.game.sample_spec import require_single_tensor
from zerosum.game.types import condition_inputs
from zerosum.inference.export.graph import BATCH, EXAMPLE_SEED, Graph, GraphInput, example_seeds, translator_graph
from zerosum.inference.generator import Generator
from zerosum.inference.latent_space import StyleGenerator
from zerosum.inference.translator import Translator


class _Generation(nn.Module):
    """Latents, and class weights and seeds if the network takes them, to samples."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        """Wrap the network; `names` are those of the inputs after the latents, in order."""
        super().__init__()
        self.network, self.names = network, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        """Return the samples (N, C, H, W)."""
        latent, *others = inputs
        sample: Tensor = self.network(latent, **dict(zip(self.names, others, strict=True)))
        return (sample,)


class _Mapping(nn.Module):
    """Latents and class weights to styles that are the same in all layers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        """Map latents (N, L), and class weights (N, K) if there are classes, to styles (N, W)."""
        assert isinstance(self.network, StyleGenerator)
        return (self.network.styles(*inputs)[:, 0],)


class _Synthesis(nn.Module):
    """Styles, and seeds if the network has noise, to images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        """Map styles (N, layers, W), and seeds (N,) if there is noise, to images (N, C, H, W)."""
        assert isinstance(self.network, StyleGenerator)
        return (self.network.synthesize(*inputs),)


def generator_graphs(generator: Generator) -> Mapping[str, Graph]:
    """Return the graphs of a generator of images by name: `generator`, or `mapping` and `synthesis` if it has styles.

    Raises:
        BadInput: its samples are not one tensor.
    """
    network = generator.network
    spec = require_single_tensor(generator.codec.spec, "a web page")
    images: tuple[tuple[str, tuple[str | int, ...]], ...] = (("sample", (BATCH, *spec.shape)),)
    latent = GraphInput(
        "latent",
        (BATCH, generator.latent.size),
        "latents",
        lambda shape: generator.draw_latents(shape[0], EXAMPLE_SEED),
    )
    taken = condition_inputs(network)
    label = [GraphInput("label", (BATCH, len(generator.classes)), "class weights", _weights)] * ("label" in taken)
    seed = [GraphInput("seed", (BATCH,), "seeds of the noise", example_seeds)] * ("seed" in taken)
    if not isinstance(network, StyleGenerator):
        module = _Generation(network, tuple(each.name for each in (*label, *seed))).eval()
        return {"generator": Graph(module, (latent, *label, *seed), images, is_bounded=spec.bounded)}
    width = network.styles(*(each.example({BATCH: 1}) for each in (latent, *label))).shape[2]
    styles = GraphInput("styles", (BATCH, network.num_layers, width), "styles", _numbers)
    return {
        "mapping": Graph(_Mapping(network).eval(), (latent, *label), (("style", (BATCH, width)),)),
        "synthesis": Graph(_Synthesis(network).eval(), (styles, *seed), images, is_bounded=spec.bounded),
    }


def translator_graphs(translator: Translator) -> Mapping[str, Graph]:
    """Return the graph of a translator by its name, `translator`."""
    return {"translator": translator_graph(translator)}


def _numbers(shape: tuple[int, ...]) -> Tensor:
    return seeded_rng.normal(example_seeds(shape[:1]), shape[1] * shape[2], seeded_rng.RandomStream.LATENT).view(shape)


def _weights(shape: tuple[int, ...]) -> Tensor:
    """Return class weights (N, K) between two classes, other ones for each sample."""
    count, classes = shape
    first, last = (functional.one_hot((torch.arange(count) + shift) % classes, classes) for shift in (0, 1))
    return first * 0.75 + last * 0.25
