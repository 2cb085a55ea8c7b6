"""Train a vocoder for a given time, and compare it with Griffin and Lim's algorithm on held-out sounds.

    python benchmarks/vocoder.py NAME SOUNDS RUN [--test OTHER_SOUNDS] [--budget 30m]
    python benchmarks/vocoder.py --draw                  # only the page

It trains a run (or takes the one that is there) and translates the spectrograms of held-out sounds. The distances from
the recorded sounds and the times on one thread, of about a minute of joined sounds, go to benchmarks/vocoder.json by
NAME, and a page of all of them to benchmarks/vocoder.md. RUN/vocoder.png has spectrograms of the baseline, the vocoder
and the recording.

Two references say how near a sound can come that has only the spectrogram to go by. Both have the magnitudes that its
bands leave open: *recorded phases* adds the phases of the recording, which no vocoder knows; *noise* is Gaussian noise
filtered to have them, another draw of a sound that is such noise.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import zerosum
from zerosum.data.dataset import as_tensor
from zerosum.evaluation.evaluator import evaluation_kind
from zerosum.game.mel_filters import from_unit
from zerosum.inference.load import load_translator, read_recipe
from zerosum.inference.translator import Translator, batch_ranges
from zerosum.networks.vocos import SpectrogramVocoder
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_pairs import (
    TranslationSet,
    compute_paired_scores,
    load_translation_data,
    save_example_grid,
)

HERE = Path(__file__).parent
RESULT, PAGE = HERE / "vocoder.json", HERE / "vocoder.md"
Table = dict[str, float]
TIMED_SECONDS = 60
"""About how long the sound is whose translation is timed: sounds of a second would be mostly ends."""
BATCH_SIZE = 16
COMPARED = {
    "mel_l1": "log-mel spectrogram, dB", "multi_resolution_stft": "multi-resolution STFT",
    "mel_cepstral": "mel cepstrum, dB",
}  # fmt: skip
"""Metrics of the page."""


def measure_times(translator: Translator, sounds: TranslationSet) -> dict[str, float]:
    """Return the seconds of computing for each second of sound on one thread, of the translator and of the baseline.

    Both make one sound of the joined inputs of `TIMED_SECONDS`, or of all there are.
    """
    dataset, torch_threads = sounds.dataset, torch.get_num_threads()
    torch.set_num_threads(1)
    spec = dataset.spec
    seconds = spec.shape[-1] / spec.rate
    count = min(math.ceil(TIMED_SECONDS / seconds), len(sounds.indices))
    inputs = sounds.inputs(range(count))
    joined = torch.cat(list(inputs), -1)[None]
    times = {}
    methods = {"vocoder": translator, "baseline": lambda one: dataset.baseline(one, tuple(spec.shape))}
    for name, method in methods.items():
        method(inputs[:1])
        start = time.process_time()
        method(joined)
        times[name] = (time.process_time() - start) / (count * seconds)
    torch.set_num_threads(torch_threads)
    return times


def measure_references(network: SpectrogramVocoder, sounds: TranslationSet) -> dict[str, Table]:
    """Return the distances of the references from the recordings, by metric."""
    random = torch.Generator().manual_seed(0)
    dataset = sounds.dataset
    metrics = {name: evaluation_kind(dataset).pair_metrics(dataset) for name in ("recorded phases", "noise")}
    for rows in batch_ranges(len(sounds.indices), BATCH_SIZE):
        targets = as_tensor(sounds.targets(rows))
        frames = torch.nn.functional.pad(sounds.inputs(rows), (0, 1), mode="replicate").flip(1)
        magnitudes = network.bands.guess_magnitudes(from_unit(frames))
        phases = network.transform.spectrum(targets[:, 0]).angle()
        white = network.transform.spectrum(torch.randn(targets[:, 0].shape, generator=random))
        noise = white * magnitudes / network.transform.hann.square().sum().sqrt()
        spectra = {"recorded phases": torch.polar(magnitudes, phases), "noise": noise}
        for name, one in spectra.items():
            metrics[name].update(network.transform.waves(one)[:, None], targets)
    groups = dataset.content_hashes[sounds.indices]
    return {
        name: {metric: value for metric, (value, _) in one.compute(groups).items()} for name, one in metrics.items()
    }


def compare(run: Path, test: str, reporter: Reporter) -> dict[str, object]:
    """Return the distances and times of a run on held-out sounds, or on all of another folder."""
    folder, translator = RunFolder.open(run), load_translator(run, "cpu")
    _, sounds = load_translation_data(folder, read_recipe(folder), test, bool(test), False, reporter)
    scores = compute_paired_scores(translator, sounds, reporter)
    save_example_grid(translator, sounds, run / "vocoder.png")
    assert isinstance(translator.network, SpectrogramVocoder), "a run of the recipe `vocoder`"
    return {
        "sounds": len(sounds.indices),
        "baseline": sounds.dataset.baseline_name,
        "examples": int(translator.checkpoint),
        "training_seconds": json.loads((run / "status.json").read_text("utf8"))["seconds"],
        "scores": scores,
        "references": measure_references(translator.network, sounds),
        "seconds_per_second": measure_times(translator, sounds),
    }


def read_results() -> dict[str, dict[str, Any]]:
    """Return the results by name."""
    results: dict[str, dict[str, Any]] = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    return results


def rows(result: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Return the lines of a table: a name and the distances by metric."""
    scores = result["scores"]
    own, baseline = ({name: score[key] for name, score in scores.items()} for key in ("value", "input"))
    gain = {name: 1 - own[name] / baseline[name] for name in COMPARED}
    return [("vocoder", own), ("baseline", baseline), ("smaller by", gain), *result["references"].items()]


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page in Markdown."""
    lines = ["# Vocoders", "", "Made by `python benchmarks/vocoder.py` from `benchmarks/vocoder.json`; the script says"]
    lines += ["what the lines are. Distances are from held-out recordings: smaller is better.", ""]
    for name, result in results.items():
        times = result["seconds_per_second"]
        lines += [
            f"## {name}", "",
            f"{result['examples']:,} examples in {result['training_seconds']:,.0f} s; {result['sounds']} held-out "
            f"sounds. A second of sound takes "
            f"{times['vocoder']:.3f} s on one thread, and {times['baseline']:.3f} s of the baseline, "
            f"{result['baseline']}.", "",
            f"| | {' | '.join(COMPARED.values())} |", "|---|" + "---|" * len(COMPARED),
        ]  # fmt: skip
        for label, values in rows(result):
            number = "{:.0%}" if label == "smaller by" else "{:.3f}"
            lines.append(f"| {label} | " + " | ".join(number.format(values[metric]) for metric in COMPARED) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="of the result")
    parser.add_argument("sounds", nargs="?", help="the folder of training sounds")
    parser.add_argument("run", nargs="?", type=Path, help="the run folder, which is trained if there is none")
    parser.add_argument("--test", default="", help="a folder of other sounds; without it, the held-out ones")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--draw", action="store_true", help="only write the page")
    given = parser.parse_args()
    if not given.draw:
        if given.run is None:
            parser.error("give NAME, SOUNDS and RUN, or --draw")
        if not (given.run / "recipe.toml").exists():
            zerosum.train(given.sounds, recipe="vocoder", size="nano", budget=given.budget, run=given.run)
        result = compare(given.run, given.test, SilentReporter())
        RESULT.write_text(json.dumps(read_results() | {given.name: result}, indent=1) + "\n", "utf8")
    PAGE.write_text(page(read_results()), "utf8")
    print(PAGE.read_text("utf8"))


if __name__ == "__main__":
    main()
