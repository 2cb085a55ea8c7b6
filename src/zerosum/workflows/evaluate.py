"""The verb that judges: `evaluate` a run, or a folder of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerosum.errors import BadInput
from zerosum.inference.load import data_paths, load, load_translator, read_recipe, with_data_paths
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    import torch

    from zerosum.data.dataset import Dataset
    from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
    from zerosum.recipes.recipe import Recipe


def evaluate(
    run: str | Path,
    *,
    data: str | Path = "",
    features: str = "",
    num_samples: int | None = None,
    seed: int = 0,
    truncation: float = math.inf,
    reference_split: str = "held-out",
    copy_candidates: int = 0,
    neighbors: int = 5,
    best: bool = False,
    raw_weights: bool = False,
    paired: bool = False,
    reverse: bool = False,
    network_interpolation: float = 1.0,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Row:
    """Judge a run's samples against its data; every score beside its floor, with what it memorised and leaves out.

    Args:
        run: the run's folder; scores go to its scores.jsonl, pictures to its `scores/`, both to its report.
        data: real images from elsewhere, such as a test set; by default the run's own.
        features: lite0, inception, pixels, labels, or a module of yours; by default lite0.
        num_samples: samples; by default 10,000, or as many as there are training images.
        seed: which samples.
        truncation: of the latents.
        reference_split: the part of the run's data: held-out or train.
        copy_candidates: training images among which copies are looked for; 0: 20,000.
        neighbors: of precision, recall, density and coverage.
        best: the networks judged best during training instead of the newest.
        raw_weights: the weights that training changes, instead of their average.
        paired: of a run that was trained without pairs: in `data`, pictures of equal names are pairs.
        reverse: of a run that learned both ways: the other one.
        network_interpolation: as in `apply`.
        device: where to compute.
        reporter: who tells how it goes; by default nobody.

    Returns:
        The new line of scores.jsonl.

    Raises:
        BadInput: something cannot be judged; nothing has been overwritten.
    """
    from zerosum.evaluation import request
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, process_group

    reporter = reporter or SilentReporter()
    request.check_options(reference_split, num_samples, neighbors, copy_candidates)
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    asked = request.EvaluationOptions(
        features,
        num_samples,
        seed,
        truncation,
        reference_split,
        copy_candidates or request.DEFAULT_COPY_CANDIDATES,
        neighbors,
        "raw" if raw_weights else "ema",
    )
    if recipe.is_translation:
        return _evaluate_translation(
            folder,
            recipe,
            asked,
            TranslationOptions(str(data), paired, reverse, network_interpolation),
            best,
            device,
            reporter,
        )
    if paired or reverse:
        raise BadInput(f"--paired and --reverse are for runs that turn pictures into others; {run} makes them of noise")
    generator = load(run, device, best=best, raw_weights=raw_weights)
    generator.draw_latents(1, seed, truncation)  # says what is wrong with a truncation, before anything is read
    images = int(folder.best_scores()["examples"]) if best else int(generator.checkpoint)
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        examples = load_run_dataset(folder, recipe, reporter)
        elsewhere = _load_dataset_like(str(data), recipe.data.size or 0, examples, reporter) if data else None
        about = request.build_run_task(generator, examples, elsewhere, asked)
        asked, about = _choose_unbiased_features(asked, about, recipe.pretrained_features, examples)
        row = _evaluate_and_record(about, asked, examples, choose_device(device), reporter, folder, rank == 0,
                        {"examples": images, "checkpoint": generator.checkpoint})  # fmt: skip
        if rank == 0:
            write_report(folder.path)
    return row


class TranslationOptions(NamedTuple):
    """Which pictures a translator is asked about."""

    data: str
    paired: bool
    reverse: bool
    network_interpolation: float


def _evaluate_translation(
    folder: RunFolder,
    recipe: Recipe,
    options: EvaluationOptions,
    translation_options: TranslationOptions,
    best: bool,
    device: str,
    reporter: Reporter,
) -> Row:
    """Judge a run that turns pictures into others."""
    from zerosum.evaluation import request
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, process_group
    from zerosum.workflows import evaluate_pairs

    if translation_options.paired and not translation_options.data:
        raise BadInput("--paired: says that pictures of equal names in other data are pairs; add --data FOLDER")
    if options.reference_split != "held-out":
        raise BadInput(
            f"--split {options.reference_split}: a translation is held against held-out pictures; leave it out"
        )
    live = options.sample_source == "raw"
    translator = load_translator(
        folder.path,
        device,
        best=best,
        raw_weights=live,
        reverse=translation_options.reverse,
        network_interpolation=translation_options.network_interpolation,
    )
    images = int(folder.best_scores()["examples"]) if best else int(translator.checkpoint)
    known: Row = {
        "examples": images,
        "checkpoint": translator.checkpoint,
        "direction": "reverse" if translation_options.reverse else "forward",
    }
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        own, asking = evaluate_pairs.load_translation_data(
            folder, recipe, translation_options.data, translation_options.paired, translation_options.reverse, reporter
        )
        asking = asking.head(options.num_samples or len(asking.indices))
        about = evaluate_pairs.build_translation_task(translator, own, asking, recipe.pretrained_features)
        options, about = _choose_unbiased_features(options, about, recipe.pretrained_features, own)
        request.require_enough_examples(about, options.neighbors)  # before pairs are compared for nothing
        if asking.dataset.has_targets:
            known["paired_metrics"] = evaluate_pairs.compute_paired_scores(translator, asking, reporter)

        def draw(place: Path) -> list[Path]:
            return [evaluate_pairs.save_example_grid(translator, asking, place / "examples.png")]

        row = _evaluate_and_record(about, options, own, choose_device(device), reporter, folder, rank == 0, known, draw)
        if rank == 0:
            write_report(folder.path)
    return row


def evaluate_folders(
    fake: str | Path,
    real: str | Path,
    *,
    train: str | Path = "",
    size: int | None = None,
    channels: int | None = None,
    features: str = "",
    num_samples: int | None = None,
    copy_candidates: int = 0,
    neighbors: int = 5,
    into: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Row:
    """Judge images of any origin, in a folder, against real ones in another.

    Args:
        fake: the images to be judged.
        real: real images that they are held against.
        train: what the model was trained on, so that memorization is judged; the floor is then of these against `real`,
            else of one half of `real` against the other, and the samples are held against that other half.
        size: pixels a side that all are brought to; by default those of `fake`.
        channels: 1 to 4; by default those of `fake`.
        features: as in `evaluate`.
        num_samples: of `fake`, how many; by default all.
        copy_candidates: training images among which copies are looked for; 0: 20,000.
        neighbors: of precision, recall, density and coverage.
        into: where scores and pictures go; by default `judged/` and the name of `fake`.
        device: where to compute.
        reporter: who tells how it goes; by default nobody.

    Raises:
        BadInput: something cannot be judged; nothing has been overwritten.
    """
    from zerosum.data.images.inspect import inspect_source
    from zerosum.evaluation import request
    from zerosum.training.accelerator import choose_device, process_group

    reporter = reporter or SilentReporter()
    request.check_options("held-out", num_samples, neighbors, copy_candidates)
    named = {"--fake": fake, "--real": real, "--train": train}
    seen = inspect_source(str(fake))
    if seen.kind == "points":
        raise BadInput(f"--fake {fake}: give a folder, .zip, .npz or .npy of images")
    side = size or _require_common_size(seen.common_size, fake)
    channels = channels or _require_common_channels([(name, str(each)) for name, each in named.items() if each])
    asked = request.EvaluationOptions(
        features,
        num_samples,
        0,
        math.inf,
        "all",
        copy_candidates or request.DEFAULT_COPY_CANDIDATES,
        neighbors,
        "files",
    )
    folder = _choose_output_folder(Path(fake), into)
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        fakes, reals = (_load_images(str(each), side, channels, reporter) for each in (fake, real))
        known = _load_images(str(train), side, channels, reporter, held_out_fraction=0.1) if train else None
        about, taught = request.build_folders_task(fakes, reals, known, asked)
        paths = {"fake": str(Path(fake).resolve()), "real": str(Path(real).resolve())}
        folder.path.mkdir(parents=True, exist_ok=True)
        return _evaluate_and_record(about, asked, taught, choose_device(device), reporter, folder, rank == 0,
                         {"examples": 0, "checkpoint": "files", **paths})  # fmt: skip


def _choose_output_folder(fake: Path, into: str | Path | None) -> RunFolder:
    """Where the scores of a folder of images go.

    Raises:
        BadInput: something else's scores are there.
    """
    name = fake.resolve().stem if fake.is_file() else fake.resolve().name
    folder = RunFolder(Path(into) if into else Path("evaluations") / name)
    others = {row.get("fake") for row in folder.rows("scores.jsonl")} - {str(fake.resolve())}
    if others or (folder.path / "recipe.toml").exists():
        what = f"scores of {sorted(map(str, others))[0]}" if others else "a run"
        raise BadInput(f"--into {folder.path}: holds {what}; name another folder with --into, so that none are mixed")
    return folder


def _require_common_size(common_size: tuple[int, int] | None, fake: str | Path) -> int:
    if common_size is None or common_size[0] != common_size[1]:
        raise BadInput(f"--fake {fake}: its images are not squares of one size; say with --size what to bring them to")
    return common_size[0]


def _require_common_channels(sources: Sequence[tuple[str, str]]) -> int:
    from zerosum.data.images.inspect import inspect_source
    from zerosum.data.images.summary import CHANNEL_NAMES

    found = {f"{name} {source}": inspect_source(source).recommended_channels() for name, source in sources}
    if len(set(found.values())) > 1:
        conditioning = ", ".join(
            f"{place} holds images in {CHANNEL_NAMES[channels]}" for place, channels in found.items()
        )
        raise BadInput(f"{conditioning}; say with --channels 1 or --channels 3 how to compare them")
    return next(iter(found.values()))


def _load_images(source: str, size: int, channels: int, reporter: Reporter, held_out_fraction: float = 0.0) -> Dataset:
    """All images of a folder; how other shapes become squares: the middle, as training does."""
    from zerosum.data.images.load import load_source

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, f"reading {source}")

    dataset = load_source(
        source, size, channels, "crop", held_out_fraction=held_out_fraction, progress=progress, min_images=1
    )
    if not dataset.bounded:
        raise BadInput(f"{source} is a set of points; give a folder, .zip, .npz or .npy of images")
    for line in dataset.summary.lines():
        if line.startswith(("unreadable", "  ")):
            reporter.message(line)
    return dataset


def load_run_dataset(folder: RunFolder, recipe: Recipe, reporter: Reporter) -> Dataset:
    """The data a run was trained on, with its split.

    Raises:
        BadInput: they are gone, or have changed.
    """
    record = folder.read_json("data.json")
    placed = with_data_paths(recipe, *data_paths(folder))
    try:
        dataset = _load_dataset_like(placed.data.source, placed.data.size or 0, None, reporter, recipe)
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on ({record.get('path')}): {error}") from error
    if dataset.fingerprint != record.get("fingerprint"):
        raise BadInput(
            f"{placed.data.source} has changed since {folder.path} was trained on it, so what was held out is no "
            f"longer known; put the data back as they were"
        )
    return dataset


def _load_dataset_like(
    source: str, size: int, like: Dataset | None, reporter: Reporter, recipe: Recipe | None = None
) -> Dataset:
    from zerosum.data.images.load import load_source

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, f"reading {source}")

    if like is None:
        assert recipe is not None, "one of the two says what to read"
        return load_source(source, size, recipe.data.channels or 0, recipe.data.fit or "", progress=progress)
    if not like.bounded:
        raise BadInput(f"--data {source}: this run makes points; leave --data out, its own points are compared with")
    dataset = load_source(
        source, size, like.shape[0], like.summary.fit, held_out_fraction=0.0, progress=progress, min_images=1
    )
    if dataset.shape != like.shape:
        raise BadInput(f"--data {source}: does not hold what the run makes; give data of the same kind")
    return dataset


def _choose_unbiased_features(
    options: EvaluationOptions, task: EvaluationTask, pretrained_features: str, dataset: Dataset
) -> tuple[EvaluationOptions, EvaluationTask]:
    """Features that the discriminator was not trained on, where none were asked for; a warning where they were."""
    if pretrained_features and not options.features:
        options = replace(options, features="classifier" if len(dataset.classes) > 1 else "pixels")
    if pretrained_features and options.features == pretrained_features:
        why = (
            f"the generator was trained to please {pretrained_features}, so its scores by {pretrained_features} flatter it; "
            "--features pixels or labels are impartial"
        )
        task = replace(task, warnings=(*task.warnings, why))
    return options, task


def _evaluate_and_record(
    task: EvaluationTask,
    options: EvaluationOptions,
    classifier_dataset: Dataset,
    device: torch.device,
    reporter: Reporter,
    folder: RunFolder,
    is_rank_zero: bool,
    metadata: Row,
    draw: Callable[[Path], list[Path]] = lambda folder: [],
) -> Row:
    """See, judge, draw, write down with what is known `about` the generator, tell; only the first rank gets the row."""
    from zerosum.evaluation import evaluator
    from zerosum.evaluation.features.classifier import ClassifierFeatures
    from zerosum.reporting.scores_section import report_scores

    options = replace(options, features=options.features or evaluator.choose_default_features(classifier_dataset))
    network = evaluator.feature_network(options.features, classifier_dataset, device, reporter)
    classifier = network if isinstance(network, ClassifierFeatures) else None
    if classifier is None and len(classifier_dataset.classes) > 1 and classifier_dataset.bounded:
        classifier = evaluator.train_classifier(classifier_dataset, device, reporter)
    with evaluator.open_feature_extractor(network, device) as watching:
        result, _ = evaluator.run_evaluation(task, options, watching, classifier, reporter)
    if not is_rank_zero:
        return {}
    name = f"{metadata['checkpoint']}-{result.protocol.score_name('kid')}-{result.protocol.key}-seed{options.seed}"
    images = [
        *evaluator.save_figures(result, task, folder.path / "scores" / name),
        *draw(folder.path / "scores" / name),
    ]
    row = evaluator.record_result(folder, result, metadata, images)
    report_scores(row, reporter.message)
    for path in images:
        reporter.message(f"  look at  {path}")
    return row
