"""What the program of a page has to know about its networks, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import require_single_tensor
from zerosum.game.types import condition_inputs
from zerosum.inference.directions import Directions, ganspace, num_ganspace_directions, num_sefa_directions, sefa
from zerosum.inference.generator import Generator
from zerosum.inference.latent_space import EditSpace, StyleGenerator, parse_layers
from zerosum.inference.translator import MAX_WHOLE_PIXELS, TILE_PIXELS, Translator
from zerosum.run_folder import Json

NUM_DIRECTIONS = 8
"""Sliders of a method: later directions rarely change much."""
LAYER_RANGES = ("all", "coarse", "middle", "fine")
MAX_PIXELS = 1024 * 1024
"""Largest image of a network that cannot work in tiles; WebAssembly has 4 GiB at most."""


@dataclass(frozen=True)
class Method:
    """Edit directions of one method, with the standard deviations of samples along them."""

    name: str
    """As in the argument `direction` of `edit`: sefa or pca."""
    title: str
    directions: Directions
    sigmas: Tensor
    """(1, D), or (K, D) for the styles of each of K classes."""

    def to_json(self) -> Json:
        """Return it as the program reads it."""
        return {
            "name": self.name,
            "title": self.title,
            "vectors": pack_numbers(self.directions.vectors),
            "strengths": [round(float(each), 6) for each in self.directions.strengths],
            "sigmas": [[float(sigma) for sigma in row] for row in self.sigmas],
        }


def pack_numbers(numbers: Tensor) -> str:
    """Return numbers of any shape as base64 of float32, little-endian."""
    return base64.b64encode(numbers.detach().cpu().numpy().astype("<f4").tobytes()).decode("ascii")


def find_methods(generator: Generator, space: EditSpace, latents: Tensor) -> list[Method]:
    """Return the edit directions of a generator: SeFa and principal components, those that `edit` uses.

    Args:
        generator: the generator.
        space: the space in which its samples are edited.
        latents: (N, L) latents from which directions and standard deviations are computed, as of `edit`.

    Returns:
        [] if no layer of the network takes the latent directly.
    """
    label = torch.tensor([generator.trained_class_indices[0]]) if generator.classes else None
    try:
        count = min(NUM_DIRECTIONS, num_sefa_directions(space))
        found = {"sefa": ("SeFa", sefa(space, count))}
        count = min(NUM_DIRECTIONS, num_ganspace_directions(space, latents, label))
        found["pca"] = ("PCA", ganspace(space, latents, label, count))
    except BadInput:  # the network has no such layer
        return []
    sigmas = _measure_sigmas(generator, space, latents, [directions.vectors for _, directions in found.values()])
    return [
        Method(name, title, directions, sigma)
        for (name, (title, directions)), sigma in zip(found.items(), sigmas, strict=True)
    ]


def _measure_sigmas(generator: Generator, space: EditSpace, latents: Tensor, vectors: Sequence[Tensor]) -> list[Tensor]:
    """Return the standard deviations (1 or K, D) along each of several lists of directions (D, W)."""
    depends_on_class = generator.has_styles and generator.classes
    labels = range(len(generator.classes)) if depends_on_class else [None]
    rows: list[list[Tensor]] = [[] for _ in vectors]
    for index in labels:
        label = torch.tensor([index]) if index is not None else _any_class(generator)
        codes = space.to_vectors(latents, label).double()
        for row, directions in zip(rows, vectors, strict=True):
            row.append((codes @ directions.double().T).std(0, unbiased=False))
    return [torch.stack(row) for row in rows]


def _any_class(generator: Generator) -> Tensor | None:
    """Return a class (1,) for codes that do not depend on it; None without classes."""
    return torch.tensor([generator.trained_class_indices[0]]) if generator.classes else None


def generator_settings(
    generator: Generator, shown: Sequence[int], methods: Sequence[Method], direction_samples: Mapping[str, int]
) -> dict[str, Json]:
    """Return the settings of the page of a generator of images.

    Args:
        generator: the generator.
        shown: the channels of its samples that are drawn, as gray, gray and alpha, RGB or RGBA.
        methods: edit directions.
        direction_samples: `count` and `seed` of the latents from which standard deviations are computed.
    """
    _, height, width = require_single_tensor(generator.codec.spec, "a web page").shape
    return {
        "task": "generator",
        "height": height,
        "width": width,
        "shown": list(shown),
        "latent": generator.latent.model_dump(mode="json"),
        "classes": list(generator.classes),
        "priors": list(generator.class_priors),
        "styles": _style_settings(generator),
        "still_seed": _find_still_seed(generator),
        "directions": [method.to_json() for method in methods],
        "direction_samples": dict(direction_samples),
    }


@torch.no_grad()
def _style_settings(generator: Generator) -> Json:
    """Return layers, size, mean and named layer ranges of the styles; None without styles."""
    network = generator.network
    if not isinstance(network, StyleGenerator):
        return None
    label = _any_class(generator)
    mean = network.styles(generator.draw_latents(1), label, 0.0)[0, 0]  # truncated to the mean itself
    ranges = {name: parse_layers(name, network.num_layers) for name in LAYER_RANGES}
    return {
        "layers": network.num_layers,
        "size": len(mean),
        "mean": pack_numbers(mean),
        "ranges": {name: [layers.start, layers.stop] for name, layers in ranges.items()},
    }


def _find_still_seed(generator: Generator) -> str | None:
    """Return the seed with whose noise a sample is the same as without a seed, as edited samples are; None if none is.

    It is a text, since numbers of JavaScript hold 53 bits.
    """
    if "seed" not in condition_inputs(generator.network):
        return None
    latents, seed = generator.draw_latents(2), seeded_rng.derive_seeds(0, 0, 1)
    without, with_seed = (generator.generate(latents, seeds=seeds) for seeds in (None, seed.expand(2)))
    is_same = np.allclose(np.asarray(without), np.asarray(with_seed), atol=1e-5)
    return str(int(seed)) if is_same else None


def translator_settings(
    translator: Translator, shown: Sequence[int], is_inpainting: bool, is_reverse: bool
) -> dict[str, Json]:
    """Return the settings of the page of a translator.

    Args:
        translator: the translator.
        shown: the channels of its outputs that are drawn.
        is_inpainting: whether the last channel of its inputs is the mask of the pixels to fill.
        is_reverse: whether it translates from target to input.
    """
    return {
        "task": "translator",
        "input_channels": translator.input_shape[0],
        "output_channels": translator.target_shape[0],
        "input_size": list(translator.input_shape[1:]),
        "factor": translator.scale_factor,
        "radius": translator.receptive_radius,
        "multiple": translator.size_multiple,
        "tile_pixels": TILE_PIXELS,
        "max_whole_pixels": MAX_WHOLE_PIXELS,
        "max_pixels": MAX_PIXELS,
        "shown": list(shown),
        "mask": is_inpainting,
        "seed": "seed" in condition_inputs(translator.network),
        "reverse": is_reverse,
    }
