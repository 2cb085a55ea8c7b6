"""Translate image files with a trained translator: one image, a folder of images, or the frames of a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.images.files import COMMON_SUFFIXES, is_array_file, is_image_file, load_image
from zerosum.data.images.folder_walk import image_paths, list_folder, walk_images
from zerosum.data.images.page_files import Page, PageReader, bytes_to_tensor
from zerosum.data.images.pixels import parse_pixel_type
from zerosum.data.kind import DATA_KINDS
from zerosum.data.text import pluralize
from zerosum.errors import BadInput
from zerosum.files import remove_temporary_files
from zerosum.inference.load import load_translator, located_recipe
from zerosum.inference.translated_files import OutputAlpha, OutputWriter, TranslatedPage, require_equal_sizes
from zerosum.run_folder import RunFolder
from zerosum.workflows.bounds import check_whole_number
from zerosum.workflows.output_paths import make_name, outputs_folder

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from zerosum.data.config import DataConfig
    from zerosum.inference.saved_model import SavedModel
    from zerosum.inference.translator import Translator
    from zerosum.reporter import Reporter

MAX_SHORTER_SIDE = 16_384
"""Largest side in pixels that images are resized to."""
MAX_BATCH_PIXELS = 256 * 256 * 16
"""Maximum number of input pixels of a batch."""


def translate(
    model: SavedModel,
    run: str | Path,
    source: str | Path,
    *,
    into: str | Path | None,
    mask: str | Path | None,
    degrade: bool,
    reverse: bool,
    shorter_side: int | None,
    network_interpolation: float,
    best: bool,
    skip_existing: bool,
    device: str,
    reporter: Reporter,
) -> list[Path]:
    """Translate an image, or every image of a folder, with a run of translation, and return the paths of the outputs.

    See `zerosum.apply`, which has the same arguments.

    Raises:
        BadInput: the run, an argument or all images cannot be used, or a file exists already.
    """
    if shorter_side is not None:
        check_whole_number("shorter_side", shorter_side, 8, MAX_SHORTER_SIDE)
    translator = load_translator(run, device, best=best, reverse=reverse, network_interpolation=network_interpolation)
    recipe = model.recipe
    masks = _open_masks(recipe.data.fills_holes, mask, Path(source), degrade)
    data = recipe.data.reversed() if reverse else recipe.data
    writer, reader = OutputWriter.of_data(data, translator.target_shape), _page_reader(data, translator)
    input_loader = _InputLoader(recipe.data, translator, degrade, shorter_side, masks, reader, writer.alpha)
    data = located_recipe(RunFolder(model.path), recipe).data
    jobs = _plan_jobs(
        Path(source),
        _list_inputs(Path(source), data.reversed() if reverse else data, reporter),
        Path(into) if into else outputs_folder(run) / _output_stem(source, translator, reverse),
        skip_existing,
        writer,
    )
    skipped: list[str] = []
    for batch in _iter_batches(input_loader, jobs, skipped):
        import torch

        outputs = translator(torch.cat([page.inputs for page in batch]))
        for page, output in zip(batch, outputs, strict=True):
            writer.add(page, output)
        reporter.progress(len(writer.written) + len(skipped), len(jobs), "translating images")
    written = writer.written
    for problem in skipped:
        reporter.message(f"skipped: {problem}")
    for what, count in input_loader.dropped.items():
        reporter.message(f"not used: {what}, of {pluralize(count, 'image')}")
    if input_loader.clipped:
        images = pluralize(len(input_loader.clipped), "image")
        reporter.message(f"clipped to the range of the training data: {sum(input_loader.clipped):,} values of {images}")
    if skipped and not written:
        raise BadInput(f"none of the {len(skipped)} images of {source} can be used: {skipped[0]}; replace the files")
    return written


def _page_reader(data: DataConfig, translator: Translator) -> PageReader:
    """Return the reader of a translator's inputs; `data` are the settings in the direction of the translation."""
    dtype = parse_pixel_type(data.dtype_of_inputs)
    return PageReader(translator.input_shape[0], data.range_of_inputs, dtype, data.pages_are_bands)


def _output_stem(source: str | Path, translator: Translator, reverse: bool) -> str:
    return make_name(translator.checkpoint, "reverse" if reverse else "", Path(source).resolve().stem)


def _open_masks(fills_holes: bool, mask: str | Path | None, source: Path, degrade: bool) -> _MaskSource | None:
    """Return the masks of an inpainting run; None if no mask is given. Raise BadInput if a mask cannot be used."""
    if mask is None:
        return None
    if not fills_holes:
        raise BadInput(f"`mask` {mask}: this run was not trained for inpainting with masks; leave it out")
    if degrade:
        raise BadInput(f"`mask` {mask}: `degrade` draws random masks itself; give one of the two")
    if not Path(mask).exists():
        raise BadInput(f"`mask` {mask}: there is no such file or folder; name an image, or a folder of images")
    return _MaskSource(Path(mask), source)


Job = tuple[Path, Path]
"""The paths of an input image and of its output."""


def _list_inputs(source: Path, data: DataConfig, reporter: Reporter) -> list[Path]:
    """Return the images of a folder, or, if the run was trained on a part of the folder, those for a test.

    Args:
        source: a folder, or anything else, which has no images in it.
        data: the settings of the run's data, with the sources of the run.
        reporter: receives the notes about what is used.
    """
    if not source.is_dir():
        return []
    listing, folder = list_folder(source), source.resolve()
    for note in listing.notes:
        reporter.message(f"{source}: {note}")
    paths = image_paths(source, listing)
    if not any(folder.is_relative_to(Path(trained).resolve()) for trained in data.sources.values()):
        return paths
    names = [path.relative_to(source).as_posix() for path in paths]
    indices, notes = DATA_KINDS.find(data.kind).select_test_inputs(data, names)
    for note in notes:
        reporter.message(f"{source}: {note}")
    return [paths[index] for index in indices]


def _plan_jobs(source: Path, paths: Sequence[Path], into: Path, skip_existing: bool, writer: OutputWriter) -> list[Job]:
    """Return the images to translate, and the path of each output.

    Args:
        source: an image, or a folder.
        paths: the images of the folder.
        into: the output folder, or for one image the path of a file.
        writer: says which suffix the file of an output has.
        skip_existing: whether images whose output exists are left out.

    Raises:
        BadInput: there are no images, an output exists, or `into` does not fit the source.
    """
    suffix = writer.suffix(source) if source.is_file() else writer.default_suffix
    is_file = is_image_file(into.name) or is_array_file(into.name)
    if is_file and into.suffix.lower() != suffix:
        formats = "PNG" if suffix == ".png" else suffix
        raise BadInput(f"`into` {into}: images are written as {formats}; name a {suffix} file or a folder")
    if source.is_file():
        jobs = [(source, into if is_file else into / f"{source.stem}{suffix}")]
    elif source.is_dir():
        if is_file:
            raise BadInput(f"`into` {into}: {source} is a folder, so name a folder")
        if into.resolve().is_relative_to(source.resolve()):
            raise BadInput(f"`into` {into}: lies in {source}, from which images are read; name a folder elsewhere")
        if not paths:
            raise BadInput(f"{source} holds no images ({COMMON_SUFFIXES}); name a folder that does")
        jobs = [(path, into / name) for path, name in zip(paths, _output_names(paths, source, writer), strict=True)]
    else:
        raise BadInput(f"{source}: there is no such file or folder; name an image or a folder of images")
    existing = {output for _, output in jobs if output.exists()}
    if existing and not skip_existing:
        raise BadInput(f"`into` {into}: {min(existing).name} exists; name another folder, or set `skip_existing`")
    if not existing and into.is_file():
        raise BadInput(f"`into` {into}: is a file; name a folder, or a new {suffix} file")
    for folder in {output.parent for _, output in jobs}:
        remove_temporary_files(folder)
    return [job for job in jobs if job[1] not in existing]


def _output_names(paths: Sequence[Path], folder: Path, writer: OutputWriter) -> list[Path]:
    """Return the relative path of each output: that of the input with the suffix of the output, mostly .png.

    If cat.jpg and cat.png are in one folder, their outputs are cat.jpg.png and cat.png.png.

    Raises:
        BadInput: two images have the same output.
    """
    relative = [path.relative_to(folder) for path in paths]
    count = Counter(path.with_suffix("") for path in relative)
    suffixes = [writer.suffix(path) for path in paths]
    names = [
        path.with_suffix(suffix) if count[path.with_suffix("")] == 1 else path.with_name(f"{path.name}{suffix}")
        for path, suffix in zip(relative, suffixes, strict=True)
    ]
    duplicate = next((name for name, times in Counter(names).items() if times > 1), None)
    if duplicate is not None:
        raise BadInput(f"{folder}: two images have the same output {duplicate}; rename one of them")
    return names


@dataclass(frozen=True)
class _InputLoader:
    """Loads image files as inputs of a translator."""

    data: DataConfig
    """The settings of the training data: how the inputs were made from the targets."""
    translator: Translator
    degrade: bool
    """Whether the images are targets, which are degraded first."""
    shorter_side: int | None
    masks: _MaskSource | None
    reader: PageReader
    output_alpha: OutputAlpha
    """What becomes of the alpha of an image that the translator does not use."""
    clipped: list[int] = field(default_factory=list)
    """The number of values outside the range, of each loaded page that has such values."""
    dropped: Counter[str] = field(default_factory=Counter)
    """What of images is not used, with the number of those images."""

    def load(self, path: Path, into: Path) -> list[TranslatedPage]:
        """Load the translator's inputs of the pages of an image file, whose translations are written into a file.

        Raises:
            BadInput: the file cannot be read, or lacks its mask.
        """
        file = self.reader.load(path)
        require_equal_sizes(path, into, [page.image.size for page in file.pages])
        is_used = self.data.fills_holes or self.output_alpha is OutputAlpha.MADE
        alphas = [None if is_used else page.transparency for page in file.pages]
        is_carried = self.output_alpha is OutputAlpha.CARRIED
        pages = [
            TranslatedPage(into, index, len(alphas), self._load_page(path, page), alpha if is_carried else None)
            for index, (page, alpha) in enumerate(zip(file.pages, alphas, strict=True))
        ]
        self.dropped.update(file.dropped)
        if any(alphas) and not is_carried:
            self.dropped["alpha, which files of outputs like these do not hold"] += 1
        return pages

    def _load_page(self, path: Path, page: Page) -> Tensor:
        """Load the translator's input of a page: (1, Ci, h, w) in [-1, 1]."""
        import torch

        needs_mask = not self.degrade and self.data.fills_holes
        channels = self.translator.target_shape[0] if self.degrade else self.translator.input_shape[0] - needs_mask
        reader = replace(self.reader, channels=channels)
        try:
            pixels, clipped = reader.to_tensor(page, self._input_size(page.image.size))
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
        self.clipped.extend([clipped] if clipped else [])
        if self.degrade:
            return self._degrade(pixels)
        if not needs_mask:
            return pixels
        mask = self._load_mask(path, page)
        return torch.cat([torch.where(mask > 0, torch.zeros(()), pixels), mask], 1)

    def _input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) in pixels that an image of a size is scaled to."""
        if self.shorter_side is None:
            return size
        factor = self.shorter_side / min(size)
        width, height = (max(1, round(length * factor)) for length in size)
        return width, height

    def _degrade(self, image: Tensor) -> Tensor:
        """Degrade an image (1, C, H, W) as held-out images are: with a seed that follows from its pixels."""
        import torch

        from zerosum.data.degradations.degrade import DegradationPipeline, input_seeds
        from zerosum.data.images.pixels import unit_to_bytes

        degrade = DegradationPipeline(self.data.degradations)
        factor = degrade.downsampling_factor
        height, width = (length // factor * factor for length in image.shape[2:])
        cropped = image[:, :, :height, :width]
        return degrade(cropped, torch.from_numpy(input_seeds(unit_to_bytes(cropped))))

    def _load_mask(self, path: Path, page: Page) -> Tensor:
        """Load the mask of a page: (1, 1, h, w), 1 where pixels are to be filled and -1 elsewhere."""
        width, height = page.image.size
        if self.masks is None:
            if not page.has_alpha:
                raise BadInput(
                    f"{path}: there is no mask; add `mask`, an image that is white where pixels are to be filled, or "
                    "make these pixels of the image transparent"
                )
            return self._mask_to_tensor(page.read_alpha().point(lambda level: 255 if level < 128 else 0))
        file = self.masks.find(path)
        mask = load_image(file).convert("L").point(lambda level: 255 if level >= 128 else 0)
        if mask.size != (width, height):
            raise BadInput(
                f"{file}: size mismatch: the mask has {mask.width} x {mask.height} pixels and {path.name} has "
                f"{width} x {height}; make the sizes equal"
            )
        return self._mask_to_tensor(mask)

    def _mask_to_tensor(self, mask: Image) -> Tensor:
        """Scale a mask of 0 and 255 to (1, 1, h, w): 1 for every pixel that the mask touches, -1 elsewhere."""
        import PIL.Image

        resampling = PIL.Image.Resampling.BOX
        return (bytes_to_tensor(mask, 1, self._input_size(mask.size), resampling) > -1).float() * 2 - 1


@dataclass(frozen=True)
class _MaskSource:
    """One mask for all images, or a folder of masks with the names of their images."""

    path: Path
    source: Path

    @cached_property
    def _paths_by_name(self) -> dict[Path, list[Path]]:
        """The masks by their path relative to the folder, and by their file name, both without suffix."""
        masks: dict[Path, list[Path]] = {}
        for path in walk_images(self.path):
            relative = path.relative_to(self.path).with_suffix("")
            for name in {relative, Path(relative.name)}:
                masks.setdefault(name, []).append(path)
        return masks

    def find(self, image_path: Path) -> Path:
        """Return the path of the mask of an image.

        Raises:
            BadInput: there is no mask of this name, or more than one.
        """
        if self.path.is_file():
            return self.path
        relative = image_path.relative_to(self.source) if self.source.is_dir() else Path(image_path.name)
        for name in (relative.with_suffix(""), Path(relative.stem)):
            if len(self._paths_by_name.get(name, ())) == 1:
                return self._paths_by_name[name][0]
        problem = "more than one mask" if self._paths_by_name.get(Path(relative.stem)) else "no mask"
        raise BadInput(f"{self.path}: there is {problem} named {relative.stem}; give masks the names of their images")


def _iter_batches(
    input_loader: _InputLoader, jobs: Sequence[Job], skipped: list[str]
) -> Iterator[list[TranslatedPage]]:
    """Yield batches of consecutive inputs of equal size.

    Images that cannot be used are passed over, with the reason appended to `skipped`. If there is only one, BadInput is
    raised instead.
    """
    batch: list[TranslatedPage] = []
    for path, into in jobs:
        try:
            pages = input_loader.load(path, into)
        except BadInput as error:
            if len(jobs) == 1:
                raise
            skipped.append(str(error))
            continue
        for page in pages:
            pixels, shape = page.inputs.shape[2] * page.inputs.shape[3], page.inputs.shape
            if batch and (batch[0].inputs.shape != shape or (len(batch) + 1) * pixels > MAX_BATCH_PIXELS):
                yield batch
                batch = []
            batch.append(page)
    if batch:
        yield batch
