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
from zerosum.reporter import Silent, Voice
from zerosum.run_folder import RunFolder
from zerosum.workflows.sample import of_class, painter

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zerosum.inference.directions import Directions
    from zerosum.inference.generator import Generator
    from zerosum.inference.latent_space import See, Space

PLACES = 4_000
"""Samples among which directions are looked for."""
HOW = "sefa:0, pca:0 (and 1, 2, ...: the next ones), or class:NAME"


@dataclass(frozen=True)
class Opened:
    """A run's generator, and the space in which its samples are edited."""

    run: str | Path
    generator: Generator
    space: Space
    label: Tensor | None
    """(1,) the class that samples are of, where it knows any."""
    cut: float
    """No number of a latent is farther from 0; networks with styles pull these instead."""
    named: str
    """What a file's name says of the class, where one was asked for."""

    @classmethod
    def of(cls, run: str | Path, device: str, best: bool, label: str | int | None, truncation: float | None) -> Opened:
        """Open a run.

        Raises:
            BadInput: it is no run, makes no pictures, or has no such class.
        """
        import torch

        from zerosum.inference.latent_space import space_of

        generator = painter(run, device, best, "there is nothing to be edited")
        usual = 1.0 if generator.styled else math.inf
        truncation = usual if truncation is None else truncation
        if not truncation > 0:
            raise BadInput(f"--truncation {truncation}: give a number above 0, or leave it out")
        space = space_of(generator.network, generator.prior.size, truncation)
        named = of_class(generator, label)
        if label is None and generator.classes:
            label = generator.taught[0]
        told = None if label is None else torch.tensor([generator.number(label)])
        return cls(run, generator, space, told, math.inf if generator.styled else truncation, named)

    def places(self, samples: Sequence[int], seed: int) -> Tensor:
        """Where samples of these numbers lie: (N, layers, W)."""
        import torch

        rows = [self.generator.latents(1, seed, self.cut, number) for number in samples]
        return self.space.place(torch.cat(rows), self.label)

    def latents(self) -> Tensor:
        """Many latents, (PLACES, L): none that samples of small numbers have."""
        return self.generator.latents(PLACES, 2**30, self.cut)

    def path(self, name: str, into: str | Path | None) -> Path:
        """Where a picture goes; asked before it is made.

        Raises:
            BadInput: `into` is there already, or is no name of a picture.
        """
        if into is None:
            clean = re.sub(r"[^\w.+-]+", "_", name) + self.named
            path = Path(self.run) / "made" / f"{self.generator.checkpoint}-{clean}.png"
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
    sources: Sequence[int],
    styles: Sequence[int],
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
        sources: numbers of the samples that keep all other layers.
        styles: numbers of the samples that give these layers.
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
    _refuse_negative([*sources, *styles])
    opened = Opened.of(run, device, best, label, truncation)
    from zerosum.inference.latent_space import band
    from zerosum.inference.style_mixing import mixed
    from zerosum.media.images import grid, save_image

    numbers = "+".join(map(str, sources)), "+".join(map(str, styles))
    path = opened.path(f"mix-{numbers[0]}-with-{numbers[1]}-{layers}-seed{seed}", into)
    chosen = band(layers, opened.space.layers)
    sheet = mixed(opened.space, opened.places(sources, seed), opened.places(styles, seed), chosen)
    save_image(grid(sheet, columns=len(styles) + 1), path)
    return path


def edit(
    run: str | Path,
    direction: str,
    *,
    samples: Sequence[int] = (0, 1, 2, 3),
    reach: float = 3.0,
    steps: int = 7,
    layers: str = "all",
    seed: int = 0,
    truncation: float | None = None,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    voice: Voice | None = None,
) -> Path:
    """Draw samples moved along a direction of the space, a row each; returns the sheet.

    Args:
        run: the run's folder.
        direction: sefa:K, the K-th closed-form direction; pca:K, the K-th principal one; class:NAME, towards a class of
            the data, learned from what a classifier sees in samples.
        samples: their numbers.
        reach: how far, to both sides, in standard deviations.
        steps: pictures in a row.
        layers: of the styles, which are moved: all, coarse, middle, fine, or a range: 2:5.
        seed: which samples the numbers count.
        truncation: as for `sample`.
        label: the class that all are of, where the run has classes.
        into: the sheet's name; by default inside the run.
        best: the networks judged best during training.
        device: auto, cpu, cuda, mps.
        voice: who tells what was found.

    Raises:
        BadInput: it is no run, or there is no such direction.
    """
    _refuse_negative(samples)
    kind, number = _parsed(direction)
    opened = Opened.of(run, device, best, label, truncation)
    from zerosum.inference.directions import deviation, strip
    from zerosum.inference.latent_space import band
    from zerosum.media.images import grid, save_image, to_uint8

    voice = voice or Silent()
    path = opened.path(f"edit-{direction}-{layers}-seed{seed}", into)
    chosen = band(layers, opened.space.layers)
    place, found = _directions(kind, number, opened, voice)
    vector, share = found.vectors[place], float(found.shares[place])
    meaning = {"sefa": "of what the first weights do", "pca": "of the variance", "class": "of samples it parts rightly"}
    voice.say(f"{direction}: {share:.1%} {meaning[kind]}")
    unit = deviation(opened.space.points(opened.latents(), opened.label), vector)
    moved = strip(opened.places(samples, seed), vector, unit, reach, steps, chosen)
    made = to_uint8(opened.space.paint(moved.flatten(0, 1), opened.label))
    save_image(grid(made, columns=steps), path)
    return path


def encode(
    run: str | Path,
    picture: str | Path,
    *,
    steps: int = 500,
    apart: bool = False,
    seed: int = 0,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    voice: Voice | None = None,
) -> Path:
    """Look for a real picture in a generator's space; returns a picture of it beside what was found.

    The place that was found is written beside it, as an .npy of shape (layers, W).

    Args:
        run: the run's folder.
        picture: an image file.
        steps: of the search.
        apart: each layer has a style of its own: nearer to any picture, but worse to edit.
        seed: of the search's noise.
        label: the class the picture is of, where the run has classes.
        into: the picture's name; by default inside the run.
        best: the networks judged best during training.
        device: auto, cpu, cuda, mps.
        voice: who tells how near it is.

    Raises:
        BadInput: it is no run, or the file is no image.
    """
    opened = Opened.of(run, device, best, label, None)
    path = opened.path(f"encode-{Path(picture).stem}-seed{seed}", into)
    wanted = _wanted(Path(picture), RunFolder.open(Path(run)), opened.generator.shape)
    import numpy as np
    import torch

    from zerosum.inference.inversion import Search, encode
    from zerosum.media.images import grid, save_image, to_uint8
    from zerosum.run_folder import write_atomically

    see = _seer(opened.space.device)
    found = encode(
        opened.space, wanted, opened.latents(), label=opened.label, see=see, search=Search(steps=steps, apart=apart),
        seed=seed,
    )  # fmt: skip
    first, last = float(found.errors[0, 0]), float(found.errors[-1, 0])
    (voice or Silent()).say(f"{picture}: error {first:.4f} at the beginning, {last:.4f} where it was found")
    both = to_uint8(torch.cat([wanted, found.pictures]))
    save_image(grid(both, columns=2), path)
    place = found.places[0].numpy()

    def write(part: Path) -> None:
        with part.open("wb") as file:  # numpy would add a suffix to a name
            np.save(file, place)

    write_atomically(path.with_suffix(".npy"), write)
    return path


def _refuse_negative(samples: Sequence[int]) -> None:
    if not samples or min(samples) < 0 or max(samples) >= 2**31:
        raise BadInput(f"samples {', '.join(map(str, samples))}: give the numbers of samples, from 0 to {2**31 - 1}")


def _parsed(direction: str) -> tuple[str, str]:
    """The kind of a direction, and its number or name."""
    kind, _, rest = direction.partition(":")
    if kind not in ("sefa", "pca", "class") or not rest or (kind != "class" and not rest.isdecimal()):
        raise BadInput(f"--direction {direction}: there are {HOW}")
    return kind, rest


def _directions(kind: str, number: str, opened: Opened, voice: Voice) -> tuple[int, Directions]:
    """Directions of this kind, and which of them is asked for."""
    from zerosum.inference import directions

    if kind == "sefa":
        return int(number), directions.sefa(opened.space, int(number) + 1)
    latents = opened.latents()
    if kind == "pca":
        return int(number), directions.principal(opened.space, latents, opened.label, int(number) + 1)
    see, names = _classifier(number, opened, voice)
    # samples of all classes, where the generator makes such: within one of them there is no way to another
    points, chances = directions.seen(opened.space, latents, see, opened.generator.labels(PLACES, 2**30))
    return 0, directions.boundary(points, chances, names.index(number), number)


def _classifier(name: str, opened: Opened, voice: Voice) -> tuple[See, tuple[str, ...]]:
    """What tells the classes of the run's data apart, trained on these, and the classes' names.

    Raises:
        BadInput: the data have no class of that name.
    """
    from zerosum.evaluation.evaluator import classifier_for
    from zerosum.workflows.evaluate import data_of

    folder = RunFolder.open(Path(opened.run))
    examples = data_of(folder, read_recipe(folder), voice)
    if not examples.classes:
        raise BadInput(f"{opened.run} was trained on data without classes: choose --direction sefa:0 or pca:0")
    if name not in examples.classes:
        raise BadInput(f"--direction class:{name}: no such class; there are {', '.join(examples.classes[:20])}")
    classifier = classifier_for(examples, opened.space.device, voice)

    def see(pictures: Tensor) -> Tensor:
        chances = classifier(pictures.to(opened.space.device)).chances
        assert chances is not None, "a classifier has a head"
        return chances.cpu()

    return see, examples.classes


def _wanted(file: Path, folder: RunFolder, shape: tuple[int, ...]) -> Tensor:
    """An image file as the generator's pictures are: (1, C, H, W) in [-1, 1]."""
    import torch

    from zerosum.data.images.decode import picture, reason
    from zerosum.data.images.sources import open_image

    fit = read_recipe(folder).data.fit or "crop"
    try:
        with open_image(file) as image:
            pixels = picture(image, shape[1], shape[0], fit).pixels
    except Exception as error:  # whatever Pillow raises at content that is damaged
        raise BadInput(f"{file}: cannot be read as an image ({reason(error)}); give a PNG, JPEG or the like") from error
    return torch.from_numpy(pixels.copy())[None].permute(0, 3, 1, 2).float() / 127.5 - 1


def _seer(device: torch.device) -> See:
    """What compares pictures beside their pixels: a network, where one is installed."""
    import torch

    from zerosum.inference.inversion import blind
    from zerosum.networks import efficientnet_lite0, projected

    if efficientnet_lite0.found() is None:
        return blind
    features = projected.Features(64).to(device)

    def see(pictures: Tensor) -> Tensor:
        return torch.cat([seen.mean((2, 3)) for seen in features(pictures)], 1)

    return see
