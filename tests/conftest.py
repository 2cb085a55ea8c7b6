import collections
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from fork_server import ForkServer, RunOn
from zerosum.training import step_timer
from zerosum.workflows import tuning

torch.set_num_threads(1)  # more threads do not speed up small tensors, and slow down a busy machine

TIMING_BUDGET_SECONDS, MIN_SPEEDUP = step_timer.TIMING_BUDGET_SECONDS, tuning.MIN_SPEEDUP


SHOWN_FILES = 40


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which files take the time of the suite, of all its processes together."""
    seconds: collections.defaultdict[str, float] = collections.defaultdict(float)
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            seconds[report.location[0]] += report.duration
    terminalreporter.section(f"seconds of files, of {sum(seconds.values()):.0f}")
    for path, taken in sorted(seconds.items(), key=lambda each: -each[1])[:SHOWN_FILES]:
        terminalreporter.line(f"{taken:.0f} {path}")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["ZEROSUM_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def _quick_measurement_of_speed() -> Iterator[None]:
    """Time two steps before a training instead of many, and always choose float32, whatever the machine's load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_timer, "TIMING_BUDGET_SECONDS", 0.0)
        patch.setattr(tuning, "MIN_SPEEDUP", float("inf"))
        yield


@pytest.fixture
def measured_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure and choose the precision and the compilation as outside of tests."""
    monkeypatch.setattr(step_timer, "TIMING_BUDGET_SECONDS", TIMING_BUDGET_SECONDS)
    monkeypatch.setattr(tuning, "MIN_SPEEDUP", MIN_SPEEDUP)


@pytest.fixture(scope="session")
def run_on(_own_cache: None) -> Iterator[RunOn]:
    """Run programs on one or two ranks without their start-up: `run_on(2, "-m", "zerosum", "--help", cwd=FOLDER)`."""
    server = ForkServer()
    yield server.run_on
    server.close()


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 500 rows as a spreadsheet writes it in Europe: keys, categories, sums, dates, missing cells."""
    rng, count = np.random.default_rng(0), 500
    cities = rng.choice(["Wien", "Graz", "Linz, Nord", "Köln"], count, p=[0.5, 0.3, 0.15, 0.05])
    net, days, length = np.round(rng.gamma(2, 50, count), 2), rng.integers(0, 900, count), rng.integers(0, 60, count)
    dates = np.datetime64("2020-01-01") + np.stack([days, days + length])
    lines = ["id;city;country;net;tax;total;start;end;age;member"]
    for row in range(count):
        money = [f"{value:.2f}".replace(".", ",") for value in (net[row], 0.2 * net[row])]
        total = f"{float(money[0].replace(',', '.')) + float(money[1].replace(',', '.')):.2f}".replace(".", ",")
        start, end = ("{2}.{1}.{0}".format(*str(date).split("-")) for date in dates[:, row])
        country, age = "Deutschland" if cities[row] == "Köln" else "Österreich", int(rng.integers(18, 90))
        cells = [f"A-{row:04d}", cities[row], country, *money, total, start, end, "" if age % 8 == 0 else str(age)]
        lines.append(";".join([*cells, "yes" if net[row] > 80 else "no"]))
    path = tmp_path_factory.mktemp("table") / "customers.csv"
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return path


TABLE_SETTINGS = {
    "data.combinations": "city,country", "data.ordered": "start,end", "data.sums": "total,net,tax",
    "generator.widths": [32], "discriminator.widths": [32], "evaluation.features": "none", "diagnostics.samples": 64,
    "diagnostics.every_examples": 3_200,
    "training.precision": "float32",
}  # fmt: skip
"""Settings of a small GAN of these rows."""


@pytest.fixture(scope="session")
def trained_table(table_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the table. Tests must not write into it."""
    import zerosum

    run = tmp_path_factory.mktemp("table") / "run"
    settings = TABLE_SETTINGS
    return zerosum.train(table_file, recipe="table", run=run, examples=6_400, batch_size=64, settings=settings).path


@pytest.fixture(scope="session")
def chain_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 150 small molecules: chains of carbon, nitrogen and oxygen atoms, of which any text is a molecule."""
    from zerosum.data.molecules.chemistry import canonical_smiles

    texts = ("".join(atoms) for length in (3, 4, 5) for atoms in itertools.product("CNO", repeat=length))
    different = dict.fromkeys(canonical_smiles(text) for text in texts)
    path = tmp_path_factory.mktemp("molecules") / "chains.smi"
    path.write_text("\n".join(list(map(str, different))[:150]) + "\n")
    return path


@pytest.fixture(scope="session")
def trained_molecules(chain_file: Path) -> Path:
    """A run on small molecules that can be asked for logP. Tests must not write into it."""
    import zerosum

    settings = {
        "autoencoder.code_size": 16, "autoencoder.encoder_width": 32, "autoencoder.decoder_width": 48,
        "autoencoder.embedding_size": 16, "generator.width": 32, "discriminator.width": 32, "latent.size": 8,
        "data.properties": ["logp"], "evaluation.features": "none", "diagnostics.probe": False,
        "training.precision": "float32",
    }  # fmt: skip
    run = chain_file.parent / "run"
    return zerosum.train(chain_file, recipe="molecule", run=run, examples=9_600, batch_size=64, settings=settings).path
