"""The page of pictures turned into others: tables and pictures of benchmarks/translation.py.

    python docs/make_translation.py FOLDER DATA

FOLDER and DATA are those of the benchmark. Writes docs/translation.md, and docs/translation-NAME.png of test pictures:
what was given, what the network makes that was taught without a game, what it makes with one, and what was wanted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from translation import EXPERIMENTS, RESULT, Experiment, place_of

import zerosum
from zerosum.inference.load import read_recipe
from zerosum.inference.translator import bicubic_baseline
from zerosum.media import images
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_pairs import TranslationSet, load_translation_data

DOCS = Path(__file__).parent
SHOWN = 6
HEAD = """# Pictures turned into others

Made by `python docs/make_translation.py` from `benchmarks/translation.json`, which `python benchmarks/translation.py
FOLDER DATA` makes; the data are those of its docstring. Every run was made on the training pictures and judged on test
pictures that nothing else has seen, at 64 px, by its networks of size nano, on so many cores of an AMD EPYC (Genoa)
virtual machine as the table says, without a GPU. *Alone* is the same network, data and time, taught by its terms
without a game. Beside each score stands the same of what was given itself (enlarged bicubically where it is smaller).
A kernel distance (KID) says how far the results as a set are from the wanted pictures, none paired with its own answer;
the floor is that of as many training pictures. *Lead* is how much lower the game's is than its network's alone, both of
the same pictures, with the jackknife's error, which takes pictures for independent and knows of no other seeds:
neighbouring crops and tiles of one photograph are not independent, so it is too small. *Peer* is a loop written from
its paper, with networks of the paper's width, on the same data, time and threads; what it leaves out is said in
`benchmarks/references_translation.py`. One seed each.
"""


def sheet(name: str, experiment: Experiment, folder: Path, data: Path, back: bool = False) -> Path | None:
    """Test pictures of an experiment, a row each."""
    runs = [folder / f"{name}-{way}" for way in ("alone", "game") if (folder / f"{name}-{way}").exists()]
    if not runs:
        return None
    recipe = read_recipe(RunFolder(runs[-1]))
    test = place_of(experiment, data, folder) / "test"
    _, asking = load_translation_data(RunFolder(runs[-1]), recipe, str(test), experiment.paired, back, SilentReporter())
    rows = torch.linspace(0, len(asking.indices) - 1, SHOWN).round().int().tolist()
    columns = _columns(asking, rows, runs, back)
    path = DOCS / f"translation-{name}{'-back' if back else ''}.png"
    images.save_image(
        images.make_grid(images.to_uint8(torch.stack(columns, 1).flatten(0, 1)), columns=2 * len(columns), gap=3), path
    )
    return path


def _columns(asking: TranslationSet, rows: Sequence[int], runs: Sequence[Path], back: bool) -> list[Tensor]:
    given = torch.cat([asking.inputs(range(row, row + 1)) for row in rows])
    shape = asking.dataset.shape
    columns = [bicubic_baseline(given, shape), *(zerosum.load_translator(run, reverse=back)(given) for run in runs)]
    if asking.dataset.has_targets:
        columns.append(torch.cat([asking.targets(range(row, row + 1)) for row in rows]))
    return columns


def table(rows: Iterable[Sequence[str]], head: Sequence[str]) -> list[str]:
    """Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def scores(row: dict[str, Any], prefix: str = "") -> list[str]:
    """A row's cells: images, L1, PSNR, distance in lite0's eyes, KID with its floor."""
    pairs, sets = row.get(f"{prefix}pairs") or {}, row.get(f"{prefix}scores") or {}
    cells = [f"{row['examples']:,}" if "images" in row else ""]
    for name, digits in (("l1", 4), ("psnr", 2), ("perceptual_lite0", 3)):
        score = pairs.get(name)
        value = f"{score['value']:.{digits}f}" if score else ""
        beside = f" ({score['input']:.{digits}f})" if score and score.get("input") is not None else ""
        cells.append(value + beside)
    kid = next((score for name, score in sets.items() if name.startswith("kid")), None)
    if not kid:
        return [*cells, ""]
    floor = "" if kid["floor"] is None else f" ({kid['floor']:.3f})"
    return [*cells, f"{kid['value']:.3f} ± {kid['error']:.3f}{floor}"]


def section(
    name: str, experiment: Experiment, results: Sequence[dict[str, Any]], drawn: Sequence[Path | None]
) -> list[str]:
    """An experiment's table and pictures."""
    mine = [row for row in results if row["experiment"] == name]
    if not mine:
        return []
    game = next(row for row in mine if row["variant"] == "game")
    lines = [f"## {experiment.recipe}: {experiment.about}", ""]
    lines += [
        f"`{experiment.data}`, {game['seconds'] / 60:.0f} minutes on {game['threads']} core(s). {game['protocol']}.",
        "",
    ]
    lines += [experiment.note, ""] if experiment.note else []
    head = ["", "examples", "L1 (of what was given)", "PSNR (same)", "lite0's eyes (same)", "KID (floor)"]
    body = []
    for row in mine:
        if row["variant"] == "lead":
            body.append(["lead", "", "", "", "", f"{row['value']:.3f} ± {row['error']:.3f}"])
            continue
        body.append([row["variant"], *scores(row)])
        if "back pairs" in row:
            body.append([f"{row['variant']}, back", *scores(row, "back ")])
    lines += [*table(body, head), ""]
    said = {row["variant"]: row["findings"] for row in mine if row.get("findings")}
    if said:
        each = (f"of *{way}* {', '.join(f'`{name}`' for name in names)}" for way, names in said.items())
        lines += [f"What the doctor says at the end: {'; '.join(each)}.", ""]
    for image in filter(None, drawn):
        lines += [f"![{experiment.about}]({image.name})", ""]
    return lines


def main() -> None:
    """Draw, write."""
    folder, data = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads(RESULT.read_text("utf8"))
    lines = HEAD.splitlines()
    for name, experiment in EXPERIMENTS.items():
        if any(row["experiment"] == name and row["variant"] == "game" for row in results):
            ways = (False, True) if experiment.both else (False,)
            drawn = [sheet(name, experiment, folder, data, back) for back in ways]
            lines += ["", *section(name, experiment, results, drawn)]
    (DOCS / "translation.md").write_text("\n".join(lines).rstrip() + "\n", "utf8")


if __name__ == "__main__":
    main()
