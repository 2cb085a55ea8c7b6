"""A full step of both players: ours against the peers' loops written out, on the same networks, data and batch.

    python benchmarks/step.py [--rows dcgan mlp mlp-tensors wgan-gp r3gan penalties operators lsgan ...] [--rounds 9]
    python benchmarks/step.py --memory dcgan reference       # MiB: what a process that does only this takes

Each row takes turns, block by block, in one process; figures are medians over the blocks. "reference" is the loop as
its paper's well-known code is written (`references.py`, where what differs stands too): float32 data through a
DataLoader, zero_grad on both networks, `detach`, the discriminator's parameters left wanting gradients in the
generator's step, Adam as PyTorch gives it, an average by a loop over parameters where that code has one. Ours is
`zerosum.training.loop.play_round` on the same shapes, the generator's average included, in float32 and, in the rows
`dcgan`, `mlp` and `mlp-tensors`, in bfloat16 as well. "step" is what a round takes per image of the generator. Rates
are held against the machine's own matrix product.

In the row `mlp` the reference loads images as PyTorch-GAN's gan.py does, by torchvision where it is installed ("loader"
says so); `mlp-tensors` is the same without a picture's detour. `dcgan` keeps that cheap loader, which favours the peer:
pytorch/examples' two workers would take their time from training. `peers.py` times the originals themselves.

The rows of the family are recipes at the size nano, with its batch and its steps of the discriminator, for 32 px in
colour, against `references_family.py`. progan has grown up; stylegan2 has the path length of the size base, and, as
there, new fakes for each player. Where terms are lazy, whole periods of them are timed.

"memory" is the most that was resident, in MiB, in a process of its own: with imports and data, then after a few steps.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import references
import references_family as family
import torch
from references import CLASSES, Step
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zerosum.data.dataset import Dataset
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.loader import BatchLoader
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.networks.layers import Downsample, Upsample
from zerosum.networks.modulated_conv import modulated_conv2d
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import build_game

RESULT = Path(__file__).with_suffix(".json")


@dataclass
class Row:
    """A recipe at a size, and the peers' loop for it."""

    recipe: str
    settings: dict[str, object]
    side: int
    channels: int
    batch: int
    reference: Callable[[nn.Module, nn.Module, Iterator[Any], Recipe], Step]
    loader: Callable[[Dataset], references.Loader] = references.Tensors
    """How the reference comes by its images."""
    precisions: tuple[str, ...] = ("float32",)
    """In which ours is played."""
    case: str = "base"
    """The recipe's size."""


def noise_images(row: Row, n: int = 2048) -> Dataset:
    """Data for a row whose content does not matter, of classes if it takes any."""
    values = np.random.default_rng(0).integers(0, 256, (n, row.side, row.side, row.channels), dtype=np.uint8)
    index, classes = np.arange(n), CLASSES if settled(row).is_conditional else 1
    names = tuple(map(str, range(classes))) if classes > 1 else ()
    summary = DatasetSummary("noise", "images", n)
    return Dataset(values, index % classes, names, index.astype(np.uint64), index, index[:0], summary)


def laid(recipe: str, case: str) -> SettingsTree:
    """The recipe at a size."""
    file = RecipeFile(recipe)
    file.apply_variant(case)
    return file.settings_tree


def settled(row: Row) -> Recipe:
    """The recipe with the row's settings."""
    draft = laid(row.recipe, row.case)
    for name, value in row.settings.items():
        draft.set(tuple(name.split(".")), value, "")
    draft.set(("training", "batch"), row.batch, "")
    draft.set(("training", "precision"), "float32", "")
    return check_recipe(draft).resolve_schedules(1_000_000)


def period(row: Row) -> int:
    """Rounds after which all lazy terms are due again."""
    return math.lcm(*(term.every_rounds for term in settled(row).terms.values()))


def seated(row: Row, examples: Dataset, precision: str = "float32") -> tuple[Game, Accelerator]:
    """Our game, and the machine it is played on."""
    accelerator = Accelerator("cpu", 1, *PRECISIONS[precision])
    return build_game(settled(row), examples.shape, True, accelerator, examples.class_priors), accelerator


def ours(row: Row, examples: Dataset, precision: str = "float32") -> Step:
    """A round of ours."""
    game, accelerator = seated(row, examples, precision)
    loader, meter, progress = BatchLoader(examples, row.batch, 0), Meter(), [Progress()]
    game.train()

    def step() -> None:
        play_round(game, loader, accelerator, progress[0], meter)
        progress[0] = Progress(progress[0].round + 1, progress[0].examples + row.batch)
        for player in game.players.values():
            player.update_ema(row.batch, progress[0])

    return step


def networks(row: Row, examples: Dataset) -> tuple[nn.Module, nn.Module]:
    """The same networks, as a plain module each."""
    recipe, classes = settled(row), len(examples.classes)
    generator = recipe.generator.build(recipe.latent.size, examples.shape, True, classes)
    return generator.train(), recipe.discriminator.build(examples.shape, classes).train()


def theirs(row: Row, examples: Dataset, loader: references.Loader) -> Step:
    """A round of the reference."""
    return row.reference(*networks(row, examples), loader.batches(row.batch), settled(row))


BOTH = ("float32", "bfloat16")
# gan.py's networks; see `references.gan` for its norms
MLP: dict[str, object] = {
    "generator.widths": [128, 256, 512, 1024],
    "generator.norm": "batch",
    "discriminator.widths": [512, 256],
    "discriminator.dropout": 0,
}
NARROW: dict[str, object] = {"generator.widths": [256, 192, 96, 48], "discriminator.widths": [256, 192, 96, 48]}
WIDE: dict[str, object] = {"generator.width": 64, "discriminator.width": 64, "latent.size": 100}
APART: dict[str, dict[str, object]] = {
    "stylegan2": {"game.reuse_fakes": False, "terms.path-length.weight": 2, "terms.path-length.every": 4},
}
PAPERS: dict[str, dict[str, object]] = {
    "acgan": {"generator.width": 24, "discriminator.width": 24},
    "cgan-projection": {
        "generator.widths": [64, 48, 24, 12],
        "discriminator.widths": [64, 48, 24, 12],
        "generator.condition_size": 16,
        "discriminator.last_side": 8,
        "game.discriminator_steps": 2,
    },
    "progan": {
        "generator.widths": [64, 48, 24, 8],
        "discriminator.widths": [64, 48, 24, 8],
        "latent.size": 64,
        "game.growth.start_level": 3,
        "optimizer.lr": 2e-3,
    },
}
"""What plays another round at nano than its paper: the paper's, on networks of that size."""
FAMILY = {
    name: Row(name, PAPERS.get(name, APART.get(name, {})), 32, 3, laid(name, "nano").tree["training"]["batch"], step,
              references.Labelled, case="" if name in PAPERS else "nano")
    for name, step in family.STEPS.items()
}  # fmt: skip
ROWS = {
    "dcgan": Row("dcgan", WIDE, 64, 3, 64, references.dcgan, precisions=BOTH),
    "mlp": Row("vanilla", MLP, 28, 1, 64, references.gan, references.Pictures, BOTH),
    "mlp-tensors": Row("vanilla", MLP, 28, 1, 64, references.gan, precisions=BOTH),
    "wgan-gp": Row("wgan-gp", {}, 32, 3, 64, references.wgan_gp),
    "r3gan": Row("r3gan", NARROW, 32, 3, 64, references.r3gan),
} | FAMILY
PENALTIES: dict[str, dict[str, object]] = {
    "no penalty": {},
    "R1 and R2 at every step": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05},
    "R1 and R2 at every 16th": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05, "terms.r1.every_rounds": 16,
                                "terms.r2.every_rounds": 16},
}  # fmt: skip


# ---------------------------------------------------------------------- taking turns


class Flops(TorchDispatchMode):
    """Counts what convolutions and matrix products cost. (PyTorch's own counter fails inside autograd.grad.)"""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def matmul_rate(seconds: float = 1.0) -> float:
    """GFLOP/s of a large float32 matrix product here: what the machine can do at all."""
    a = torch.randn(2048, 2048)
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def turns(steps: dict[str, Step], rounds: int, block: float = 1.0, whole: int = 1) -> dict[str, list[float]]:
    """Seconds a step, for each way, in blocks that take turns, each of a multiple of `whole` steps."""
    counts = {}
    for name, step in steps.items():
        step()
        began = time.perf_counter()
        for _ in range(whole):
            step()
        counts[name] = whole * max(1, round(block / (time.perf_counter() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(counts[name]):
                step()
            seconds[name].append((time.perf_counter() - began) / counts[name])
    return seconds


def said(name: str, seconds: dict[str, list[float]], batch: int, **more: object) -> None:
    """One line of JSON: medians, and how many times as fast each way is as those named after it."""
    middle = {way: statistics.median(times) for way, times in seconds.items()}
    ratios = {f"{one} over {other}": round(middle[other] / middle[one], 3) for one, other in combinations(middle, 2)}
    speed = {way: round(batch / value, 1) for way, value in middle.items()}
    spread = {way: [round(min(t), 5), round(max(t), 5)] for way, t in seconds.items()}
    record = {"row": name, "per_second": speed, "ratios": ratios, "seconds": spread, **more}
    record |= {"threads": torch.get_num_threads(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(record), flush=True)
    kept = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(kept | {name: record}, indent=1) + "\n", "utf8")


def table() -> str:
    """The results as Markdown."""
    columns = ["row", "images a second", "ratios", "of the matrix product's rate", "peak MiB", "threads", "date"]
    lines = [
        "# A full step of both players",
        "",
        "Made by `python benchmarks/step.py --table`; that script says what each figure is. Images per second are",
        "medians; a ratio is how many times as fast the first way is.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for name, row in json.loads(RESULT.read_text("utf8")).items():
        speed = "; ".join(f"{way} {value:,}" for way, value in row["per_second"].items())
        conditioning = {pair: value for pair, value in row["ratios"].items() if not pair.endswith("bfloat16")}
        ratios = "; ".join(f"{pair} **{value:.2f}**" for pair, value in conditioning.items())
        memory = "; ".join(f"{way} {each['with steps']:,}" for way, each in row.get("memory", {}).items())
        cells = [name, speed, ratios, str(row.get("of_matmul", "")), memory, str(row["threads"]), row["date"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def way(precision: str) -> str:
    """What ours is called when played in this precision."""
    return "zerosum" if precision == "float32" else f"zerosum, {precision}"


def ways(row: Row) -> list[str]:
    """All that take turns in a row."""
    return [*map(way, row.precisions), "reference"]


def measure(name: str, rounds: int, peak: float, memory: dict[str, dict[str, int]]) -> None:
    """A row against its reference."""
    row, whole = ROWS[name], period(ROWS[name])
    examples = noise_images(row)
    loader = row.loader(examples)
    steps = {way(precision): ours(row, examples, precision) for precision in row.precisions}
    with Flops() as counter:
        for _ in range(whole):
            steps["zerosum"]()
    gflop = counter.total / whole / 1e9
    seconds = turns(steps | {"reference": theirs(row, examples, loader)}, rounds, whole=whole)
    rate = gflop / statistics.median(seconds["zerosum"])
    about = {"gflop": round(gflop, 2), "gflop_per_s": round(rate, 1), "of_matmul": round(rate / peak, 3)}
    said(name, seconds, row.batch, loader=loader.said, memory=memory, **about)


# ---------------------------------------------------------------------- memory


def resident() -> int:
    """MiB: the most this process has had in memory so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def remember(name: str, called: str, count: int = 4) -> None:
    """Take a few steps of a row in one way, and say what they needed."""
    row = ROWS[name]
    examples = noise_images(row)
    loader = row.loader(examples) if called == "reference" else None
    before = resident()
    precisions = {way(precision): precision for precision in row.precisions}
    step = theirs(row, examples, loader) if loader else ours(row, examples, precisions[called])
    for _ in range(count):
        step()
    print(json.dumps({"imports and data": before, "with steps": resident()}))


def remembered(name: str) -> dict[str, dict[str, int]]:
    """What processes of their own say of a row, for each way."""
    found = {}
    for called in ways(ROWS[name]):
        command = [sys.executable, __file__, "--memory", name, called]
        found[called] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found


def measure_penalties(rounds: int) -> None:
    """What R1 and R2 cost: the relativistic pair with and without."""
    row = ROWS["r3gan"]
    rows = {name: replace(row, settings={"terms": {}, **row.settings, **more}) for name, more in PENALTIES.items()}
    steps = {name: ours(each, noise_images(each)) for name, each in rows.items()}
    said("penalties", turns(steps, rounds, whole=max(map(period, rows.values()))), row.batch)


# ---------------------------------------------------------------------- operators of the style-based family


def twice(operator: Callable[..., Tensor], *inputs: Tensor) -> Step:
    """Forward, and derivatives of the derivative, as a penalty asks for."""

    def step() -> None:
        leaves = [each.detach().requires_grad_(True) for each in inputs]
        slopes = torch.autograd.grad(operator(*leaves).square().sum(), leaves, create_graph=True)
        sum(slope.square().sum() for slope in slopes).backward()  # type: ignore[union-attr]

    return step


def measure_operators(rounds: int) -> None:
    """Resampling and modulated convolution, ours against the usual form, with their second derivatives."""
    taps = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)[None, None]
    up, down = Upsample(), Downsample()
    sample = torch.randn(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    plain = sample.contiguous()
    pairs: dict[str, tuple[Step, Step, Callable[[], float]]] = {
        "up 2x": (twice(up, sample), twice(lambda x: references.zero_insert_up(x, taps), plain),
                  lambda: float((up(sample) - references.zero_insert_up(plain, taps)).abs().max())),
        "down 2x": (twice(down, sample), twice(lambda x: references.filter_drop_down(x, taps), plain),
                    lambda: float((down(sample) - references.filter_drop_down(plain, taps)).abs().max())),
    }  # fmt: skip
    for channels, side in ((32, 32), (128, 16), (512, 8)):
        inputs = (torch.randn(16, channels, side, side), torch.rand(16, channels) + 0.5,
                  torch.randn(channels, channels, 3, 3))  # fmt: skip
        last = (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])
        pairs[f"modulated convolution, {channels} channels at {side} px"] = (
            twice(modulated_conv2d, *last), twice(references.grouped, *inputs),
            lambda a=last, b=inputs: float((modulated_conv2d(*a) - references.grouped(*b)).abs().max()),
        )  # fmt: skip
    for name, (mine, usual, apart) in pairs.items():
        said(name, turns({"zerosum": mine, "usual": usual}, rounds, 0.5), len(sample), apart=apart())


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--rows", nargs="*", choices=[*ROWS, "penalties", "operators"], default=[*ROWS, "penalties", "operators"]
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--table", action="store_true", help="only write the results so far as Markdown")
    parser.add_argument("--memory", nargs=2, metavar=("ROW", "WAY"), help="only this; a way is named as in the output")
    asked = parser.parse_args()
    if asked.table:
        RESULT.with_suffix(".md").write_text(table(), "utf8")
        return
    if asked.memory:
        name, called = asked.memory
        if name not in ROWS or called not in ways(ROWS[name]):
            parser.error(f"--memory {name} {called!r}: rows and ways are { {row: ways(ROWS[row]) for row in ROWS} }")
        remember(*asked.memory)
        return
    # before anything else, since Linux charges a child with the most its parent had when it was started
    memory = {name: remembered(name) for name in asked.rows if name in ROWS}
    peak = matmul_rate()
    print(
        json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "matmul_gflop_s": round(peak, 1)})
    )
    for name in asked.rows:
        if name == "penalties":
            measure_penalties(asked.rounds)
        elif name == "operators":
            measure_operators(asked.rounds)
        else:
            measure(name, asked.rounds, peak, memory[name])


if __name__ == "__main__":
    main()
