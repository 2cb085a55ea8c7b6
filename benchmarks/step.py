"""Time a full step of both players: Zerosum and the peers' loops on the same networks, data and batch size.

    python benchmarks/step.py [--rows dcgan mlp mlp-tensors wgan-gp r3gan penalties operators lsgan ...] [--rounds 9]
    python benchmarks/step.py --memory dcgan reference       # MiB of a process that only takes such steps

The variants of a row alternate, block by block, in one process; figures are medians over the blocks. "reference" is the
loop of the paper's well-known code (`references.py`, which also says what differs): float32 data from a DataLoader,
zero_grad on both networks, `detach`, gradients of the discriminator's parameters in the generator's step, Adam with
PyTorch's defaults, and an EMA in a loop over parameters if that code has one. Zerosum is
`zerosum.training.loop.play_round` on the same shapes, with the generator's EMA, in float32 and, in the rows `dcgan`,
`mlp` and `mlp-tensors`, in bfloat16 too. "step" is the time of a round per image of the generator. Rates are compared
with the machine's own matrix product.

In the row `mlp` the reference loads images as PyTorch-GAN's gan.py does, by torchvision if it is installed ("loader"
says so); `mlp-tensors` is the same without Pillow images. `dcgan` uses the cheaper loader, which favors the peer: the
two workers of pytorch/examples would take their time from training. `peers.py` times the original scripts.

The rows of the family are recipes at size nano, with its batch size and number of discriminator steps, for 32 px in
color, against `references_family.py`. progan is fully grown; stylegan2 has the path length term of size base, and new
fakes for each player, as there. Where terms are lazy, whole periods of them are timed.

"memory" is the peak resident memory in MiB of a process of its own: with imports and data, and after a few steps.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import references
import torch
from references import Step
from step_rows import (
    PENALTIES,
    ROWS,
    make_noise_dataset,
    period,
    reference_step,
    variant_name,
    variant_names,
    zerosum_step,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zerosum.networks.layers import Downsample, Upsample
from zerosum.networks.modulated_conv import modulated_conv2d

RESULT = Path(__file__).with_suffix(".json")
ALL_ROWS = [*ROWS, "penalties", "operators"]


# ---------------------------------------------------------------------- alternation


class Flops(TorchDispatchMode):
    """Count the operations of convolutions and matrix products. (PyTorch's own counter fails inside autograd.grad.)"""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator, and add its operations."""
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def matmul_rate(seconds: float = 1.0) -> float:
    """Return the GFLOP/s of a large float32 matrix product: the maximum rate of this machine."""
    a = torch.randn(2048, 2048)
    best, start_time = 0.0, time.perf_counter()
    while time.perf_counter() - start_time < seconds:
        product_start_time = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - product_start_time) / 1e9)
    return best


def time_alternately(
    steps: dict[str, Step], rounds: int, block_seconds: float = 1.0, multiple: int = 1
) -> dict[str, list[float]]:
    """Return the seconds per step of each variant in alternating blocks, each of a multiple of `multiple` steps."""
    counts = {}
    for name, step in steps.items():
        step()
        start_time = time.perf_counter()
        for _ in range(multiple):
            step()
        counts[name] = multiple * max(1, round(block_seconds / (time.perf_counter() - start_time)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start_time = time.perf_counter()
            for _ in range(counts[name]):
                step()
            seconds[name].append((time.perf_counter() - start_time) / counts[name])
    return seconds


def record_row(name: str, seconds: dict[str, list[float]], batch_size: int, **context: object) -> None:
    """Print and record a row: median speeds, and how many times as fast each variant is as those named after it."""
    medians = {variant: statistics.median(times) for variant, times in seconds.items()}
    ratios = {f"{a} over {b}": round(medians[b] / medians[a], 3) for a, b in combinations(medians, 2)}
    speed = {variant: round(batch_size / value, 1) for variant, value in medians.items()}
    spread = {variant: [round(min(times), 5), round(max(times), 5)] for variant, times in seconds.items()}
    record = {"row": name, "per_second": speed, "ratios": ratios, "seconds": spread, **context}
    record |= {"threads": torch.get_num_threads(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(record), flush=True)
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(results | {name: record}, indent=1) + "\n", "utf8")


def table() -> str:
    """Return the page as Markdown, made from the results alone."""
    columns = ["row", "images per second", "ratios", "of the matrix product's rate", "peak MiB", "threads", "date"]
    lines = [
        "# A full step of both players",
        "",
        "Made by `python benchmarks/step.py --table`; the script explains each figure. Images per second are medians;",
        "a ratio is how many times as fast the first variant is.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for name, row in json.loads(RESULT.read_text("utf8")).items():
        speed = "; ".join(f"{variant} {value:,}" for variant, value in row["per_second"].items())
        shown_ratios = {pair: value for pair, value in row["ratios"].items() if not pair.endswith("bfloat16")}
        ratios = "; ".join(f"{pair} **{value:.2f}**" for pair, value in shown_ratios.items())
        memory = "; ".join(f"{variant} {peak['with steps']:,}" for variant, peak in row.get("memory", {}).items())
        cells = [name, speed, ratios, str(row.get("of_matmul", "")), memory, str(row["threads"]), row["date"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measure(name: str, rounds: int, peak_rate: float, memory: dict[str, dict[str, int]]) -> None:
    """Time a row against its reference."""
    row, multiple = ROWS[name], period(ROWS[name])
    dataset = make_noise_dataset(row)
    loader = row.loader(dataset)
    steps = {variant_name(precision): zerosum_step(row, dataset, precision) for precision in row.precisions}
    with Flops() as counter:
        for _ in range(multiple):
            steps["zerosum"]()
    gflop = counter.total / multiple / 1e9
    seconds = time_alternately(steps | {"reference": reference_step(row, dataset, loader)}, rounds, multiple=multiple)
    rate = gflop / statistics.median(seconds["zerosum"])
    rates = {"gflop": round(gflop, 2), "gflop_per_s": round(rate, 1), "of_matmul": round(rate / peak_rate, 3)}
    record_row(name, seconds, row.batch_size, loader=loader.description, memory=memory, **rates)


# ---------------------------------------------------------------------- memory


def peak_memory() -> int:
    """Return the peak resident memory of this process so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def print_memory(name: str, variant: str, count: int = 4) -> None:
    """Take a few steps of one variant of a row, and print the peak memory before and after."""
    row = ROWS[name]
    dataset = make_noise_dataset(row)
    loader = row.loader(dataset) if variant == "reference" else None
    before = peak_memory()
    precisions = {variant_name(precision): precision for precision in row.precisions}
    step = reference_step(row, dataset, loader) if loader else zerosum_step(row, dataset, precisions[variant])
    for _ in range(count):
        step()
    print(json.dumps({"imports and data": before, "with steps": peak_memory()}))


def measure_memory(name: str) -> dict[str, dict[str, int]]:
    """Return the memory of each variant of a row, measured in a process of its own."""
    results = {}
    for variant in variant_names(ROWS[name]):
        command = [sys.executable, __file__, "--memory", name, variant]
        results[variant] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return results


def measure_penalties(rounds: int) -> None:
    """Measure the cost of R1 and R2: the relativistic pair with and without them."""
    row = ROWS["r3gan"]
    rows = {name: replace(row, settings={"terms": {}, **row.settings, **more}) for name, more in PENALTIES.items()}
    steps = {name: zerosum_step(changed, make_noise_dataset(changed)) for name, changed in rows.items()}
    seconds = time_alternately(steps, rounds, multiple=max(map(period, rows.values())))
    record_row("penalties", seconds, row.batch_size)


# ---------------------------------------------------------------------- operators of the style-based family


def double_backward(operator: Callable[..., Tensor], *inputs: Tensor) -> Step:
    """Return a step with a forward pass and second derivatives, as a gradient penalty needs them."""

    def step() -> None:
        leaves = [tensor.detach().requires_grad_(True) for tensor in inputs]
        gradients = torch.autograd.grad(operator(*leaves).square().sum(), leaves, create_graph=True)
        sum((gradient.square().sum() for gradient in gradients), start=torch.zeros(())).backward()

    return step


def measure_operators(rounds: int) -> None:
    """Time resampling and modulated convolution against the usual implementations, with second derivatives."""
    taps = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)[None, None]
    up, down = Upsample(), Downsample()
    sample = torch.randn(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    contiguous = sample.contiguous()

    def usual_up(x: Tensor) -> Tensor:
        return references.zero_insert_upsample(x, taps)

    def usual_down(x: Tensor) -> Tensor:
        return references.filter_downsample(x, taps)

    Operator = Callable[..., Tensor]
    pairs: dict[str, tuple[Operator, tuple[Tensor, ...], Operator, tuple[Tensor, ...]]] = {
        "up 2x": (up, (sample,), usual_up, (contiguous,)),
        "down 2x": (down, (sample,), usual_down, (contiguous,)),
    }
    for channels, side in ((32, 32), (128, 16), (512, 8)):
        inputs = (torch.randn(16, channels, side, side), torch.rand(16, channels) + 0.5,
                  torch.randn(channels, channels, 3, 3))  # fmt: skip
        channels_last = (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])
        pairs[f"modulated convolution, {channels} channels at {side} px"] = (
            modulated_conv2d, channels_last, references.grouped_modulated_conv2d, inputs
        )  # fmt: skip
    for name, (ours, our_inputs, usual, usual_inputs) in pairs.items():
        steps = {"zerosum": double_backward(ours, *our_inputs), "usual": double_backward(usual, *usual_inputs)}
        seconds = time_alternately(steps, rounds, 0.5)
        difference = float((ours(*our_inputs) - usual(*usual_inputs)).detach().abs().max())
        record_row(name, seconds, len(sample), max_difference=difference)


def main() -> None:
    """Measure the given rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", choices=ALL_ROWS, default=ALL_ROWS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--table", action="store_true", help="only write the results as Markdown")
    parser.add_argument("--memory", nargs=2, metavar=("ROW", "VARIANT"), help="only print the memory of one variant")
    options = parser.parse_args()
    if options.table:
        RESULT.with_suffix(".md").write_text(table(), "utf8")
        return
    if options.memory:
        name, variant = options.memory
        if name not in ROWS or variant not in variant_names(ROWS[name]):
            names = {row: variant_names(ROWS[row]) for row in ROWS}
            parser.error(f"--memory {name} {variant!r}: the rows and their variants are {names}")
        print_memory(name, variant)
        return
    # first of all, because Linux counts the parent's peak memory at the start of a child as the child's
    memory = {name: measure_memory(name) for name in options.rows if name in ROWS}
    peak_rate = matmul_rate()
    context = {"torch": torch.__version__, "threads": torch.get_num_threads(), "matmul_gflop_s": round(peak_rate, 1)}
    print(json.dumps(context))
    for name in options.rows:
        if name == "penalties":
            measure_penalties(options.rounds)
        elif name == "operators":
            measure_operators(options.rounds)
        else:
            measure(name, options.rounds, peak_rate, memory[name])


if __name__ == "__main__":
    main()
