"""A generator or translator as a function of named tensors: what is exported, and what is compared with the export."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import SampleSpec, TensorSpec, is_bounded, leaf_specs
from zerosum.game.sample_tree import leaves
from zerosum.game.types import Sample, condition_inputs
from zerosum.inference.generator import Generator
from zerosum.inference.latent_space import StyleGenerator
from zerosum.inference.translator import Translator
from zerosum.networks.vocos import Backbone, SpectralTranslator

BATCH, HEIGHT, WIDTH, FRAMES = "batch", "height", "width", "frames"
"""Names of the axes whose length is free."""
EXAMPLE_SEED = 20
"""Seed of the inputs with which an export is traced and compared."""
EXAMPLE_TRUNCATION = 0.7
"""Truncation of styles in these inputs: neither of the ends, at which an error would not be seen."""

DrawFn = Callable[[tuple[int, ...]], Tensor]
"""Draw an input of this shape."""


@dataclass(frozen=True)
class GraphInput:
    """An input of a graph."""

    name: str
    axes: tuple[str | int, ...]
    """The shape, with a name for each axis whose length is free."""
    description: str
    """What it holds, for people."""
    draw: DrawFn

    def example(self, sizes: Mapping[str, int]) -> Tensor:
        """Return random values, always the same, with these lengths of the free axes."""
        return self.draw(tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.axes))


@dataclass(frozen=True)
class Graph:
    """A network as a function of a list of tensors."""

    module: nn.Module
    """Takes the inputs in order, and returns the outputs as a tuple."""
    inputs: tuple[GraphInput, ...]
    outputs: tuple[tuple[str, tuple[str | int, ...]], ...]
    """Name and shape of each output, with a name for each axis whose length is free."""
    size_multiple: int = 1
    """Sides of images are padded to multiples of this number in the graph itself."""
    is_bounded: bool = False
    """Whether outputs are clipped to [-1, 1] before they are shown."""
    draws_categories: bool = False
    """Whether outputs hold categories or tokens, which are drawn by comparisons: a small error may become others."""
    draws_tokens: bool = False
    """Whether outputs are sequences of tokens, of which each depends on all before."""

    def example(self, sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
        """Return random inputs with these lengths of the free axes."""
        return tuple(each.example(sizes) for each in self.inputs)

    @property
    def free_axes(self) -> list[dict[int, str]]:
        """The free axes of each input, by their position."""
        return [{index: axis for index, axis in enumerate(each.axes) if isinstance(axis, str)} for each in self.inputs]

    @property
    def has_free_sizes(self) -> bool:
        """Whether other lengths than that of the batch are free, too."""
        return any(axis != BATCH for axes in self.free_axes for axis in axes.values())

    @torch.no_grad()
    def __call__(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        """Return the outputs of the network itself."""
        outputs: tuple[Tensor, ...] = self.module(*inputs)
        return list(outputs)


class _GeneratorModule(nn.Module):
    """Latents, conditions and the truncation of styles to the tensors of samples."""

    def __init__(self, network: nn.Module, names: tuple[str, ...], condition_parts: tuple[str, ...] = ()) -> None:
        """Wrap the network.

        Args:
            network: the generator.
            names: the names of the inputs, in order.
            condition_parts: the inputs that make up the condition, if it is a tree of tensors.
        """
        super().__init__()
        self.network, self.names, self.condition_parts = network, names, condition_parts

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors of the samples (N, ...)."""
        given = dict(zip(self.names, inputs, strict=True))
        latent = given.pop("latent")
        parts = {name: given.pop(name) for name in self.condition_parts}
        if isinstance(self.network, StyleGenerator):
            styles = self.network.styles(latent, given.get("label"), given["truncation"], given.get("condition"))
            return (self.network.synthesize(styles, given.get("seed")),)
        sample: Sample = self.network(latent, **given, **({"condition": parts} if parts else {}))
        return tuple(leaves(sample))


class _TranslatorModule(nn.Module):
    """Images, and seeds of noise where the network has noise, to images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        """Map images (N, Ci, h, w), and seeds (N,) if the network takes them, to images (N, C, H, W)."""
        output: Tensor = self.network(*inputs)
        return (output,)


class _SpectrumModule(nn.Module):
    """Frames to the magnitudes and phases of spectra."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (N, C, W) to logarithms of magnitudes and phases (N, F, W)."""
        return self.backbone.polar(*inputs)


def generator_graph(generator: Generator) -> Graph:
    """Return the graph of a generator: latents (N, L), and what else its network takes, to samples.

    Inputs are `latent`, and, if the network takes them, `label` (N,) int64, `condition` (N, M) float32, `seed` (N,)
    int64 and `truncation` () float32 of styles. Of a condition that is a tree, each tensor is an input, by its name.

    Raises:
        BadInput: its condition is a tree of trees.
    """
    network, size = generator.network, generator.latent.size
    taken = condition_inputs(network)
    holds = "latents, distributed as `latent` says"
    inputs = [GraphInput("latent", (BATCH, size), holds, lambda shape: _latents(generator, shape))]
    if "label" in taken:
        count = len(generator.classes)
        inputs.append(
            GraphInput("label", (BATCH,), "index of the class in `classes`", lambda shape: _whole(shape, count))
        )
    conditions = _condition_inputs(generator.codec.condition_spec) if "condition" in taken else []
    inputs += conditions
    if "seed" in taken:
        inputs.append(GraphInput("seed", (BATCH,), "seed of the noise of each sample", example_seeds))
    if isinstance(network, StyleGenerator):
        description = "factor of the distance of styles from their mean: 1 is none, 0 is the mean style"
        inputs.append(GraphInput("truncation", (), description, lambda _: torch.tensor(EXAMPLE_TRUNCATION)))
    parts = tuple(each.name for each in conditions if each.name != "condition")
    module = _GeneratorModule(network, tuple(each.name for each in inputs), parts).eval()
    spec = generator.codec.spec
    draws_tokens = any(leaf.num_tokens for leaf in leaf_specs(spec))
    draws_categories = draws_tokens or any(
        leaf.one_hot or any(block.categories for block in leaf.blocks) for leaf in leaf_specs(spec)
    )
    return Graph(
        module, tuple(inputs), tuple(_iter_outputs("sample", spec)), is_bounded=is_bounded(spec),
        draws_categories=draws_categories, draws_tokens=draws_tokens,
    )  # fmt: skip


def translator_graph(translator: Translator) -> Graph:
    """Return the graph of a translator: `image` (N, Ci, h, w) in [-1, 1], and `seed` (N,) if it has noise, to images.

    Images of any size are taken: they are padded in the graph, and the padding is cropped.
    """
    axes: tuple[str | int, ...] = (BATCH, translator.input_shape[0], HEIGHT, WIDTH)
    inputs = [GraphInput("image", axes, "images in [-1, 1], channels first", _images)]
    if "seed" in condition_inputs(translator.network):
        inputs.append(GraphInput("seed", (BATCH,), "seed of the noise of each image; 0 is the default", example_seeds))
    factor, multiple = translator.scale_factor, translator.size_multiple
    sides = (HEIGHT, WIDTH) if factor == 1 else (f"{factor}*{HEIGHT}", f"{factor}*{WIDTH}")
    outputs = (("sample", (BATCH, translator.target_shape[0], *sides)),)
    module = _TranslatorModule(translator.network).eval()
    return Graph(module, tuple(inputs), outputs, multiple, is_bounded=True)


def spectral_network(translator: Translator) -> SpectralTranslator:
    """Return the network of a translator into waveforms.

    Raises:
        BadInput: it has no part that gives spectra.
    """
    if not isinstance(translator.network, SpectralTranslator):
        raise BadInput("`run`: its network gives no spectra, and there are no scripts for others yet; choose `to` hub")
    return translator.network


def spectrum_graph(network: SpectralTranslator) -> Graph:
    """Return the graph of the backbone of a translator into waveforms: frames to magnitudes and phases of spectra.

    It takes `frames` (N, C, W), any number of them, and gives `log_magnitude` and `phase` (N, F, W). Complex numbers
    and Fourier transforms, which exports do not have, are left to scripts.
    """
    axes = (BATCH, network.backbone.embed.in_channels, FRAMES)
    inputs = (GraphInput("frames", axes, "frames, one after the other, as the notes say", _frames),)
    outputs = tuple((name, (BATCH, network.transform.bins, FRAMES)) for name in ("log_magnitude", "phase"))
    return Graph(_SpectrumModule(network.backbone).eval(), inputs, outputs)


def _condition_inputs(spec: SampleSpec | None) -> list[GraphInput]:
    """Return the inputs for a condition.

    Raises:
        BadInput: it is a tree of trees.
    """
    assert spec is not None, "only data with conditions have networks that take them"
    if isinstance(spec, TensorSpec):
        return [GraphInput("condition", (BATCH, *spec.shape), "standardized numbers, see `condition`", _numbers)]
    inputs = []
    for name, inner in spec.items():
        if not isinstance(inner, TensorSpec):
            raise BadInput("`run`: its condition is a tree of trees of tensors, which an export has no inputs for")
        inputs.append(GraphInput(name, (BATCH, *inner.shape), "a part of the condition", _flags))
    return inputs


def _iter_outputs(name: str, spec: SampleSpec) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    if isinstance(spec, TensorSpec):
        yield name, (BATCH, *spec.shape)
    else:
        for inner_name, inner in spec.items():
            yield from _iter_outputs(f"{name}.{inner_name}", inner)


def _latents(generator: Generator, shape: tuple[int, ...]) -> Tensor:
    return generator.draw_latents(shape[0], EXAMPLE_SEED)


def _numbers(shape: tuple[int, ...]) -> Tensor:
    return seeded_rng.normal(example_seeds(shape[:1]), shape[1], seeded_rng.RandomStream.CONDITION)


def _flags(shape: tuple[int, ...]) -> Tensor:
    """Return zeros and ones, which are likely values in any part of a condition."""
    draws = seeded_rng.uniform(example_seeds(shape[:1]), math.prod(shape[1:]), seeded_rng.RandomStream.CONDITION)
    return (draws > 0.5).float().view(shape)


def example_seeds(shape: tuple[int, ...]) -> Tensor:
    """Return the seeds (N,) of the inputs with which an export is traced and compared."""
    return seeded_rng.derive_seeds(EXAMPLE_SEED, 0, shape[0])


def _whole(shape: tuple[int, ...], count: int) -> Tensor:
    """Return whole numbers (N,) from 0 to `count` - 1 that are not all the same."""
    return torch.arange(shape[0]).remainder(count)


def _frames(shape: tuple[int, ...]) -> Tensor:
    """Return frames (N, C, W) in [-1, 1]."""
    count, channels, frames = shape
    return _images((count, 1, channels, frames))[:, 0]


def _images(shape: tuple[int, ...]) -> Tensor:
    """Return images (N, C, h, w) in [-1, 1], smooth with noise on it: like neither edges nor flat areas alone."""
    count, channels, height, width = shape
    rows, columns = torch.linspace(0, 7, height)[:, None], torch.linspace(0, 5, width)
    seeds = example_seeds((count * channels,))
    noise = seeded_rng.uniform(seeds, height * width, seeded_rng.RandomStream.INSTANCE_NOISE)
    return (0.7 * (rows + columns).sin() + 0.6 * (noise.view(shape) - 0.5)).clamp(-1, 1)
