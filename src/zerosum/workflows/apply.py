"""Apply a run to files: translate images or sounds, or fill the missing cells of rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.inference.load import load, load_translator, open_model
from zerosum.media.incomplete import FillOptions
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporter import Reporter, SilentReporter, TimedProgress
from zerosum.workflows.bounds import check_seed, check_whole_number
from zerosum.workflows.output_paths import first_free, make_name, optional_part, outputs_folder
from zerosum.workflows.translate import translate
from zerosum.workflows.translate_signals import translate_signals

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Sample
    from zerosum.inference.generator import Generator

DEFAULT_DRAWS, MAX_DRAWS = 32, 1_000
"""Samples from which a missing part is guessed: by default, and at most."""


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
    draws: int | None = None,
    seed: int = 0,
    best: bool = False,
    skip_existing: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> list[Path]:
    """Translate images or sounds with a run of translation, or fill the missing cells of a table with a run of rows.

    A filled table has the rows, columns and keys of the given one, of which all cells that are not missing stay as they
    are, to the last character.

    Args:
        run: the run folder, a model folder or hf:user/name: of a translation such as pix2pix, CycleGAN or ESRGAN, or of
            rows.
        source: an image file or a folder. Images may have any size. Each output is a PNG of the same name, or a
            TIFF or .npy file where PNG does not hold it: see `zerosum.media.image_files`. Of a run of sounds, a sound
            of any length, its log-mel spectrogram as a .npy file where the run takes these, or a folder of them; each
            output is a WAV file. Or a table with the columns of the run's data, some cells of which are missing.
        into: the output folder, or for one image a .png path and for a table the path of a file; by default a folder in
            `outputs/` of the run.
        mask: for inpainting, an image, or a folder of them of equal names, that is white where pixels are to be filled;
            by default the transparent pixels are.
        degrade: the images or sounds are like the targets of the training data: degrade them first.
        reverse: for bidirectional runs: translate from target to input.
        shorter_side: first scale the shorter side to this number of pixels.
        network_interpolation: see `load_translator`.
        draws: the number of samples from which a missing cell is guessed: the mean of a number, and the most frequent
            category; 1 is a random draw. By default 32.
        seed: the seed of these samples.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        skip_existing: skip images whose output exists.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress; by default nothing is reported.

    Returns:
        The paths of the written files.

    Raises:
        BadInput: the run, an argument or all images cannot be used, or a file exists already.

    Example:
        >>> paths = zerosum.apply("runs/pix2pix", "photos/", into="translated/")  # doctest: +SKIP
        >>> paths = zerosum.apply("runs/customers", "holes.csv", into="filled.csv")  # doctest: +SKIP
    """
    reporter = reporter or SilentReporter()
    model = open_model(run, best=best)
    if not model.recipe.is_translation and MEDIA_KINDS.find(model.recipe.data.kind).fills_files:
        options = {
            "mask": mask is not None, "degrade": degrade, "reverse": reverse, "shorter_side": shorter_side is not None,
            "network_interpolation": network_interpolation != 1, "skip_existing": skip_existing,
        }  # fmt: skip
        _refuse_options(options, "is for images, and this run fills missing cells")
        generator = load(run, device, best=best)
        return [_fill(generator, run, Path(source), into, DEFAULT_DRAWS if draws is None else draws, seed, reporter)]
    _refuse_options({"draws": draws is not None, "seed": seed != 0}, "is for missing cells, and this run has none")
    if MEDIA_KINDS.find(model.recipe.data.kind).has_signals:
        _refuse_options({"mask": mask is not None, "shorter_side": shorter_side is not None}, "is for images")
        media, data = MEDIA_KINDS.find(model.recipe.data.kind), model.recipe.data
        files = media.signal_files(data, model.read_codec().codec, degrade)
        translator = load_translator(
            run, device, best=best, reverse=reverse, network_interpolation=network_interpolation
        )
        target = Path(into) if into else None
        return translate_signals(translator, files, run, Path(source), target, skip_existing, reporter)
    return translate(
        model, run, source, into=into, mask=mask, degrade=degrade, reverse=reverse, shorter_side=shorter_side,
        network_interpolation=network_interpolation, best=best, skip_existing=skip_existing, device=device,
        reporter=reporter,
    )  # fmt: skip


def _refuse_options(options: dict[str, bool], reason: str) -> None:
    """Raise if an option is given that the run has no use for.

    Raises:
        BadInput: one is.
    """
    if given := next((name for name, is_given in options.items() if is_given), ""):
        raise BadInput(f"`{given}`: {reason}; leave it out")


def _fill(
    generator: Generator, run: str | Path, source: Path, into: str | Path | None, draws: int, seed: int,
    reporter: Reporter,
) -> Path:  # fmt: skip
    """Fill what is missing in a file, and return the path of the filled one.

    Raises:
        BadInput: the file or an argument cannot be used, or the output exists already.
    """
    check_whole_number("draws", draws, 1, MAX_DRAWS)
    check_seed(seed)
    generator.require_conditions("`run`")
    incomplete = MEDIA_KINDS.find(generator.kind).open_incomplete(generator.codec, source)
    path = _choose_path(generator, run, source, into, draws, seed)
    for note in incomplete.check():
        reporter.message(f"{source}: {note}")
    left: list[str] = []
    options = FillOptions(draws, seed, TimedProgress(reporter, "filling missing cells"))

    def write(temporary: Path) -> None:
        left.extend(incomplete.write(temporary, partial(_generate, generator), options))

    write_atomically(path, write)
    for note in left:
        reporter.message(f"{source}: {note}")
    return path


def _generate(generator: Generator, condition: Sample, seeds: Tensor) -> Sample:
    """Return the samples (N, ...) of seeds (N,) of which a part is given."""
    return generator.generate(generator.latent.sample(seeds), None, seeds, condition=condition, batch_size=len(seeds))


def _choose_path(
    generator: Generator, run: str | Path, source: Path, into: str | Path | None, draws: int, seed: int
) -> Path:
    """Return the path of the filled file.

    Raises:
        BadInput: it exists already, or `into` names a file of another format.
    """
    if into is None:
        options = (optional_part("draws", draws, DEFAULT_DRAWS), optional_part("seed", seed, 0))
        name = make_name(generator.checkpoint, "filled", source.name.partition(".")[0], *options)
        default = outputs_folder(run) / name
        return first_free(default, lambda candidate: [candidate]) / source.name
    wanted = Path(into)
    suffix = "".join(source.suffixes[-2:]) if source.suffix == ".gz" else source.suffix
    is_file = bool(wanted.suffix) and not wanted.is_dir()
    if is_file and not wanted.name.lower().endswith(suffix.lower()):
        raise BadInput(f"`into` {into}: is written as {source.name} is; name a {suffix} file or a folder")
    path = wanted if is_file else wanted / source.name
    if path.exists():
        raise BadInput(f"`into` {into}: {path} exists; choose another name, since nothing is overwritten")
    return path
