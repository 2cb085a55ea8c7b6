"""Search for new samples with a high score, such as a property of molecules."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from zerosum.data.generated_files import RECORD_FILE
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.inference.load import load
from zerosum.reporter import Reporter, SilentReporter, TimedProgress
from zerosum.run_folder import Json
from zerosum.workflows.bounds import check_number, check_seed, check_whole_number
from zerosum.workflows.output_paths import complete_folder, first_free, is_taken, make_name, outputs_folder
from zerosum.workflows.sample_folder import name_conditions

if TYPE_CHECKING:
    from zerosum.data.codec import FilterFn, GivenValues
    from zerosum.data.dataset import Dataset
    from zerosum.data.item_scores import FindKnown, ItemScores
    from zerosum.inference.generator import Generator
    from zerosum.inference.optimization import Candidates, LatentSearch

DEFAULT_OPTIMIZED, MAX_OPTIMIZED = 100, 10_000
MIN_PARENTS, MAX_PARENTS = 50, 500
"""How many of the best ones a round starts from: as many as are wanted, within these."""
DEFAULT_ROUNDS, MAX_ROUNDS = 12, 10_000
DEFAULT_SECONDS, MAX_SECONDS = 180.0, 7 * 86_400.0
SAMPLES_PER_ROUND = 1_000
"""Samples of a round, at least."""


def optimize(
    run: str | Path,
    maximize: str = "",
    *,
    minimize: str = "",
    keep: str = "",
    num_samples: int = DEFAULT_OPTIMIZED,
    given: GivenValues = MappingProxyType({}),
    rounds: int = DEFAULT_ROUNDS,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    temperature: float | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Search for samples of a run with a high or a low score that are new and differ from each other.

    Samples are drawn that are asked for high scores; then latents around the best are tried and mixed, in rounds. The
    result is chosen from all that were valid, no training examples, and passed the filter: the best ones, as long as
    two are not too similar. The same seed gives the same samples, unless the time ends before the rounds; Ctrl-C ends
    the search early, and what it has found is written.

    Args:
        run: the run folder, a model folder or hf:user/name; its samples must have scores, as molecules have.
        maximize: the score to raise, such as qed.
        minimize: the score to lower, instead.
        keep: a filter that all samples pass, such as "logp<5 and sa<=3".
        num_samples: the number of samples.
        given: further values that samples are asked for, such as {"logp": 2.5}.
        rounds: the largest number of rounds.
        seconds: the time after which no other round begins.
        seed: the seed of the search.
        temperature: of networks that draw tokens; by default the network's own.
        into: the output folder, which must be new or empty; by default a new folder in `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress; by default nothing is reported.

    Returns:
        The folder of the samples, with the same files as those of `sample`.

    Raises:
        BadInput: the folder is not a run, its samples have no such score, the filter means nothing, no sample passes
            it, a number is out of range, or `into` exists.

    Example:
        >>> folder = zerosum.optimize("runs/molecules", "qed", keep="logp<5", num_samples=100)  # doctest: +SKIP
    """
    _check_numbers(maximize, minimize, num_samples, rounds, seconds, seed)
    if into and is_taken(Path(into)):
        raise BadInput(f"`into` {into}: exists and is not empty; name a new folder, since nothing is overwritten")
    generator = load(run, device, best=best)
    if temperature is not None:
        generator = generator.at_temperature(temperature)
    from zerosum.inference.optimization import LatentSearch, Objective

    reporter = reporter or SilentReporter()
    scores, name = _find_score(generator, maximize, minimize)
    keep_fn = _parse_keep(generator, keep)
    _check_given(generator, given, name)
    dataset = _read_training(run, reporter)
    objective = Objective(name, 1.0 if maximize else -1.0, keep_fn, _known(scores, dataset), given)
    search = LatentSearch(generator, scores, objective, min(max(num_samples, MIN_PARENTS), MAX_PARENTS), seed)
    finished = _search(search, max(SAMPLES_PER_ROUND, num_samples), rounds, seconds, reporter, name)
    chosen = search.choose(num_samples)
    options: dict[str, Json] = {
        "maximize": maximize, "minimize": minimize, "keep": keep, "given": name_conditions(given), "seed": seed,
    }  # fmt: skip
    default = _default_path(run, generator, num_samples, options)
    path = Path(into) if into else first_free(default, lambda candidate: [candidate])
    record: dict[str, Json] = {"run": _locate(run), "checkpoint": generator.checkpoint, **options}
    with complete_folder(path) as folder:
        sentences = _write(folder, generator, chosen, record | {"samples": [[0, len(chosen.scores)]]}, given, name,
                           dataset, run, reporter)  # fmt: skip
    for sentence in [*_summarize(search, scores, chosen, name, num_samples), *sentences]:
        reporter.message(sentence)
    if not finished:
        raise KeyboardInterrupt
    return path


def _check_given(generator: Generator, given: GivenValues, name: str) -> None:
    """Check the values that are asked for.

    Raises:
        BadInput: one cannot be asked for, or is of the score that is searched.
    """
    if twice := next((own for own in given if own.lower() == name.lower()), ""):
        raise BadInput(f"`given` {printable(twice)}={given[twice]}: it is what is raised or lowered; leave it out")
    if given:
        generator.choose_conditions(given, 1)


def _check_numbers(maximize: str, minimize: str, num_samples: int, rounds: int, seconds: float, seed: int) -> None:
    """Check what `optimize` gets.

    Raises:
        BadInput: a number is out of range, or no score or two are named.
    """
    if bool(maximize) == bool(minimize):
        raise BadInput("`maximize` or `minimize`: name one score, such as qed")
    check_whole_number("num_samples", num_samples, 1, MAX_OPTIMIZED)
    check_whole_number("rounds", rounds, 1, MAX_ROUNDS)
    check_number("seconds", seconds, 1, MAX_SECONDS)
    check_seed(seed)


def _find_score(generator: Generator, maximize: str, minimize: str) -> tuple[ItemScores, str]:
    """Return the scores of samples, and the name of the one that is searched.

    Raises:
        BadInput: there is none.
    """
    scores = generator.codec.item_scores()
    try:
        return scores, scores.find_name(maximize or minimize)
    except BadInput as error:
        raise BadInput(f"`{'maximize' if maximize else 'minimize'}` {error}") from error


def _parse_keep(generator: Generator, keep: str) -> FilterFn | None:
    """Return the filter that samples have to pass.

    Raises:
        BadInput: the text means none.
    """
    if not keep:
        return None
    try:
        return generator.codec.parse_filter(keep)
    except BadInput as error:  # filters are named as in `sample`
        raise BadInput(str(error).replace("`where`", "`keep`")) from error


def _read_training(run: str | Path, reporter: Reporter) -> Dataset | BadInput:
    """Return the data that a run was trained on, or why they cannot be read."""
    from zerosum.workflows.run_data import read_training_data

    try:
        return read_training_data(run, reporter)
    except BadInput as error:
        reporter.message(f"samples may be training examples, since these are not known: {error}")
        return error


def _locate(run: str | Path) -> str:
    """Return the path of a run for the record, or its name on the hub."""
    return str(Path(run).resolve() if Path(run).exists() else run)


def _known(scores: ItemScores, dataset: Dataset | BadInput) -> FindKnown | None:
    return None if isinstance(dataset, BadInput) else scores.training_names(dataset.split_hashes()[0])


def _search(search: LatentSearch, count: int, rounds: int, seconds: float, reporter: Reporter, name: str) -> bool:
    """Search in rounds until their number or the time is reached; return False if it was interrupted."""
    start, progress = time.monotonic(), TimedProgress(reporter, f"searching for {printable(name)}")
    try:
        for number in range(rounds):
            if number == 0:
                search.explore(2 * count)
            else:
                search.improve(count)
            progress(number + 1, rounds)
            if time.monotonic() - start >= seconds and number + 1 < rounds:
                reporter.message(f"the time is over after {number + 1} of {rounds} rounds; give more `seconds` for all")
                break
    except KeyboardInterrupt:
        if not search.num_found:
            raise
        return False
    return True


def _default_path(run: str | Path, generator: Generator, num_samples: int, options: Mapping[str, Json]) -> Path:
    """Return the folder of the samples in `outputs/` of the run, whose name holds the options."""
    names = {"maximize": "raise", "minimize": "lower", "keep": "keep", "given": "c", "seed": "seed"}
    parts = [f"{names[option]}_{value}" for option, value in options.items() if value != ""]
    if generator.temperature is not None:
        parts.append(f"temperature{generator.temperature:g}")
    return outputs_folder(run) / make_name(generator.checkpoint, "optimize", *parts, f"n{num_samples}")


def _write(
    folder: Path, generator: Generator, chosen: Candidates, record: Mapping[str, Json], given: GivenValues, name: str,
    dataset: Dataset | BadInput, run: str | Path, reporter: Reporter,
) -> list[str]:  # fmt: skip
    """Write the samples and what is known of them; return sentences about them."""
    from zerosum.media.kind import MEDIA_KINDS, WrittenSamples

    def load_training() -> Dataset:
        if isinstance(dataset, BadInput):
            raise dataset
        return dataset

    media = MEDIA_KINDS.find(generator.kind)
    media.write(chosen.items, generator.codec, folder)
    temperature = {} if generator.temperature is None else {"temperature": generator.temperature}
    text = json.dumps({**record, **temperature}, indent=1, ensure_ascii=False) + "\n"
    (folder / RECORD_FILE).write_text(text, "utf8")
    samples = WrittenSamples(folder, 0, given, load_training, reporter, (name,))
    return media.complete(samples, generator.codec)


def _summarize(search: LatentSearch, scores: ItemScores, chosen: Candidates, name: str, wanted: int) -> list[str]:
    """Return sentences about the search and what it has found."""
    sentences = [
        f"of {search.num_drawn:,} samples, {search.num_valid:,} are valid, and {search.num_found:,} different ones are "
        "new and pass"
    ]
    count = len(chosen.scores)
    if count < wanted:
        sentences.append(f"these are fewer than {wanted:,}; widen `keep`, or give more `rounds` and `seconds`")
    known = scores.find_range(name)
    reference = "" if known is None else f" (training examples: {known.mean:.3g} on average)"
    spread = f"{chosen.scores.min():.3g} to {chosen.scores.max():.3g}"
    sentences.append(f"{name} of {count:,}: {spread}, {chosen.scores.mean():.3g} on average{reference}")
    if count > 1:
        similarity = (scores.compare(chosen.items, chosen.items).sum() - count) / (count * (count - 1))
        sentences.append(f"mean similarity of two of them {similarity:.2f}")
    return sentences
