"""The generator of a run and the space in which its samples are edited, as `mix`, `edit` and `encode` share them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.game.sample_spec import is_bounded, require_single_tensor
from zerosum.workflows.bounds import MAX_STYLE_TRUNCATION, check_latent_truncation, check_number
from zerosum.workflows.output_paths import first_free, make_name, optional_part, outputs_folder
from zerosum.workflows.sample import class_part, load_image_generator

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.inference.generator import Generator
    from zerosum.inference.latent_space import EditSpace

DIRECTION_SAMPLES = 4_000
"""Number of samples from which directions are computed."""
DIRECTION_SEED = 2**30
"""The seed of these samples."""


@dataclass(frozen=True)
class EditingSession:
    """The generator of a run, and the latent space in which its samples are edited."""

    run: str | Path
    generator: Generator
    space: EditSpace
    label: Tensor | None
    """(1,) the class of all samples; None for an unconditional generator."""
    truncation: float
    """Of the styles, or of the latents of a generator without styles."""
    class_name: str
    """The requested class, for file names; "" if none is requested."""

    @classmethod
    def from_run(
        cls, run: str | Path, device: str, best: bool, label: str | int | None, truncation: float | None
    ) -> EditingSession:
        """Load the generator of a run.

        Args:
            run: the run folder.
            device: auto, cpu, cuda, cuda:1 or mps.
            best: use the networks with the best online evaluation instead of the newest checkpoint.
            label: the class of all samples, by name or index; by default the first one.
            truncation: of the styles, or of the latents of a generator without styles; by default neither is truncated.

        Raises:
            BadInput: the folder is not a run, the run does not generate images, or there is no such class.
        """
        import torch

        from zerosum.inference.latent_space import make_edit_space

        generator = load_image_generator(run, device, best, "editing needs images")
        if not is_bounded(generator.codec.spec) or generator.codec.condition_spec is not None:
            raise BadInput(f"{run}: editing needs a generator of images in [-1, 1] without numeric conditions")
        require_single_tensor(generator.codec.spec, "editing")
        default = 1.0 if generator.has_styles else math.inf
        truncation = default if truncation is None else truncation
        check_latent_truncation(truncation)
        if generator.has_styles:
            check_number("truncation", truncation, 0, MAX_STYLE_TRUNCATION)
        space = make_edit_space(generator.network, generator.latent.size, truncation)
        class_name = class_part(generator, label)
        if label is None and generator.classes:
            label = generator.trained_class_indices[0]
        label_index = None if label is None else torch.tensor([generator.class_index(label)])
        return cls(run, generator, space, label_index, truncation, class_name)

    @property
    def latent_truncation(self) -> float:
        """Latent values are truncated to [-latent_truncation, latent_truncation]; infinity where styles are."""
        return math.inf if self.generator.has_styles else self.truncation

    def compute_codes(self, sample_indices: Sequence[int], seed: int) -> Tensor:
        """Return the codes of samples, (N, layers, W), by their index among the samples of `seed`."""
        import torch

        latents = [self.generator.draw_latents(1, seed, self.latent_truncation, index) for index in sample_indices]
        return self.space.to_codes(torch.cat(latents), self.label)

    def draw_latents(self) -> Tensor:
        """Return latents from which directions are computed, (DIRECTION_SAMPLES, L), of a seed of their own."""
        return self.generator.draw_latents(DIRECTION_SAMPLES, DIRECTION_SEED, self.latent_truncation)

    def draw_labels(self) -> Tensor | None:
        """Return the classes, (DIRECTION_SAMPLES,), of the samples from which directions are computed."""
        return self.generator.draw_labels(DIRECTION_SAMPLES, DIRECTION_SEED)

    def prepare_output_path(
        self, parts: Sequence[str], into: str | Path | None, suffixes: Sequence[str] = (".png",)
    ) -> Path:
        """Return the path of the output image, before the image is computed, and create its folder.

        Args:
            parts: what the image shows, for the default name, to which a number is added if it is taken.
            into: the path that the user gave, if any.
            suffixes: those of all files that are written under this name.

        Raises:
            BadInput: a file of `into` exists already, or `into` does not end in .png.
        """
        if into is None:
            default = 1.0 if self.generator.has_styles else math.inf
            options = (optional_part("truncation", self.truncation, default), self.class_name)
            stem = outputs_folder(self.run) / make_name(self.generator.checkpoint, *parts, *options)
            free = first_free(stem, lambda candidate: [Path(f"{candidate}{suffix}") for suffix in suffixes])
            path = Path(f"{free}.png")
        else:
            path = Path(into)
            if path.suffix.lower() != ".png":
                raise BadInput(f"`into` {into}: give a name that ends in .png")
            taken = [file for file in (path, *map(path.with_suffix, suffixes)) if file.exists()]
            if taken:
                raise BadInput(f"`into` {into}: {taken[0]} exists; choose another name, since nothing is overwritten")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
