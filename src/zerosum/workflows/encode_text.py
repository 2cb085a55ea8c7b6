"""Encode items that are written as texts, such as molecules, and walk between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.inference.load import load
from zerosum.reporter import Reporter, SilentReporter
from zerosum.workflows.bounds import check_seed, check_whole_number
from zerosum.workflows.output_paths import (
    complete_folder,
    files_removed_on_error,
    first_free,
    is_taken,
    make_name,
    outputs_folder,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zerosum.data.codec import Items
    from zerosum.inference.generator import Generator
    from zerosum.inference.text_codes import TextCodes

DEFAULT_NEIGHBORS, MAX_NEIGHBORS = 16, 1_000
_DRAWS_PER_NEIGHBOR = 4
_SHOWN_NEIGHBORS = 8
MAX_TEXT_STEPS = 1_000
CODE_FILE = "code.npy"


def encode_text(
    run: str | Path, text: str, *, neighbors: int, seed: int, into: str | Path | None, best: bool, device: str,
    reporter: Reporter | None,
) -> Path:  # fmt: skip
    """Write the code of a text, what is decoded from it, and what is drawn around it; see `encode`.

    Raises:
        BadInput: the run has no encoder, the text means no item that it can encode, or `into` exists.
    """
    check_whole_number("neighbors", neighbors, 1, MAX_NEIGHBORS)
    check_seed(seed)
    _check_new(into)
    reporter = reporter or SilentReporter()
    generator = load(run, device, best=best)
    import numpy as np

    from zerosum.inference.text_codes import TextCodes

    codes = TextCodes.of(generator)
    code = codes.encode("item", [text])
    (rebuilt,) = _name(codes.decode(code), generator)
    found = _draw_neighbors(codes, text, neighbors, seed)
    default = outputs_folder(run) / make_name(generator.checkpoint, "encode", text, f"seed{seed}")
    path = Path(into) if into else first_free(default, lambda candidate: [candidate])
    with complete_folder(path) as folder:
        items = np.array([text, rebuilt, *found.tolist()])
        sentences = _write_items(folder, items, generator, run, reporter)
        write_atomically(folder / CODE_FILE, lambda temporary: _save_array(temporary, code[0].numpy()))
    scores = generator.codec.item_scores()
    is_exact = scores.name_items(np.array([text])) == scores.name_items(np.array([rebuilt]))
    reporter.message(f"{text} is rebuilt {'exactly' if is_exact else f'as {rebuilt}'}")
    shown = ", ".join(found.tolist()[:_SHOWN_NEIGHBORS])
    reporter.message(f"neighbors: {shown}" if len(found) else "no valid neighbor was drawn")
    for sentence in sentences:
        reporter.message(sentence)
    return path


def _draw_neighbors(codes: TextCodes, text: str, count: int, seed: int) -> Items:
    """Return up to `count` different valid items that are drawn around the code of a text, the most similar first."""
    import numpy as np

    from zerosum.game import seeded_rng

    draws, scores = _DRAWS_PER_NEIGHBOR * count, codes.generator.codec.item_scores()
    code = codes.encode("item", [text])
    items = codes.decode(code.expand(draws, *code.shape[1:]), seeded_rng.derive_seeds(seed, 0, draws))
    (own,) = scores.name_items(np.array([text]))
    names = [name for name in dict.fromkeys(scores.name_items(items)) if name and name != own]
    if not names:
        return np.array([], "<U1")
    found = np.array(names)
    similarity = scores.compare(np.array([text]), found)[0]
    return found[np.argsort(-similarity, kind="stable")][:count]


def walk_between(
    run: str | Path, between: tuple[str, str], *, steps: int, interpolation: str, into: str | Path | None, best: bool,
    device: str,
) -> list[Path]:  # fmt: skip
    """Write the items on the way from one text to another; see `walk`.

    Raises:
        BadInput: the run has no encoder, a text means no item that it can encode, or a file exists.
    """
    check_whole_number("steps", steps, 2, MAX_TEXT_STEPS)
    generator = load(run, device, best=best)
    import torch

    from zerosum.inference.interpolation import INTERPOLATIONS
    from zerosum.inference.text_codes import TextCodes
    from zerosum.media.kind import MEDIA_KINDS
    from zerosum.media.raster import save_image

    if interpolation not in INTERPOLATIONS:
        raise BadInput(f"`interpolation` {interpolation}: choose one of {', '.join(INTERPOLATIONS)}")
    codes = TextCodes.of(generator)
    first, last = codes.encode("between", between)
    path_codes = INTERPOLATIONS[interpolation](first, last, torch.linspace(0, 1, steps))
    items = codes.decode(path_codes)

    def files(stem: Path) -> list[Path]:
        return [Path(f"{stem}.png"), Path(f"{stem}.txt")]

    default = outputs_folder(run) / make_name(generator.checkpoint, "walk", interpolation, *between, f"{steps}")
    stem = Path(into) if into else first_free(default, files)
    if existing := [path for path in files(stem) if path.exists()]:
        raise BadInput(f"`into` {into}: {existing[0]} exists; choose another name, since nothing is overwritten")
    stem.parent.mkdir(parents=True, exist_ok=True)
    image_path, text_path = files(stem)
    with files_removed_on_error([image_path, text_path]):
        save_image(MEDIA_KINDS.find(generator.kind).draw(items, columns=min(steps, 10)), image_path)
        text_path.write_text("".join(f"{name}\n" for name in _name(items, generator)), "utf8")
    return [image_path, text_path]


def _name(items: Items, generator: Generator) -> list[str]:
    """Return items (N,) as users write them, molecules in their canonical form; an invalid one as it is."""
    names = generator.codec.item_scores().name_items(items)
    return [name or str(item) for name, item in zip(names, items.tolist(), strict=True)]


def _check_new(into: str | Path | None) -> None:
    """Raise if something is at the output path."""
    if into and is_taken(Path(into)):
        raise BadInput(f"`into` {into}: exists and is not empty; name a new folder, since nothing is overwritten")


def _write_items(folder: Path, items: Items, generator: Generator, run: str | Path, reporter: Reporter) -> list[str]:
    """Write items and what is known of them; return sentences about them."""
    from functools import partial

    from zerosum.media.kind import MEDIA_KINDS, WrittenSamples
    from zerosum.workflows.run_data import read_training_data

    media = MEDIA_KINDS.find(generator.kind)
    media.write(items, generator.codec, folder)
    samples = WrittenSamples(folder, 0, {}, partial(read_training_data, run, reporter), reporter)
    return media.complete(samples, generator.codec)


def _save_array(path: Path, array: NDArray[np.float32]) -> None:
    """Save an array; given a path, numpy would append a suffix."""
    import numpy as np

    with path.open("wb") as file:
        np.save(file, array)
