"""Train a vocoder for a given time, and compare it with Griffin and Lim's algorithm on held-out sounds.

python benchmarks/vocoder.py SOUNDS RUN [--test OTHER_SOUNDS] [--budget 30m] [--recipe vocoder]

It trains a run (or takes the one that is there), translates the spectrograms of held-out sounds, and writes
RUN/vocoder.json with the distances from the recorded sounds, of the vocoder and of the baseline, and the times on one
thread; RUN/vocoder.png has spectrograms of the baseline, the vocoder and the recording.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import zerosum
from zerosum.data.dataset import as_tensor
from zerosum.evaluation.metrics.registry import find_described
from zerosum.inference.load import load_translator, read_recipe
from zerosum.inference.translator import Translator
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_pairs import (
    TranslationSet,
    compute_paired_scores,
    load_translation_data,
    save_example_grid,
)

LOWER_IS_BETTER = {metric.name for metric in find_described() if metric.lower_is_better}
TIMED_SOUNDS = 16
"""Sounds whose translation is timed one by one."""


def measure_times(translator: Translator, sounds: TranslationSet) -> dict[str, float]:
    """Return the seconds of computing for each second of sound on one thread, of the translator and of the baseline."""
    codec, torch_threads = sounds.dataset.codec, torch.get_num_threads()
    torch.set_num_threads(1)
    count = min(TIMED_SOUNDS, len(sounds.indices))
    inputs, targets = sounds.inputs(range(count)), as_tensor(sounds.targets(range(count)))
    spec = sounds.dataset.spec
    seconds = targets.shape[-1] / spec.rate * count
    times = {}
    methods = {"vocoder": translator, "baseline": lambda one: codec.baseline(one, tuple(spec.shape))}
    for name, method in methods.items():
        method(inputs[:1])
        start = time.process_time()
        for index in range(count):
            method(inputs[index : index + 1])
        times[name] = (time.process_time() - start) / seconds
    torch.set_num_threads(torch_threads)
    return times


def compare(run: Path, test: str, reporter: Reporter) -> dict[str, object]:
    """Return the distances and times of a run on held-out sounds, or on all of another folder."""
    folder, translator = RunFolder.open(run), load_translator(run, "cpu")
    _, sounds = load_translation_data(folder, read_recipe(folder), test, bool(test), False, reporter)
    scores = compute_paired_scores(translator, sounds, reporter)
    save_example_grid(translator, sounds, run / "vocoder.png")
    return {
        "sounds": len(sounds.indices),
        "source": sounds.dataset.summary.source,
        "baseline": sounds.dataset.baseline_name,
        "examples": int(translator.checkpoint),
        "scores": scores,
        "seconds_per_second": measure_times(translator, sounds),
    }


def print_results(results: dict[str, object]) -> None:
    """Print a line for each metric, and the times."""
    scores, times = results["scores"], results["seconds_per_second"]
    assert isinstance(scores, dict), "a table by metric"
    assert isinstance(times, dict), "a table by method"
    print(f"{results['sounds']} sounds of {results['source']}, after {results['examples']:,} examples")
    for name, score in scores.items():
        gain = f"smaller by {1 - score['value'] / score['input']:.0%}" if name in LOWER_IS_BETTER else ""
        print(f"  {name:<22} {score['value']:8.3f}  {results['baseline']} {score['input']:8.3f}  {gain}".rstrip())
    print(f"  seconds of computing a second of sound: {times['vocoder']:.3f}, baseline {times['baseline']:.3f}")


def main() -> None:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", help="the folder of training sounds")
    parser.add_argument("run", type=Path, help="the run folder, which is trained if there is none")
    parser.add_argument("--test", default="", help="a folder of other sounds; without it, the held-out ones")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--recipe", default="vocoder")
    parser.add_argument("--size", default="nano")
    given = parser.parse_args()
    if not (given.run / "recipe.toml").exists():
        zerosum.train(given.sounds, recipe=given.recipe, size=given.size, budget=given.budget, run=given.run)
    results = compare(given.run, given.test, SilentReporter())
    (given.run / "vocoder.json").write_text(json.dumps(results, indent=1), "utf8")
    print_results(results)


if __name__ == "__main__":
    main()
