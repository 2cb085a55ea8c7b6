"""The functions of a script without Zerosum decode, write and encode rows exactly as the codec does."""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.load import load_table
from zerosum.game import seeded_rng
from zerosum.inference.export.source import SCRIPTS
from zerosum.media.script import render
from zerosum.media.tables import TABLE_MEDIA

COUNT, FIRST = 200, 5
Namespace = dict[str, object]


def write_table(path: Path) -> Path:
    """Write a table with columns of all kinds and notations, with a mark of its encoding."""
    rng = np.random.default_rng(0)
    lines = ["id;key;low;high;from;to;city;country;rare;amount;exact;sci;percent;zeros;when;month;account;const;total;"
             "net;tax;note"]  # fmt: skip
    for row in range(500):
        low, day = rng.normal(50, 20), date(2020, 1, 1) + timedelta(days=int(rng.integers(0, 900)))
        tax = 50 + row * 130 % 1_900
        net = min(100 + row * 3_701 % 8_900, 9_000 - tax)
        city, country = (("Linz, Nord", "A"), ("Wien", "A"), ("Bonn", ""), ("", ""))[rng.integers(4)]
        amount = f"{rng.lognormal(8, 1):,.2f}".translate(str.maketrans(",.", ".,")) if rng.random() > 0.1 else "n.a."
        cells = [
            f"A-{row:05d}", f"{rng.integers(2**31):08x}-{row:04x}", f"{low:.2f}".replace(".", ","),
            f"{low + rng.exponential(9):.1f}".replace(".", ",") if row else "999,5", f"{day:%d.%m.%Y}",
            f"{day + timedelta(days=int(rng.integers(0, 50))):%d.%m.%Y}", city, country, f"item {row % 400}", amount,
            f"{rng.normal():.12g}".replace(".", ","), f"{rng.lognormal(0, 5):.3e}".replace(".", ","),
            f"{rng.integers(0, 90)}%",
            str((count := int(rng.poisson(3) * (rng.random() > 0.5) * rng.integers(1, 99))) + 500 * (count > 0)),
            f"{datetime(2020, 1, 1) + timedelta(seconds=int(rng.integers(90_000_000))):%d %b %Y %H:%M:%S}".upper(),
            f"{day + timedelta(days=40):%m/%Y}", f"({row % 90})" if row % 3 else str(row), "x",
            *(f"{value / 100:.2f}".replace(".", ",") for value in (net + tax, net)),
            f"{tax / 100:.1f}".replace(".", ","),
            f"a long text about number {row} and about {rng.integers(10**9)}, of which no two are the same at all",
        ]  # fmt: skip
        lines.append(";".join(cells))
    path.write_text("\n".join(lines) + "\n", "utf-8-sig")
    return path


@pytest.fixture(scope="module", params=[True, False], ids=["constraints", "none"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TableCodec:
    path = write_table(tmp_path_factory.mktemp("rows") / "rows.csv")
    constraints = (
        {"combinations": "city,country", "ordered": "low,high; from,to", "sums": "total,net,tax"}
        if request.param
        else {}
    )
    loaded = load_table(TableDataConfig.model_validate({"source": str(path), **constraints}), LoadOptions()).codec
    assert isinstance(loaded, TableCodec)
    return loaded


@pytest.fixture(scope="module")
def script(codec: TableCodec, tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """The functions of the script."""
    part = TABLE_MEDIA.sample_script(codec)
    inputs = {"values": {"shape": ["batch", *codec.spec.shape]}, "known": {"shape": ["batch", len(codec.spec.blocks)]}}
    functions = f"{part.source}\n\n\n{part.given_source}"
    text = render((SCRIPTS / "generator.py.txt").read_text(), part.words | {"normal", "given"}, {
        "imports": "", "functions": functions, "packages": "", "given": part.given_example,
    })  # fmt: skip
    folder = tmp_path_factory.mktemp("script")
    (folder / "config.json").write_text(json.dumps({**part.facts, "inputs": inputs}))
    namespace: Namespace = {"__file__": str(folder / "infer.py"), "__name__": "script"}
    exec(compile(text, "infer.py", "exec"), namespace)
    assert {"re": re, "math": math, "NormalDist": NormalDist}.items() <= namespace.items()
    return namespace


def call(script: Namespace, name: str, *arguments: object) -> object:
    function = script[name]
    assert callable(function)
    return function(*arguments)


@pytest.mark.parametrize(
    "given",
    [{}, {"city": "Linz, Nord", "exact": "0,5"}, {"from": "03.02.2020", "to": "05.02.2020", "zeros": "0"},
     {"net": "85,00"}, {"total": "20,00", "net": "18,00"},
     {"zeros": "130"}, {"zeros": "400"}, {"month": "03/2021", "account": "(15)"},
     {"country": "A", "low": "40,00", "rare": "item 7", "percent": "20%", "when": "01 FEB 2020 10:00:00"}],
    ids=["nothing", "text", "dates", "part", "sum", "near an atom", "near scores", "notations", "all"],
)  # fmt: skip
def test_rows_are_written_and_given_as_by_the_codec(
    codec: TableCodec, script: Namespace, given: Mapping[str, str], tmp_path: Path
) -> None:
    samples = torch.randn(COUNT, *codec.spec.shape, generator=torch.Generator().manual_seed(1))
    seeds = seeded_rng.derive_seeds(3, FIRST, COUNT)
    unsigned = seeds.numpy().view(np.uint64)
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    TABLE_MEDIA.write(codec.decode_given(samples, seeds, given), codec, tmp_path / "ours", FIRST)
    text = ",".join(f'{name}="{value}"' for name, value in given.items())
    cells = call(script, "give", call(script, "parse_given", text), unsigned)
    call(script, "write", {"sample": samples.numpy()}, FIRST, tmp_path / "theirs", unsigned, cells)
    ours, theirs = ((tmp_path / side / "samples.csv").read_bytes() for side in ("ours", "theirs"))
    assert theirs.decode("utf-8-sig").splitlines() == ours.decode("utf-8-sig").splitlines()
    assert theirs == ours
    inputs = call(script, "encode_given", cells)
    assert isinstance(inputs, dict)
    condition = codec.set_conditions(codec.give_nothing(COUNT), given, seeds)
    assert isinstance(condition, Mapping)
    for name, tensor in condition.items():
        assert isinstance(tensor, torch.Tensor)
        assert np.abs(inputs[name] - tensor.numpy()).max() < 1e-6, name
        assert bool(given) == bool(tensor.any())


def test_texts_that_are_left_out_are_named(codec: TableCodec) -> None:
    part = TABLE_MEDIA.sample_script(codec)
    assert part.notes[0].startswith("Samples do not have all columns of the data: note (text of ")
    assert "=" in part.given_example
