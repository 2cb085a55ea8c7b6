"""Train a peer of benchmarks/tables.py on a CSV file for a given CPU time, and write its samples.

    PYTHON benchmarks/tables_peer.py METHOD TRAIN.csv METADATA.json FOLDER --seconds 300 --rows 17874 --seed 0

This file stands alone: it runs by the python of the peers' own virtual environment (`python3 -m venv PEERS;
PEERS/bin/pip install ctgan==0.12.1 sdv==2.0.0`), and uses SDV's documented API alone. METHOD is `ctgan`, `tvae` or
`gaussian-copula`, with its default settings but the number of epochs, which is as many as take the given CPU seconds,
preparation included: two runs of 1 and 6 epochs, not counted, tell the cost of both, unless `--epochs` says how many. A
copula takes the seconds that it takes. Writes FOLDER/samples.csv and FOLDER/peer.json.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.single_table import CTGANSynthesizer, GaussianCopulaSynthesizer, TVAESynthesizer

CALIBRATION_EPOCHS = (1, 1, 6)
"""Epochs of the runs before; the first only pays what is paid once in a process."""
EPOCH_METHODS: dict[str, Callable[..., CTGANSynthesizer | TVAESynthesizer]] = {
    "ctgan": CTGANSynthesizer,
    "tvae": TVAESynthesizer,
}
COPULA = "gaussian-copula"
Tables = dict[str, pd.DataFrame]
"""SDV takes and returns tables by name; here one."""


def fit_seconds(synthesizer: CTGANSynthesizer | TVAESynthesizer | GaussianCopulaSynthesizer, tables: Tables,
                seed: int) -> float:  # fmt: skip
    """Train a synthesizer and return the CPU seconds of it."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    start = time.process_time()
    synthesizer.fit(tables)
    return time.process_time() - start


def num_epochs(build: Callable[..., CTGANSynthesizer | TVAESynthesizer], metadata: Metadata, tables: Tables,
               seconds: float) -> int:  # fmt: skip
    """Return how many epochs take this many CPU seconds with the preparation before them."""
    _, few, more = CALIBRATION_EPOCHS
    _, first, second = (
        fit_seconds(build(metadata, epochs=epochs, enable_gpu=False), tables, seed=0) for epochs in CALIBRATION_EPOCHS
    )
    epoch = (second - first) / (more - few)
    return max(1, math.ceil((seconds - (first - few * epoch)) / epoch))


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=[*EPOCH_METHODS, COPULA])
    parser.add_argument("train", type=Path)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=0, help="by default as many as take --seconds")
    return parser.parse_args()


def main() -> None:
    """Train, sample, and write the samples and what it took."""
    options = parse_arguments()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as Zerosum does; without it, TVAE takes five times as long on an Intel Xeon
    metadata = Metadata.load_from_dict(json.loads(options.metadata.read_text("utf8")))
    [name] = metadata.tables
    tables = {name: pd.read_csv(options.train)}
    epochs = options.epochs
    if options.method == COPULA:
        synthesizer = GaussianCopulaSynthesizer(metadata)
    else:
        build = EPOCH_METHODS[options.method]
        epochs = epochs or num_epochs(build, metadata, tables, options.seconds)
        synthesizer = build(metadata, epochs=epochs, enable_gpu=False)
    seconds = fit_seconds(synthesizer, tables, options.seed)
    synthesizer.sample(options.rows)[name].to_csv(options.folder / "samples.csv", index=False)
    versions = {name: version(name) for name in ("ctgan", "sdv", "copulas", "torch")}
    result = {"cpu_seconds": seconds, "epochs": epochs, "versions": versions}
    (options.folder / "peer.json").write_text(json.dumps(result) + "\n", "utf8")


if __name__ == "__main__":
    main()
