"""Using a translator on people's own files: a picture, a folder of them, the frames of a film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.images.folder_layout import is_image_file
from zerosum.errors import BadInput
from zerosum.inference.load import load_translator, read_recipe
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling
    from torch import Tensor

    from zerosum.inference.translator import Translator
    from zerosum.recipes.recipe import Recipe

MASKS_DEGRADATION = "masks"
MAX_BATCH_PIXELS = 256 * 256 * 16
"""Pixels that go through at once."""


def apply(
    run: str | Path,
    source: str | Path,
    *,
    into: str | Path | None = None,
    mask: str | Path | None = None,
    degrade: bool = False,
    reverse: bool = False,
    shorter_side: int | None = None,
    network_interpolation: float = 1.0,
    best: bool = False,
    skip_existing: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> list[Path]:
    """Turn a picture, or every picture of a folder (the frames of a film), into what a run has learned to make of it.

    Args:
        run: the run's folder.
        source: a file or a folder; pictures of any size. Each keeps its name, and becomes a PNG.
        into: where to; by default `made/` in the run. A single picture may be given a file's name.
        mask: for inpainting: white where the picture is to be filled; of a folder, a folder of masks of equal names.
            Left out: where a picture is transparent.
        degrade: the pictures are of the wanted kind: first make of them what the run was given in training.
        reverse: the other way, of a run that learned both.
        shorter_side: bring the shorter side to so many pixels first.
        network_interpolation: of recipes that begin without a game: 1 as trained, 0 faithful but soft, or between.
        best: the networks judged best during training instead of the newest.
        skip_existing: leave alone what is there already in `into`, and make the rest.
        device: where to compute.
        reporter: who tells how it goes; by default nobody.

    Returns:
        The files made.

    Raises:
        BadInput: something cannot be used; nothing has been overwritten.
    """
    reporter = reporter or SilentReporter()
    recipe = read_recipe(RunFolder.open(Path(run)))
    translator = load_translator(run, device, best=best, reverse=reverse, network_interpolation=network_interpolation)
    asked = _InputLoader(recipe, translator, degrade, shorter_side, _open_masks(recipe, mask, Path(source), degrade))
    jobs = _plan_jobs(
        Path(source),
        Path(into) if into else Path(run) / "outputs" / _output_stem(source, translator, reverse),
        skip_existing,
    )
    made: list[Path] = []
    skipped: list[str] = []
    from zerosum.media import images

    for group in _iter_batches(asked, jobs, skipped):
        import torch

        turned = images.to_uint8(translator(torch.cat([given for _, given in group])))
        for (path, _), image in zip(group, turned, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            images.save_image(images.make_grid(image[None], columns=1, scale=1, gap=0), path)
            made.append(path)
        reporter.progress(len(made) + len(skipped), len(jobs), "turning pictures into others")
    for conditioning in skipped:
        reporter.message(f"left out: {conditioning}")
    if skipped and not made:
        raise BadInput(
            f"none of the {len(skipped)} pictures of {source} could be used: {skipped[0]}; replace the files"
        )
    return made


def _output_stem(source: str | Path, translator: Translator, reverse: bool) -> str:
    return f"{translator.checkpoint}-{'back-' if reverse else ''}{Path(source).resolve().stem}"


def _open_masks(recipe: Recipe, mask: str | Path | None, source: Path, degrade: bool) -> _MaskSource | None:
    if mask is None:
        return None
    if MASKS_DEGRADATION not in recipe.data.degrade:
        raise BadInput(f"--mask {mask}: this run fills no holes (it was not trained with masks); leave it out")
    if degrade:
        raise BadInput(f"--mask {mask}: with --degrade holes are drawn by chance; give one of the two")
    if not Path(mask).exists():
        raise BadInput(f"--mask {mask}: there is no such file or folder")
    return _MaskSource(Path(mask), source)


# ---------------------------------------------------------------------- what is to be made


Job = tuple[Path, Path]
"""A picture's file, and that of what is made of it."""


def _plan_jobs(source: Path, into: Path, skip_existing: bool) -> list[Job]:
    """What is to be made of what.

    Raises:
        BadInput: there are no pictures, or something would be overwritten.
    """
    from zerosum.data.images.summary import natural_sort_key

    if is_image_file(into.name) and into.suffix.lower() != ".png":
        raise BadInput(f"--into {into}: pictures are written as PNG; name a .png file or a folder")
    if source.is_file():
        single = into if into.suffix.lower() == ".png" else into / f"{source.stem}.png"
        jobs = [(source, single)]
    elif source.is_dir():
        if into.suffix.lower() == ".png":
            raise BadInput(f"--into {into}: {source} is a folder, so name a folder")
        if into.resolve().is_relative_to(source.resolve()):
            raise BadInput(f"--into {into}: lies within {source}, whose pictures are read; name a folder elsewhere")
        found = sorted(
            (p for p in source.rglob("*") if p.is_file() and is_image_file(p.name)),
            key=lambda p: natural_sort_key(str(p)),
        )
        if not found:
            raise BadInput(f"{source} holds no pictures (.png, .jpg, .webp, .bmp, .tif); name a folder that does")
        jobs = [(path, into / name) for path, name in zip(found, _output_names(found, source), strict=True)]
    else:
        raise BadInput(f"{source}: there is no such file or folder; name a picture or a folder of pictures")
    there = [made for _, made in jobs if made.exists()]
    if there and not skip_existing:
        raise BadInput(
            f"--into {into}: {there[0].name} is there; name another folder, or add --skip-existing to make the rest"
        )
    if not there and into.is_file():
        raise BadInput(f"--into {into}: is a file; name a folder, or a new .png file")
    return [job for job in jobs if job[1] not in there]


def _output_names(paths: Sequence[Path], folder: Path) -> list[Path]:
    """What pictures become, within the folder: their own names as PNG; cat.jpg beside cat.png becomes cat.jpg.png.

    Raises:
        BadInput: two would become one.
    """
    within = [path.relative_to(folder) for path in paths]
    count = Counter(path.with_suffix("") for path in within)
    names = [p.with_suffix(".png") if count[p.with_suffix("")] == 1 else p.with_name(f"{p.name}.png") for p in within]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise BadInput(f"{folder}: two pictures would both become {twice}; rename one of them")
    return names


@dataclass(frozen=True)
class _InputLoader:
    """What is asked of each picture."""

    recipe: Recipe
    translator: Translator
    degrade: bool
    shorter_side: int | None
    masks: _MaskSource | None

    def load(self, path: Path) -> Tensor:
        """(1, Ci, h, w): what the translator is given of a file.

        Raises:
            BadInput: the file cannot be read, or lacks its mask.
        """
        image = _open_image(path)
        channels = self.translator.input_shape[0]
        if self.degrade:
            picture = _image_to_tensor(image, self.translator.target_shape[0], self._input_size(image))
            return self._degrade(picture)
        if MASKS_DEGRADATION not in self.recipe.data.degrade:
            return _image_to_tensor(image, channels, self._input_size(image))
        import torch

        hole = self._load_mask(path, image)
        picture = _image_to_tensor(image, channels - 1, self._input_size(image))
        return torch.cat([torch.where(hole > 0, torch.zeros(()), picture), hole], 1)

    def _input_size(self, image: Image) -> tuple[int, int]:
        """(width, height) that a picture is brought to."""
        if self.shorter_side is None:
            return image.size
        share = self.shorter_side / min(image.size)
        width, height = (max(1, round(length * share)) for length in image.size)
        return width, height

    def _degrade(self, image: Tensor) -> Tensor:
        import torch

        from zerosum.data.dataset import images_to_uint8
        from zerosum.data.degradations.degrade import DegradationPipeline
        from zerosum.data.pairs.datasets import input_seeds

        degrade = DegradationPipeline(self.recipe.data.degrade)
        factor = degrade.downsampling_factor
        height, width = (length // factor * factor for length in image.shape[2:])
        whole = image[:, :, :height, :width]
        seed = input_seeds(
            images_to_uint8(whole)
        )  # as held-out pictures are degraded: each by itself, and always alike
        return degrade(whole, torch.from_numpy(seed))

    def _load_mask(self, path: Path, image: Image) -> Tensor:
        """(1, 1, h, w): 1 where the picture is to be filled, -1 elsewhere."""
        if self.masks is None:
            if "A" not in image.mode:
                raise BadInput(
                    f"{path}: where shall it be filled? Add --mask with a picture that is white there, or make it "
                    "transparent there"
                )
            return self._mask_to_tensor(image.getchannel("A").point(lambda level: 255 if level < 128 else 0), image)
        file = self.masks.find(path)
        mask = _open_image(file).convert("L").point(lambda level: 255 if level >= 128 else 0)
        if mask.size != image.size:
            raise BadInput(
                f"{file}: the mask has {mask.width} x {mask.height} pixels and {path.name} {image.width} x "
                f"{image.height}; give both the same"
            )
        return self._mask_to_tensor(mask, image)

    def _mask_to_tensor(self, mask: Image, image: Image) -> Tensor:
        """(1, 1, h, w): every pixel that the mask, 0 or 255, touches once brought to size."""
        from PIL import Image as images

        return (_image_to_tensor(mask, 1, self._input_size(image), images.Resampling.BOX) > -1).float() * 2 - 1


@dataclass(frozen=True)
class _MaskSource:
    """One mask for all pictures, or a folder of masks that are named like their pictures."""

    path: Path
    source: Path

    @cached_property
    def _paths_by_name(self) -> dict[Path, list[Path]]:
        """The masks by their place in the folder, and by their bare names, both without suffix."""
        found: dict[Path, list[Path]] = {}
        for path in sorted(p for p in self.path.rglob("*") if is_image_file(p.name)):
            name = path.relative_to(self.path).with_suffix("")
            for key in {name, Path(name.name)}:
                found.setdefault(key, []).append(path)
        return found

    def find(self, image_path: Path) -> Path:
        """The mask of a picture.

        Raises:
            BadInput: there is none, or several may be meant.
        """
        if self.path.is_file():
            return self.path
        within = image_path.relative_to(self.source) if self.source.is_dir() else Path(image_path.name)
        for name in (within.with_suffix(""), Path(within.stem)):
            if len(self._paths_by_name.get(name, ())) == 1:
                return self._paths_by_name[name][0]
        several = "more than one mask" if self._paths_by_name.get(Path(within.stem)) else "no mask"
        raise BadInput(f"{self.path}: there is {several} named {within.stem}; masks have the names of their pictures")


def _iter_batches(
    input_loader: _InputLoader, jobs: Sequence[Job], skipped: list[str]
) -> Iterator[list[tuple[Path, Tensor]]]:
    """Neighbours of one size together; what cannot be used is told in `skipped`, unless it was asked for by name."""
    group: list[tuple[Path, Tensor]] = []
    for path, into in jobs:
        try:
            given = input_loader.load(path)
        except BadInput as error:
            if len(jobs) == 1:
                raise
            skipped.append(str(error))
            continue
        pixels = given.shape[2] * given.shape[3]
        if group and (group[0][1].shape != given.shape or (len(group) + 1) * pixels > MAX_BATCH_PIXELS):
            yield group
            group = []
        group.append((into, given))
    if group:
        yield group


# ---------------------------------------------------------------------- files


def _open_image(path: Path) -> Image:
    """A picture, upright, of 8 bits.

    Raises:
        BadInput: it cannot be read.
    """
    from PIL import Image as images

    from zerosum.data.images.decode import apply_exif_orientation, error_reason, to_8bit

    try:
        with images.open(path) as image:
            image.load()
            return to_8bit(apply_exif_orientation(image))
    except Exception as error:  # Pillow's decoders raise anything
        raise BadInput(f"{path}: cannot be read as a picture ({error_reason(error)}); replace the file") from error


def _image_to_tensor(
    image: Image, channels: int, size: tuple[int, int], resampling: Resampling | None = None
) -> Tensor:
    """(1, C, h, w) float32 in [-1, 1], brought to size by Lanczos' filter, or this `resampling`."""
    import torch
    from PIL import Image as images

    from zerosum.data.images.decode import convert_channels

    plain = convert_channels(image, channels)
    if plain.size != size:
        plain = plain.resize(size, resampling or images.Resampling.LANCZOS)
    array = np.array(plain, np.float32)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(array).permute(2, 0, 1)[None] / 127.5 - 1
