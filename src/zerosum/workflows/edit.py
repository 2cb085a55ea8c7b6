"""What can be done with a generator's space: mix styles, move along directions, find real pictures again in it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.sample import class_suffix, load_image_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zerosum.inference.directions import Directions
    from zerosum.inference.generator import Generator
    from zerosum.inference.latent_space import EditSpace, FeatureFn

DIRECTION_SAMPLES = 4_000
"""Samples among which directions are looked for."""
DIRECTION_FORMATS = "sefa:0, pca:0 (and 1, 2, ...: the next ones), or class:NAME"


@dataclass(frozen=True)
class EditingSession:
    """A run's generator, and the space in which its samples are edited."""

    run: str | Path
    generator: Generator
    space: EditSpace
    label: Tensor | None
    """(1,) the class that samples are of, where it knows any."""
    latent_truncation: float
    """No number of a latent is farther from 0; networks with styles pull these instead."""
    filename_suffix: str
    """What a file's name says of the class, where one was asked for."""

    @classmethod
    def from_run(
        cls, run: str | Path, device: str, best: bool, label: str | int | None, truncation: float | None
    ) -> EditingSession:
        """Open a run.

        Raises:
            BadInput: it is no run, makes no pictures, or has no such class.
        """
        import torch

        from zerosum.inference.latent_space import make_edit_space

        generator = load_image_generator(run, device, best, "there is nothing to be edited")
        usual = 1.0 if generator.has_styles else math.inf
        truncation = usual if truncation is None else truncation
        if not truncation > 0:
            raise BadInput(f"--truncation {truncation}: give a number above 0, or leave it out")
        space = make_edit_space(generator.network, generator.latent.size, truncation)
        named = class_suffix(generator, label)
        if label is None and generator.classes:
            label = generator.trained_class_indices[0]
        conditioning = None if label is None else torch.tensor([generator.class_index(label)])
        return cls(run, generator, space, conditioning, math.inf if generator.has_styles else truncation, named)

    def compute_codes(self, sample_indices: Sequence[int], seed: int) -> Tensor:
        """Where samples of these numbers lie: (N, layers, W)."""
        import torch

        rows = [self.generator.draw_latents(1, seed, self.latent_truncation, number) for number in sample_indices]
        return self.space.to_codes(torch.cat(rows), self.label)

    def draw_latents(self) -> Tensor:
        """Many latents, (PLACES, L): none that samples of small numbers have."""
        return self.generator.draw_latents(DIRECTION_SAMPLES, 2**30, self.latent_truncation)

    def prepare_output_path(self, name: str, into: str | Path | None) -> Path:
        """Where a picture goes; asked before it is made.

        Raises:
            BadInput: `into` is there already, or is no name of a picture.
        """
        if into is None:
            clean = re.sub(r"[^\w.+-]+", "_", name) + self.filename_suffix
            path = Path(self.run) / "outputs" / f"{self.generator.checkpoint}-{clean}.png"
        else:
            path = Path(into)
            if path.suffix.lower() != ".png":
                raise BadInput(f"--into {into}: give a name that ends in .png")
            if path.exists():
                raise BadInput(f"--into {into}: is there; choose another name, nothing is overwritten")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def mix(
    run: str | Path,
    rows: Sequence[int],
    columns: Sequence[int],
    *,
    layers: str = "coarse",
    seed: int = 0,
    truncation: float | None = None,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> Path:
    """Draw samples (rows) with some layers' styles of other samples (columns); returns the sheet.

    Args:
        run: the run's folder; its generator must have styles (StyleGAN2).
        rows: numbers of the samples that keep all other layers.
        columns: numbers of the samples that give these layers.
        layers: coarse, middle, fine, or a range: 2:5.
        seed: which samples the numbers count.
        truncation: near 0 is near the mean style, 1 leaves styles where they are.
        label: the class that all are of, where the run has classes.
        into: the sheet's name; by default inside the run.
        best: the networks judged best during training.
        device: auto, cpu, cuda, mps.

    Raises:
        BadInput: it is no run, its generator has no styles, or a number is out of range.
    """
    _require_valid_indices([*rows, *columns])
    opened = EditingSession.from_run(run, device, best, label, truncation)
    from zerosum.inference.latent_space import parse_layers
    from zerosum.inference.style_mixing import style_mixing_grid
    from zerosum.media.images import make_grid, save_image

    numbers = "+".join(map(str, rows)), "+".join(map(str, columns))
    path = opened.prepare_output_path(f"mix-{numbers[0]}-with-{numbers[1]}-{layers}-seed{seed}", into)
    chosen = parse_layers(layers, opened.space.layers)
    sheet = style_mixing_grid(
        opened.space, opened.compute_codes(rows, seed), opened.compute_codes(columns, seed), chosen
    )
    save_image(make_grid(sheet, columns=len(columns) + 1), path)
    return path


def edit(
    run: str | Path,
    direction: str,
    *,
    sample_indices: Sequence[int] = (0, 1, 2, 3),
    max_sigma: float = 3.0,
    steps: int = 7,
    layers: str = "all",
    seed: int = 0,
    truncation: float | None = None,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Draw samples moved along a direction of the space, a row each; returns the sheet.

    Args:
        run: the run's folder.
        direction: sefa:K, the K-th closed-form direction; pca:K, the K-th principal one; class:NAME, towards a class of
            the data, learned from what a classifier sees in samples.
        sample_indices: their numbers.
        max_sigma: how far, to both sides, in standard deviations.
        steps: pictures in a row.
        layers: of the styles, which are moved: all, coarse, middle, fine, or a range: 2:5.
        seed: which samples the numbers count.
        truncation: as for `sample`.
        label: the class that all are of, where the run has classes.
        into: the sheet's name; by default inside the run.
        best: the networks judged best during training.
        device: auto, cpu, cuda, mps.
        reporter: who tells what was found.

    Raises:
        BadInput: it is no run, or there is no such direction.
    """
    _require_valid_indices(sample_indices)
    kind, number = _parse_direction(direction)
    opened = EditingSession.from_run(run, device, best, label, truncation)
    from zerosum.inference.directions import std_along, traverse
    from zerosum.inference.latent_space import parse_layers
    from zerosum.media.images import make_grid, save_image, to_uint8

    reporter = reporter or SilentReporter()
    path = opened.prepare_output_path(f"edit-{direction}-{layers}-seed{seed}", into)
    chosen = parse_layers(layers, opened.space.layers)
    place, found = _find_directions(kind, number, opened, reporter)
    vector, share = found.vectors[place], float(found.strengths[place])
    meaning = {"sefa": "of what the first weights do", "pca": "of the variance", "class": "of samples it parts rightly"}
    reporter.message(f"{direction}: {share:.1%} {meaning[kind]}")
    unit = std_along(opened.space.to_vectors(opened.draw_latents(), opened.label), vector)
    moved = traverse(opened.compute_codes(sample_indices, seed), vector, unit, max_sigma, steps, chosen)
    made = to_uint8(opened.space.generate(moved.flatten(0, 1), opened.label))
    save_image(make_grid(made, columns=steps), path)
    return path


def encode(
    run: str | Path,
    image: str | Path,
    *,
    steps: int = 500,
    per_layer: bool = False,
    seed: int = 0,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Look for a real picture in a generator's space; returns a picture of it beside what was found.

    The place that was found is written beside it, as an .npy of shape (layers, W).

    Args:
        run: the run's folder.
        image: an image file.
        steps: of the search.
        per_layer: each layer has a style of its own: nearer to any picture, but worse to edit.
        seed: of the search's noise.
        label: the class the picture is of, where the run has classes.
        into: the picture's name; by default inside the run.
        best: the networks judged best during training.
        device: auto, cpu, cuda, mps.
        reporter: who tells how near it is.

    Raises:
        BadInput: it is no run, or the file is no image.
    """
    opened = EditingSession.from_run(run, device, best, label, None)
    path = opened.prepare_output_path(f"encode-{Path(image).stem}-seed{seed}", into)
    wanted = _load_target_image(Path(image), RunFolder.open(Path(run)), opened.generator.shape)
    import numpy as np
    import torch

    from zerosum.inference.inversion import InversionOptions, invert_images
    from zerosum.media.images import make_grid, save_image, to_uint8
    from zerosum.run_folder import write_atomically

    see = _load_feature_fn(opened.space.device)
    found = invert_images(
        opened.space, wanted, opened.draw_latents(), label=opened.label, feature_fn=see, options=InversionOptions(steps=steps, per_layer=per_layer),
        seed=seed,
    )  # fmt: skip
    first, last = float(found.errors[0, 0]), float(found.errors[-1, 0])
    (reporter or SilentReporter()).message(
        f"{image}: error {first:.4f} at the beginning, {last:.4f} where it was found"
    )
    both = to_uint8(torch.cat([wanted, found.images]))
    save_image(make_grid(both, columns=2), path)
    place = found.codes[0].numpy()

    def write(part: Path) -> None:
        with part.open("wb") as file:  # numpy would add a suffix to a name
            np.save(file, place)

    write_atomically(path.with_suffix(".npy"), write)
    return path


def _require_valid_indices(sample_indices: Sequence[int]) -> None:
    if not sample_indices or min(sample_indices) < 0 or max(sample_indices) >= 2**31:
        raise BadInput(
            f"samples {', '.join(map(str, sample_indices))}: give the numbers of samples, from 0 to {2**31 - 1}"
        )


def _parse_direction(direction: str) -> tuple[str, str]:
    """The kind of a direction, and its number or name."""
    kind, _, rest = direction.partition(":")
    if kind not in ("sefa", "pca", "class") or not rest or (kind != "class" and not rest.isdecimal()):
        raise BadInput(f"--direction {direction}: there are {DIRECTION_FORMATS}")
    return kind, rest


def _find_directions(kind: str, name: str, session: EditingSession, reporter: Reporter) -> tuple[int, Directions]:
    """Directions of this kind, and which of them is asked for."""
    from zerosum.inference import directions

    if kind == "sefa":
        return int(name), directions.sefa(session.space, int(name) + 1)
    latents = session.draw_latents()
    if kind == "pca":
        return int(name), directions.ganspace(session.space, latents, session.label, int(name) + 1)
    see, names = _load_class_probability_fn(name, session, reporter)
    # samples of all classes, where the generator makes such: within one of them there is no way to another
    points, chances = directions.score_samples(
        session.space, latents, see, session.generator.draw_labels(DIRECTION_SAMPLES, 2**30)
    )
    return 0, directions.interfacegan(points, chances, names.index(name), name)


def _load_class_probability_fn(
    class_name: str, session: EditingSession, reporter: Reporter
) -> tuple[FeatureFn, tuple[str, ...]]:
    """What tells the classes of the run's data apart, trained on these, and the classes' names.

    Raises:
        BadInput: the data have no class of that name.
    """
    from zerosum.evaluation.evaluator import train_classifier
    from zerosum.workflows.evaluate import load_run_dataset

    folder = RunFolder.open(Path(session.run))
    dataset = load_run_dataset(folder, read_recipe(folder), reporter)
    if not dataset.classes:
        raise BadInput(f"{session.run} was trained on data without classes: choose --direction sefa:0 or pca:0")
    if class_name not in dataset.classes:
        raise BadInput(f"--direction class:{class_name}: no such class; there are {', '.join(dataset.classes[:20])}")
    classifier = train_classifier(dataset, session.space.device, reporter)

    def see(pictures: Tensor) -> Tensor:
        chances = classifier(pictures.to(session.space.device)).probabilities
        assert chances is not None, "a classifier has a head"
        return chances.cpu()

    return see, dataset.classes


def _load_target_image(file: Path, folder: RunFolder, shape: tuple[int, ...]) -> Tensor:
    """An image file as the generator's pictures are: (1, C, H, W) in [-1, 1]."""
    import torch

    from zerosum.data.images.decode import decode_image, error_reason
    from zerosum.data.images.sources import open_image

    fit = read_recipe(folder).data.fit or "crop"
    try:
        with open_image(file) as image:
            pixels = decode_image(image, shape[1], shape[0], fit).pixels
    except Exception as error:  # whatever Pillow raises at content that is damaged
        raise BadInput(
            f"{file}: cannot be read as an image ({error_reason(error)}); give a PNG, JPEG or the like"
        ) from error
    return torch.from_numpy(pixels.copy())[None].permute(0, 3, 1, 2).float() / 127.5 - 1


def _load_feature_fn(device: torch.device) -> FeatureFn:
    """What compares pictures beside their pixels: a network, where one is installed."""
    import torch

    from zerosum.inference.inversion import no_features
    from zerosum.networks import efficientnet_lite0, projected

    if efficientnet_lite0.find_weights() is None:
        return no_features
    features = projected.FrozenEfficientNet(64).to(device)

    def see(pictures: Tensor) -> Tensor:
        return torch.cat([seen.mean((2, 3)) for seen in features(pictures)], 1)

    return see
