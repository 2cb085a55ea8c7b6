"""The verb that judges: `evaluate` a run, or a folder of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerosum.errors import BadInput
from zerosum.inference.load import load, load_translator, places, read_recipe, where_the_data_are
from zerosum.reporter import Silent, Voice
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    import torch

    from zerosum.data.dataset import Examples
    from zerosum.evaluation.request import Asked, Question
    from zerosum.recipes.recipe import Recipe


def evaluate(
    run: str | Path,
    *,
    data: str | Path = "",
    features: str = "",
    n: int | None = None,
    seed: int = 0,
    truncation: float = math.inf,
    against: str = "held-out",
    among: int = 0,
    neighbours: int = 5,
    best: bool = False,
    live: bool = False,
    paired: bool = False,
    back: bool = False,
    realism: float = 1.0,
    device: str = "auto",
    voice: Voice | None = None,
) -> Row:
    """Judge a run's samples against its data; every score beside its floor, with what it memorised and leaves out.

    Args:
        run: the run's folder; scores go to its scores.jsonl, pictures to its `scores/`, both to its report.
        data: real images from elsewhere, such as a test set; by default the run's own.
        features: lite0, inception, pixels, labels, or a module of yours; by default lite0.
        n: samples; by default 10,000, or as many as there are training images.
        seed: which samples.
        truncation: of the latents.
        against: the part of the run's data: held-out or train.
        among: training images among which copies are looked for; 0: 20,000.
        neighbours: of precision, recall, density and coverage.
        best: the networks judged best during training instead of the newest.
        live: the weights that training changes, instead of their average.
        paired: of a run that was trained without pairs: in `data`, pictures of equal names are pairs.
        back: of a run that learned both ways: the other one.
        realism: as in `apply`.
        device: where to compute.
        voice: who tells how it goes; by default nobody.

    Returns:
        The new line of scores.jsonl.

    Raises:
        BadInput: something cannot be judged; nothing has been overwritten.
    """
    from zerosum.evaluation import request
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, ranks

    voice = voice or Silent()
    request.check(against, n, neighbours, among)
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    asked = request.Asked(
        features, n, seed, truncation, against, among or request.AMONG, neighbours, "live" if live else "averaged"
    )
    if recipe.translates:
        return _translation(folder, recipe, asked, Ways(str(data), paired, back, realism), best, device, voice)
    if paired or back:
        raise BadInput(f"--paired and --back are for runs that turn pictures into others; {run} makes them of noise")
    generator = load(run, device, best=best, live=live)
    generator.latents(1, seed, truncation)  # says what is wrong with a truncation, before anything is read
    images = int(folder.best()["images"]) if best else int(generator.checkpoint)
    with ranks() as rank:
        voice = voice if rank == 0 else Silent()
        examples = data_of(folder, recipe, voice)
        elsewhere = _read(str(data), recipe.data.size or 0, examples, voice) if data else None
        about = request.about_run(generator, examples, elsewhere, asked)
        asked, about = _impartial(asked, about, recipe.sees_through, examples)
        row = _answered(about, asked, examples, choose_device(device), voice, folder, rank == 0,
                        {"images": images, "checkpoint": generator.checkpoint})  # fmt: skip
        if rank == 0:
            write_report(folder.path)
    return row


class Ways(NamedTuple):
    """Which pictures a translator is asked about."""

    data: str
    paired: bool
    back: bool
    realism: float


def _translation(
    folder: RunFolder, recipe: Recipe, asked: Asked, ways: Ways, best: bool, device: str, voice: Voice
) -> Row:
    """Judge a run that turns pictures into others."""
    from zerosum.evaluation import request
    from zerosum.reporting.report import write_report
    from zerosum.training.accelerator import choose_device, ranks
    from zerosum.workflows import evaluate_pairs

    if ways.paired and not ways.data:
        raise BadInput("--paired: says that pictures of equal names in other data are pairs; add --data FOLDER")
    if asked.against != "held-out":
        raise BadInput(f"--against {asked.against}: a translation is held against held-out pictures; leave it out")
    live = asked.source == "live"
    translator = load_translator(folder.path, device, best=best, live=live, back=ways.back, realism=ways.realism)
    images = int(folder.best()["images"]) if best else int(translator.checkpoint)
    known: Row = {"images": images, "checkpoint": translator.checkpoint, "way": "back" if ways.back else "there"}
    with ranks() as rank:
        voice = voice if rank == 0 else Silent()
        own, asking = evaluate_pairs.data_for(folder, recipe, ways.data, ways.paired, ways.back, voice)
        asking = asking.head(asked.n or len(asking.chosen))
        about = evaluate_pairs.about_translation(translator, own, asking, recipe.sees_through)
        asked, about = _impartial(asked, about, recipe.sees_through, own)
        request.refuse_hopeless(about, asked.neighbours)  # before pairs are compared for nothing
        if asking.examples.truth:
            known["pairs"] = evaluate_pairs.pair_scores(translator, asking, voice)

        def draw(place: Path) -> list[Path]:
            return [evaluate_pairs.draw_examples(translator, asking, place / "examples.png")]

        row = _answered(about, asked, own, choose_device(device), voice, folder, rank == 0, known, draw)
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
    n: int | None = None,
    among: int = 0,
    neighbours: int = 5,
    into: str | Path | None = None,
    device: str = "auto",
    voice: Voice | None = None,
) -> Row:
    """Judge images of any origin, in a folder, against real ones in another.

    Args:
        fake: the images to be judged.
        real: real images that they are held against.
        train: what the model was trained on, so that memorising is judged; the floor is then of these against `real`,
            else of one half of `real` against the other, and the samples are held against that other half.
        size: pixels a side that all are brought to; by default those of `fake`.
        channels: 1 to 4; by default those of `fake`.
        features: as in `evaluate`.
        n: of `fake`, how many; by default all.
        among: training images among which copies are looked for; 0: 20,000.
        neighbours: of precision, recall, density and coverage.
        into: where scores and pictures go; by default `judged/` and the name of `fake`.
        device: where to compute.
        voice: who tells how it goes; by default nobody.

    Raises:
        BadInput: something cannot be judged; nothing has been overwritten.
    """
    from zerosum.data.images.inspect import glance
    from zerosum.evaluation import request
    from zerosum.training.accelerator import choose_device, ranks

    voice = voice or Silent()
    request.check("held-out", n, neighbours, among)
    named = {"--fake": fake, "--real": real, "--train": train}
    seen = glance(str(fake))
    if seen.kind == "points":
        raise BadInput(f"--fake {fake}: give a folder, .zip, .npz or .npy of images")
    side = size or _common_side(seen.common_size, fake)
    channels = channels or _common_channels([(name, str(each)) for name, each in named.items() if each])
    asked = request.Asked(features, n, 0, math.inf, "all", among or request.AMONG, neighbours, "files")
    folder = _folder_for(Path(fake), into)
    with ranks() as rank:
        voice = voice if rank == 0 else Silent()
        fakes, reals = (_images(str(each), side, channels, voice) for each in (fake, real))
        known = _images(str(train), side, channels, voice, held_out=0.1) if train else None
        about, taught = request.about_folders(fakes, reals, known, asked)
        paths = {"fake": str(Path(fake).resolve()), "real": str(Path(real).resolve())}
        folder.path.mkdir(parents=True, exist_ok=True)
        return _answered(about, asked, taught, choose_device(device), voice, folder, rank == 0,
                         {"images": 0, "checkpoint": "files", **paths})  # fmt: skip


def _folder_for(fake: Path, into: str | Path | None) -> RunFolder:
    """Where the scores of a folder of images go.

    Raises:
        BadInput: something else's scores are there.
    """
    name = fake.resolve().stem if fake.is_file() else fake.resolve().name
    folder = RunFolder(Path(into) if into else Path("judged") / name)
    others = {row.get("fake") for row in folder.rows("scores.jsonl")} - {str(fake.resolve())}
    if others or (folder.path / "recipe.toml").exists():
        what = f"scores of {sorted(map(str, others))[0]}" if others else "a run"
        raise BadInput(f"--into {folder.path}: holds {what}; name another folder with --into, so that none are mixed")
    return folder


def _common_side(common: tuple[int, int] | None, fake: str | Path) -> int:
    if common is None or common[0] != common[1]:
        raise BadInput(f"--fake {fake}: its images are not squares of one size; say with --size what to bring them to")
    return common[0]


def _common_channels(named: Sequence[tuple[str, str]]) -> int:
    from zerosum.data.images.inspect import glance
    from zerosum.data.images.summary import CHANNEL_NAMES

    found = {f"{name} {source}": glance(source).recommended_channels() for name, source in named}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{place} holds images in {CHANNEL_NAMES[channels]}" for place, channels in found.items())
        raise BadInput(f"{told}; say with --channels 1 or --channels 3 how to compare them")
    return next(iter(found.values()))


def _images(source: str, side: int, channels: int, voice: Voice, held_out: float = 0.0) -> Examples:
    """All images of a folder; how other shapes become squares: the middle, as training does."""
    from zerosum.data.images.load import read

    def progress(done: int, total: int) -> None:
        voice.progress(done, total, f"reading {source}")

    examples = read(source, side, channels, "crop", held_out=held_out, progress=progress, fewest=1)
    if not examples.bounded:
        raise BadInput(f"{source} is a set of points; give a folder, .zip, .npz or .npy of images")
    for line in examples.survey.lines():
        if line.startswith(("unreadable", "  ")):
            voice.say(line)
    return examples


def data_of(folder: RunFolder, recipe: Recipe, voice: Voice) -> Examples:
    """The data a run was trained on, with its split.

    Raises:
        BadInput: they are gone, or have changed.
    """
    record = folder.read_json("data.json")
    placed = where_the_data_are(recipe, *places(folder))
    try:
        examples = _read(placed.data.source, placed.data.size or 0, None, voice, recipe)
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on ({record.get('path')}): {error}") from error
    if examples.fingerprint != record.get("fingerprint"):
        raise BadInput(
            f"{placed.data.source} has changed since {folder.path} was trained on it, so what was held out is no "
            f"longer known; put the data back as they were"
        )
    return examples


def _read(source: str, size: int, like: Examples | None, voice: Voice, recipe: Recipe | None = None) -> Examples:
    from zerosum.data.images.load import read

    def progress(done: int, total: int) -> None:
        voice.progress(done, total, f"reading {source}")

    if like is None:
        assert recipe is not None, "one of the two says what to read"
        return read(source, size, recipe.data.channels or 0, recipe.data.fit or "", progress=progress)
    if not like.bounded:
        raise BadInput(f"--data {source}: this run makes points; leave --data out, its own points are compared with")
    examples = read(source, size, like.shape[0], like.survey.fit, held_out=0.0, progress=progress, fewest=1)
    if examples.shape != like.shape:
        raise BadInput(f"--data {source}: does not hold what the run makes; give data of the same kind")
    return examples


def _impartial(asked: Asked, about: Question, sees_through: str, examples: Examples) -> tuple[Asked, Question]:
    """Features that the discriminator was not trained on, where none were asked for; a warning where they were."""
    if sees_through and not asked.features:
        asked = replace(asked, features="labels" if len(examples.classes) > 1 else "pixels")
    if sees_through and asked.features == sees_through:
        why = (
            f"the generator was trained to please {sees_through}, so its scores by {sees_through} flatter it; "
            "--features pixels or labels are impartial"
        )
        about = replace(about, warnings=(*about.warnings, why))
    return asked, about


def _answered(
    question: Question,
    asked: Asked,
    taught: Examples,
    device: torch.device,
    voice: Voice,
    folder: RunFolder,
    first: bool,
    about: Row,
    draw: Callable[[Path], list[Path]] = lambda folder: [],
) -> Row:
    """See, judge, draw, write down with what is known `about` the generator, tell; only the first rank gets the row."""
    from zerosum.evaluation import evaluator
    from zerosum.evaluation.features.classifier import Labels
    from zerosum.reporting.scores_section import tell

    asked = replace(asked, features=asked.features or evaluator.default_features(taught))
    network = evaluator.network_for(asked.features, taught, device, voice)
    classifier = network if isinstance(network, Labels) else None
    if classifier is None and len(taught.classes) > 1 and taught.bounded:
        classifier = evaluator.classifier_for(taught, device, voice)
    with evaluator.observer(network, device) as watching:
        judgement, _ = evaluator.answer(question, asked, watching, classifier, voice)
    if not first:
        return {}
    name = f"{about['checkpoint']}-{judgement.protocol.score_name('kid')}-{judgement.protocol.key}-seed{asked.seed}"
    pictures = [
        *evaluator.draw(judgement, question, folder.path / "scores" / name),
        *draw(folder.path / "scores" / name),
    ]
    row = evaluator.record(folder, judgement, about, pictures)
    tell(row, voice.say)
    for path in pictures:
        voice.say(f"  look at  {path}")
    return row
