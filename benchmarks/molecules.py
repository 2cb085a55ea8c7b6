"""New molecules: train on MOSES's training molecules for an hour, and measure what comes out.

    python benchmarks/molecules.py FOLDER DATA [--minutes 60] [--samples 30000]
    python benchmarks/molecules.py FOLDER DATA --run RUN        # measure a run that there is
    python benchmarks/molecules.py FOLDER DATA --draw           # only the page

DATA holds train.smi, test.smi and test_scaffolds.smi of MOSES (Polykovskiy et al. 2020, arXiv:1811.12823), one SMILES a
line. All is done by what users have: `zerosum train`, `zerosum evaluate` against both test sets, `zerosum.load`,
`zerosum optimize`. Results go to benchmarks/molecules.json, the page to benchmarks/molecules.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from molecules_page import page
from references_charrnn import measure_charrnn

import zerosum
from zerosum.cli.console import LineReporter
from zerosum.data.molecules.chemistry import canonical_smiles, parse_smiles
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.properties import PROPERTIES
from zerosum.game import seeded_rng
from zerosum.networks.autoencoder import DecodedGenerator
from zerosum.networks.sequence_autoencoder import RecurrentAutoencoder

HERE = Path(__file__).parent
RESULT, PAGE = HERE / "molecules.json", HERE / "molecules.md"
REFERENCES = {"test": "test.smi", "scaffolds": "test_scaffolds.smi"}
REBUILT = 2_000
"""Molecules of the test set that are encoded and decoded."""
NOISES = (0.0, 0.3)
"""Standard deviations of noise on their codes."""
WANTED: Sequence[Mapping[str, float]] = ({"logp": 1}, {"logp": 2}, {"logp": 3}, {"logp": 4}, {"qed": 0.92})
STEERED = 1_000
"""Samples for each wish."""
OPTIMIZED, OPTIMIZE_SECONDS = 100, 240.0
CHARRNN_SECONDS = 60.0

Record = dict[str, object]


def measure_scores(run: Path, data: Path, samples: int) -> Record:
    """Return the scores of first draws against each test set, next to their floors and to Gaussian codes."""
    scores: Record = {}
    for name, file in REFERENCES.items():
        start = time.perf_counter()
        row = zerosum.evaluate(run, data=data / file, num_samples=samples, reporter=LineReporter())
        scores[name] = {"scores": row["scores"], "baseline": row["baseline"], "protocol": row["protocol_description"],
                        "seconds": time.perf_counter() - start}  # fmt: skip
    return scores


@torch.no_grad()
def measure_rebuilding(run: Path, data: Path) -> list[Record]:
    """Return how many molecules of the test set are rebuilt exactly from their codes, and are valid, with noise."""
    generator = zerosum.load(run)
    network, codec = generator.network, generator.codec
    assert isinstance(network, DecodedGenerator)
    assert isinstance(codec, MoleculeCodec)
    coder = network.autoencoder
    assert isinstance(coder, RecurrentAutoencoder)
    lines = (data / REFERENCES["test"]).read_text(encoding="utf8").split()[:REBUILT]
    texts = [text for line in lines if (text := canonical_smiles(line))]
    raw, known = codec.encode_smiles(texts)
    texts = [text for text, is_known in zip(texts, known, strict=True) if is_known]
    codes = coder.encode(torch.from_numpy(raw[known].astype(np.int64)))
    seeds = seeded_rng.derive_seeds(0, 0, len(codes))
    results: list[Record] = []
    own_temperature = coder.temperature
    for noise in NOISES:
        coder.decoding_noise = noise
        condition = codec.give_nothing(len(codes))
        for temperature in (0.0, own_temperature):
            coder.set_temperature(temperature)
            drawn = codec.decode(coder.decode(codes, seeds, condition), seeds)
            exact = np.mean([canonical_smiles(own) == text for own, text in zip(drawn.tolist(), texts, strict=True)])
            valid = 1 - codec.find_invalid(drawn).mean()
            results.append({"noise": noise, "temperature": temperature, "exact": float(exact), "valid": float(valid)})
    return results


def measure_steering(run: Path) -> list[Record]:
    """Return what samples that were asked for a property are like: first draws."""
    generator = zerosum.load(run)
    results: list[Record] = []
    for wanted in WANTED:
        ((name, value),) = wanted.items()
        condition = generator.choose_conditions(wanted, STEERED)
        texts = generator.decode(generator.draw_samples(STEERED, condition=condition, batch_size=500)).tolist()
        molecules = [molecule for text in texts if (molecule := parse_smiles(text)) is not None]
        got = np.array([PROPERTIES[name](molecule) for molecule in molecules])
        unique = {canonical_smiles(text) for text in texts} - {None}
        results.append({
            "property": name, "asked": value, "mean": got.mean(), "deviation": got.std(),
            "error": np.abs(got - value).mean(), "valid": len(molecules) / STEERED,
            "unique": len(unique) / max(1, len(molecules)),
        })  # fmt: skip
    return results


def measure_optimizing(run: Path, folder: Path) -> Record:
    """Return what a search for new molecules of high drug-likeness finds, and in which time."""
    import csv

    start = time.perf_counter()
    out = zerosum.optimize(run, "qed", keep="sa<=3", num_samples=OPTIMIZED, seconds=OPTIMIZE_SECONDS,
                           into=folder / f"optimized-{int(time.time())}")  # fmt: skip
    seconds = time.perf_counter() - start
    with (out / "samples.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = {name: np.array([float(row[name]) for row in rows]) for name in ("qed", "sa")}
    return {
        "count": len(rows), "seconds": seconds, "least_qed": scores["qed"].min(), "mean_qed": scores["qed"].mean(),
        "largest_sa": scores["sa"].max(), "novel": sum(row["novel"] == "yes" for row in rows),
        "diversity": internal_diversity([row["smiles"] for row in rows]),
    }  # fmt: skip


def internal_diversity(texts: Sequence[str]) -> float:
    """Return 1 minus the mean Tanimoto similarity of all pairs, of Morgan fingerprints of radius 2 and 1,024 bits."""
    from rdkit import DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    prints = [make.GetFingerprint(parse_smiles(text)) for text in texts]
    return 1 - float(np.mean([np.mean(DataStructs.BulkTanimotoSimilarity(one, prints)) for one in prints]))


def measure_speed(run: Path) -> Record:
    """Return how many examples a second training saw in each stage, and how many samples a second are drawn."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf8").splitlines()]
    first = [row["examples_per_second"] for row in rows if "autoencoder/reconstruction" in row]
    second = [row["examples_per_second"] for row in rows if "generator/objective" in row]
    generator = zerosum.load(run)
    start = time.perf_counter()
    generator.decode(generator.draw_samples(2_000, batch_size=500))
    per_second = 2_000 / (time.perf_counter() - start)
    return {
        "autoencoder_examples_per_second": float(np.median(first)),
        "game_examples_per_second": float(np.median(second)), "samples_per_second": per_second,
        "examples": rows[-1]["examples"], "seconds": rows[-1]["seconds"],
    }  # fmt: skip


def main() -> None:
    """Train where no run is given, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--samples", type=int, default=30_000)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument(
        "--only", nargs="+", choices=["rebuilding", "steering", "speed", "charrnn", "optimizing", "scores"]
    )
    arguments = parser.parse_args()
    result: Record = json.loads(RESULT.read_text(encoding="utf8")) if RESULT.exists() else {}
    if not arguments.draw:
        run = arguments.run or arguments.folder / "run"
        if not run.exists():
            zerosum.train(arguments.data / "train.smi", run=run, budget=f"{arguments.minutes:g}m",
                          reporter=LineReporter())  # fmt: skip
        steps: Mapping[str, Callable[[], object]] = {
            "rebuilding": lambda: measure_rebuilding(run, arguments.data),
            "steering": lambda: measure_steering(run),
            "speed": lambda: measure_speed(run),
            "charrnn": lambda: measure_charrnn(arguments.data / "train.smi", CHARRNN_SECONDS),
            "optimizing": lambda: measure_optimizing(run, arguments.folder),
            "scores": lambda: measure_scores(run, arguments.data, arguments.samples),
        }
        for name in arguments.only or steps:
            result[name] = steps[name]()
            result |= {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
                       "date": datetime.date.today().isoformat()}  # fmt: skip
            RESULT.write_text(json.dumps(result, indent=1, default=float) + "\n", encoding="utf8")
    PAGE.write_text(page(result), encoding="utf8")


if __name__ == "__main__":
    main()
