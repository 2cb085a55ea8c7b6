"""Evaluate the samples of a run, or items of any origin, against real items."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerosum.data.kind import DATA_KINDS, HELD_OUT_FRACTION, load_dataset, selected_kind
from zerosum.errors import BadInput
from zerosum.inference.hub import is_hub_name
from zerosum.inference.load import load, load_translator, read_recipe
from zerosum.inference.model_folder import is_model_folder
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.workflows.bounds import check_latent_truncation, check_seed
from zerosum.workflows.evaluate_task import choose_unbiased_features, evaluate_and_record
from zerosum.workflows.run_data import load_options, load_other_data, read_run_data, report_intake

if TYPE_CHECKING:
    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.evaluation.request import EvaluationOptions
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
    """Evaluate the samples of a run: scores with their floor (real against real), memorization and missing modes.

    Args:
        run: the run folder. Scores are appended to its scores.jsonl, figures are saved in its `scores/`, and its
            report is updated with both.
        data: other real images, such as a test set; by default the data of the run.
        features: the feature network: lite0, inception, pixels, classifier, or `package.module:factory`; by default
            lite0 for images, pixels for points, rows for tables and chemnet for molecules.
        num_samples: the number of samples; by default 10,000, or the number of training examples if that is smaller.
        seed: the seed of the samples.
        truncation: latent values are truncated to [-truncation, truncation]; by default they are not truncated.
        reference_split: the part of the data of the run to compare with: held-out or train.
        copy_candidates: the number of training examples that are searched for copies; 0: 20,000.
        neighbors: the number of neighbors of precision, recall, density and coverage.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        raw_weights: use the trained weights instead of their EMA.
        paired: for translation runs that were trained without pairs: items of equal names in `data` are pairs.
        reverse: for bidirectional translation runs: evaluate the direction from target to input.
        network_interpolation: see `load_translator`.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress messages; by default nothing is reported.

    Returns:
        The new row of scores.jsonl. `row["scores"]` holds `value`, `error` and `floor` of each score by name.

    Raises:
        BadInput: the run, the data or an argument cannot be used.

    Example:
        >>> row = zerosum.evaluate("runs/ring", num_samples=500, copy_candidates=500)
        >>> row["scores"]["kid_pixels"]["value"] > row["scores"]["kid_pixels"]["floor"]
        True
    """
    from zerosum.evaluation import request

    reporter = reporter or SilentReporter()
    request.check_options(reference_split, num_samples, neighbors, copy_candidates)
    check_seed(seed)
    check_latent_truncation(truncation)
    if is_hub_name(run) or is_model_folder(Path(run)):
        raise BadInput(
            f"{run} is a model folder, without the data of its run; write samples of it with `zerosum sample`, or "
            "of a translator with `zerosum apply`, and evaluate their folder as `fake` with real data as `real`"
        )
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    candidates = copy_candidates or request.DEFAULT_COPY_CANDIDATES
    weights = "raw" if raw_weights else "ema"
    options = request.EvaluationOptions(
        features, num_samples, seed, truncation, reference_split, candidates, neighbors, weights
    )
    if recipe.is_translation:
        if not math.isinf(truncation):
            raise BadInput(f"`truncation` {truncation}: translations have no latents; leave it out")
        translation = TranslationOptions(str(data), paired, reverse, network_interpolation)
        return _evaluate_translation(folder, recipe, options, translation, best, device, reporter)
    if paired or reverse or network_interpolation != 1:
        raise BadInput(
            f"`paired`, `reverse` and `network_interpolation` are for translation, and {run} generates samples from "
            "latents; leave them out"
        )
    return _evaluate_generator(folder, recipe, options, str(data), best, device, reporter)


def _evaluate_generator(
    folder: RunFolder,
    recipe: Recipe,
    options: EvaluationOptions,
    data: str,
    best: bool,
    device: str,
    reporter: Reporter,
) -> Row:
    """Evaluate a run that generates samples from latents."""
    from zerosum.evaluation import request
    from zerosum.inference.baseline import GAUSSIAN_CODES, with_gaussian_codes
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, process_group

    generator = load(folder.path, device, best=best, raw_weights=options.sample_source == "raw")
    examples = int(folder.best_scores()["examples"]) if best else int(generator.checkpoint)
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        dataset = read_run_data(folder, recipe, reporter)
        report_intake(dataset, reporter)
        external = load_other_data(recipe.data.with_source(data), dataset, reporter) if data else None
        task = request.build_run_task(generator, dataset, external, options)
        options, task = choose_unbiased_features(options, task, recipe.pretrained_features, dataset)
        intake = _intake({"train": dataset} | ({"real": external} if external else {}))
        metadata: Row = {"examples": examples, "checkpoint": generator.checkpoint, "intake": intake}
        baseline = None
        if (other := with_gaussian_codes(generator, dataset)) is not None:
            baseline = request.build_run_task(other, dataset, external, options)
            metadata["baseline"] = GAUSSIAN_CODES
        row = evaluate_and_record(
            task, options, dataset, choose_device(device), reporter, folder, rank == 0, metadata, baseline=baseline
        )
        if rank == 0:
            write_report(folder.path)
    return row


def _intake(datasets: Mapping[str, Dataset]) -> dict[str, list[str]]:
    """Return what a record says of the data that were read: by argument, the lines of `report_intake`."""
    return {name: dataset.summary.intake_lines() for name, dataset in datasets.items()}


class TranslationOptions(NamedTuple):
    """The options of `evaluate` that are for translation only."""

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
    """Evaluate a run of translation."""
    from zerosum.evaluation import request
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, process_group
    from zerosum.workflows import evaluate_pairs

    data, paired, reverse, network_interpolation = translation_options
    if paired and not data:
        raise BadInput("`paired`: says that items of equal names in other data are pairs; add `data`")
    if options.reference_split != "held-out":
        raise BadInput(
            f"`reference_split` {options.reference_split}: translations are compared with held-out targets; "
            "leave it out"
        )
    translator = load_translator(
        folder.path, device, best=best, raw_weights=options.sample_source == "raw", reverse=reverse,
        network_interpolation=network_interpolation,
    )  # fmt: skip
    examples = int(folder.best_scores()["examples"]) if best else int(translator.checkpoint)
    direction = "reverse" if reverse else "forward"
    metadata: Row = {"examples": examples, "checkpoint": translator.checkpoint, "direction": direction}
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        dataset, test_set = evaluate_pairs.load_translation_data(folder, recipe, data, paired, reverse, reporter)
        metadata["intake"] = _intake({"train": dataset} | ({"real": test_set.dataset} if data else {}))
        test_set = test_set.head(options.num_samples or len(test_set.indices))
        task = evaluate_pairs.build_translation_task(translator, dataset, test_set, recipe.pretrained_features)
        options, task = choose_unbiased_features(options, task, recipe.pretrained_features, dataset)
        request.require_enough_examples(task, options.neighbors)  # before pairs are compared in vain
        if test_set.dataset.has_targets:
            metadata |= evaluate_pairs.compare_pairs(translator, test_set, reporter)

        def save_examples(figures: Path) -> list[Path]:
            return [evaluate_pairs.save_example_grid(translator, test_set, figures / "translations.png")]

        row = evaluate_and_record(
            task, options, dataset, choose_device(device), reporter, folder, rank == 0, metadata, save_examples
        )
        if rank == 0:
            write_report(folder.path)
    return row


def evaluate_folders(
    fake: str | Path,
    real: str | Path,
    *,
    train: str | Path = "",
    size: int | str | None = None,
    channels: int | None = None,
    target: str | None = None,
    features: str = "",
    num_samples: int | None = None,
    copy_candidates: int = 0,
    neighbors: int = 5,
    into: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Row:
    """Evaluate images of any origin in one folder against real images in another, or the rows of two tables.

    Args:
        fake: the images to evaluate, or a table.
        real: the real images to compare with.
        train: the training images of the model. With them, memorization is measured, and the floor compares them with
            `real`. Without them, samples are compared with one half of `real`, and the floor compares the other half
            with it.
        size: the size in pixels that all images are scaled to, as in `data.size`: the side of squares, or "96x64"
            (width x height); by default that of `fake`.
        channels: 1 to 4; by default those of `fake`.
        target: of tables, the column that models predict, as in `data.target`; by default each in turn.
        features: as in `evaluate`.
        num_samples: the number of images of `fake`; by default all.
        copy_candidates: the number of training images that are searched for copies; 0: 20,000.
        neighbors: the number of neighbors of precision, recall, density and coverage.
        into: the folder of scores and figures; by default `evaluations/` and the name of `fake`.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress messages; by default nothing is reported.

    Returns:
        The new row of scores.jsonl.

    Raises:
        BadInput: the images or an argument cannot be used.

    Example:
        >>> row = zerosum.evaluate_folders("generated/", "real/", features="pixels")  # doctest: +SKIP
    """
    from zerosum.evaluation import request
    from zerosum.training.accelerator import choose_device, process_group

    reporter = reporter or SilentReporter()
    request.check_options("held-out", num_samples, neighbors, copy_candidates)
    sources = {name: str(path) for name, path in {"fake": fake, "real": real, "train": train}.items() if path}
    data = _choose_common_settings(sources, {"size": size, "channels": channels, "target": target})
    candidates = copy_candidates or request.DEFAULT_COPY_CANDIDATES
    options = request.EvaluationOptions(features, num_samples, 0, math.inf, "all", candidates, neighbors, "files")
    folder = _choose_output_folder(Path(fake), into)
    with process_group() as rank:
        reporter = reporter if rank == 0 else SilentReporter()
        parts: dict[str, Dataset] = {}
        if train:
            parts["train"] = _load_source(data, str(train), reporter, held_out_fraction=HELD_OUT_FRACTION)
        parts["real"] = _load_source(data, str(real), reporter, parts.get("train"))
        parts["fake"] = _load_source(data, str(fake), reporter, parts["real"], generated=True)
        aligned = DATA_KINDS.find(data.kind).align(parts)
        loaded = {name: aligned[name] for name in sources}
        task, classifier_dataset = request.build_folders_task(
            loaded["fake"], loaded["real"], loaded.get("train"), options
        )
        same = _describe_same_sources({name: (sources[name], dataset) for name, dataset in loaded.items()})
        task = replace(task, warnings=(*same, *task.warnings))
        paths = {"fake": str(Path(fake).resolve()), "real": str(Path(real).resolve())}
        folder.path.mkdir(parents=True, exist_ok=True)
        metadata: Row = {"examples": 0, "checkpoint": "files", **paths, "intake": _intake(loaded)}
        return evaluate_and_record(
            task, options, classifier_dataset, choose_device(device), reporter, folder, rank == 0, metadata
        )


def _choose_output_folder(fake: Path, into: str | Path | None) -> RunFolder:
    """Return the folder of the scores of a folder of images.

    Raises:
        BadInput: the folder holds a run, or scores of other images.
    """
    name = fake.resolve().stem if fake.is_file() else fake.resolve().name
    folder = RunFolder(Path(into) if into else Path("evaluations") / name)
    others = {row.get("fake") for row in folder.rows("scores.jsonl")} - {str(fake.resolve())}
    if others or (folder.path / "recipe.toml").exists():
        content = f"scores of {sorted(map(str, others))[0]}" if others else "a run"
        raise BadInput(f"`into` {folder.path}: holds {content}; name another folder, since scores are not mixed")
    return folder


def _choose_common_settings(sources: Mapping[str, str], given: Mapping[str, object]) -> DataConfig:
    """Return settings of the data with which the items of all sources can be compared.

    Args:
        sources: the sources by argument; the first one decides their kind.
        given: the settings that the user gave as arguments; None for those that are open.

    Raises:
        BadInput: this kind of data has no such setting, or the items cannot be compared.
    """
    kind = DATA_KINDS.find(selected_kind({"source": next(iter(sources.values()))}))
    wanted = {name: value for name, value in given.items() if value is not None}
    if unknown := next((name for name in wanted if name not in kind.config.model_fields), ""):
        raise BadInput(f"`{unknown}`: {kind.noun}s have no such setting; leave it out")
    return kind.choose_common_settings(sources, wanted)


def _load_source(
    data: DataConfig,
    source: str,
    reporter: Reporter,
    first: Dataset | None = None,
    held_out_fraction: float = 0.0,
    generated: bool = False,
) -> Dataset:
    """Load all items of a source, in the same form as those of the first source, if there is one."""
    is_training_data = held_out_fraction > 0
    options = load_options(reporter, f"reading {source}", held_out_fraction, test_split=not is_training_data)
    options = replace(options, generated=generated)
    settings = data.model_copy(update={"source": source})
    dataset = (
        load_dataset(settings, options)
        if first is None
        else DATA_KINDS.find(data.kind).load_comparable(settings, first, options)
    )
    report_intake(dataset, reporter)
    return dataset


def _describe_same_sources(sources: Mapping[str, tuple[str, Dataset]]) -> tuple[str, ...]:
    """Return a warning for each two arguments that name the same items, by whatever path.

    Args:
        sources: path and items by argument.
    """
    from zerosum.evaluation import request

    pairs = itertools.combinations(sources.items(), 2)
    return tuple(
        f"`{first}` and `{second}` are the same, {Path(path).resolve()}: these {one.summary.noun}s are compared with "
        "themselves; name another source for one of them"
        for (first, (path, one)), (second, (other_path, other)) in pairs
        if Path(path).resolve() == Path(other_path).resolve() and request.hold_the_same(one, other)
    )
