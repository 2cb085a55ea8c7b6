import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from PIL import Image

import zerosum
from zerosum.diagnosis.finding import Evidence, Finding, Recommendation, Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.game.objective import equilibrium_losses
from zerosum.reporting import samples_section
from zerosum.reporting.diagnosis_section import render_diagnosis
from zerosum.reporting.downsampling import MAX_BINS, Curve, smooth
from zerosum.reporting.html import VOID_ELEMENTS, Markup, tag
from zerosum.reporting.report import write_report
from zerosum.reporting.run_record import RunRecord, SampleGrid
from zerosum.reporting.samples_section import subsample_grids
from zerosum.reporting.scores_section import IMAGE_CAPTIONS
from zerosum.reporting.svg import render_line_chart
from zerosum.run_folder import RunState

SOURCE = Path(zerosum.__file__).parent

RECIPE = {
    "name": "quick",
    "data": {"kind": "images", "source": "images", "size": 32},
    "objective": {"kind": "non-saturating", "label_smoothing": 0.0},
    "terms": {"r1": {"kind": "r1", "weight": 1.0}},
    "training": {"examples": 1000, "device": "cpu"},
    "metadata": {"zerosum": "0.1.0", "torch": "2", "python": "3", "device": "cpu", "date": "2026-01-01"},
}
DATA = {
    "source": "images",
    "kind": "images",
    "count": 90,
    "has_inputs": False,
    "train": 80,
    "held_out": 10,
    "size": 32,
    "channels": 3,
    "unreadable": [["bad.png", "truncated"]],
    "duplicates": 2,
    "sizes": {"32x32": 90},
    "pixel_modes": {"RGB": 90},
    "classes": {"cat": 50, "dog": 40},
    "notes": ["90 images were resized."],
}


class Page(HTMLParser):
    """Checks that all elements are closed in order, and collects elements and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.source = path.read_text("utf8")
        self.feed(self.source)
        self.close()
        assert not self.open_tags

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), f"{name} has an attribute twice"
        if name not in VOID_ELEMENTS | {"meta"}:
            self.open_tags.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open_tags.pop() == name

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def find_all(self, name: str, class_: str = "") -> list[dict[str, str | None]]:
        return [a for n, a in self.elements if n == name and class_ in (a.get("class") or "")]


def row(examples: int, **extra: float) -> dict[str, float]:
    losses = {"discriminator/objective": 1.3, "discriminator/r1": 0.02, "generator/objective": 0.8}
    signals = {"signals/real_accuracy": 0.7, "signals/fake_accuracy": 0.8, "signals/real_score": 0.5}
    time = {"round": examples // 10, "examples": examples, "seconds": examples / 50, "examples_per_second": 50.0}
    return time | losses | signals | extra


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(tomli_w.dumps(RECIPE))
    return folder


def fill(folder: Path, rows: list[dict[str, float]], grids: int = 0, side: int = 32) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    (folder / "samples").mkdir(exist_ok=True)
    for number in range(1, grids + 1):
        image.save(folder / "samples" / f"{number * 100:08d}.png")


def test_a_complete_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent.parent)
    fill(run, [row(i) for i in range(100, 1100, 100)], grids=10)
    decision = {"name": "size", "value": "32 px", "reason": "the median"}
    status = {"state": "done", "round": 101, "examples": 1010, "seconds": 20.0}
    for name, content in (("data", DATA), ("plan", {"decisions": [decision]}), ("status", status)):
        (run / f"{name}.json").write_text(json.dumps(content))
    path = write_report(Path("runs/first"))
    assert path == Path("runs/first/report.html")
    page = Page(path)
    for words in ("90 images", "1,010 images", "finished", "on cpu", "10 others are held out", "the median"):
        assert words in page.text
    for words in (
        "equilibrium 1.39",
        "equilibrium 0.693",
        "does not measure quality",
        "truncated",
        "90 images were resized.",
    ):
        assert words in page.text
    for command in ("sample runs/first -n 64", "walk runs/first", "evaluate runs/first"):
        assert f"zerosum {command}" in page.text
    assert "zerosum resume" not in page.text, "the run has reached its end"
    assert "terms.r1.weight" in page.text
    assert len(page.find_all("figure", "chart")) == 5
    images = [a for a in page.find_all("img") if a["alt"]]
    assert len(images) == 10
    assert ["hidden" in a for a in images] == [True] * 9 + [False]
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_backticks_become_code(run: Path) -> None:
    decision = {"name": "augment.kind", "value": "ada", "reason": "few images: `augment.kind` `ada` < none"}
    (run / "plan.json").write_text(json.dumps({"decisions": [decision]}))
    (run / "data.json").write_text(json.dumps(DATA | {"notes": ["set `data.size` to change it"]}))
    page = Page(write_report(run))
    assert "few images: <code>augment.kind</code> <code>ada</code> &lt; none" in page.source
    assert "set <code>data.size</code> to change it" in page.source


def test_a_finding_names_the_flags_to_change() -> None:
    evidence = Evidence("update", 2.0, 1.0, "it is 2.0", (100.0, 200.0), (1.5, 2.0))
    finding = Finding(
        "unstable", Severity.NOTE, 0.9, 100, "Unstable", "See `zerosum evaluate`.", (evidence,),
        (Recommendation("optimizer.lr", 6e-05, "smaller than `optimizer.lr` now"),),
    )  # fmt: skip
    history = LogHistory()
    history.add_row({"examples": 200, "round": 20, "seconds": 1.0})
    html = render_diagnosis(RunRecord(Path("run"), history=history, findings=[finding]))
    for part in (
        "pass each to <code>zerosum train</code> as a flag, such as <code>--optimizer.lr 6e-05</code>",
        "<li><code>--optimizer.lr 6e-05</code> smaller than <code>optimizer.lr</code> now",
        "See <code>zerosum evaluate</code>.",
        "threshold 1",
    ):
        assert part in html, part
    assert "`" not in html
    without_settings = RunRecord(Path("run"), history=history, findings=[replace(finding, recommendations=())])
    assert "as a flag" not in render_diagnosis(without_settings)


@pytest.mark.parametrize("chip", [*RunState, *Severity])
def test_every_chip_has_a_style(run: Path, chip: str) -> None:
    assert f".chip.{chip}" in Page(write_report(run)).source


def test_the_page_loads_nothing_from_outside(run: Path) -> None:
    fill(run, [row(100), row(200)], grids=2)
    page = Page(write_report(run))
    assert not re.search(r"https?://|@import|url\(", page.source)
    for name, attributes in page.elements:
        assert name not in ("link", "iframe", "object", "base")
        for attribute in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(attribute) or "data:").startswith("data:")
    assert str(run.parent) not in page.source


@pytest.mark.parametrize("log", ["", '{"round": 1, "exa', None])
def test_a_run_without_log_rows(run: Path, log: str | None) -> None:
    if log is not None:
        (run / "log.jsonl").write_text(log)
    page = Page(write_report(run))
    assert "just started" in page.text
    assert "Nothing is logged yet" in page.text
    assert "No samples yet" in page.text


def test_a_run_with_one_log_row(run: Path) -> None:
    fill(run, [row(100)], grids=1)
    page = Page(write_report(run))
    assert len(page.find_all("figure", "chart")) == 5
    assert not page.find_all("input")  # no slider


def test_an_incomplete_last_line_is_ignored(run: Path) -> None:
    fill(run, [row(100), row(200)])
    with (run / "log.jsonl").open("a") as file:
        file.write('{"round": 30, "examples": 300, "disc')
    assert "200 images" in Page(write_report(run)).text


def test_nan_interrupts_the_line_and_is_reported(run: Path) -> None:
    fill(run, [row(100), row(200), row(300, **{"generator/objective": math.nan}), row(400), row(500)])
    page = Page(write_report(run))
    assert "objective was NaN or infinite at one tick, at 300 examples" in page.text
    paths = [a["d"] for a in page.find_all("path", "line c2")]
    assert [path.count("M") for path in paths] == [1, 2]
    assert "nan" not in "".join(paths)


def test_a_curve_without_finite_values(run: Path) -> None:
    fill(run, [row(i, **{"generator/objective": v}) for i, v in ((100, math.nan), (200, math.inf))])
    assert "at 2 ticks, first at 100 examples" in Page(write_report(run)).text


def test_the_report_of_a_long_run_is_small_and_keeps_spikes(run: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [row(i * 100, **{"generator/objective": 0.7 + 0.1 * rng.normal()}) for i in range(1, 10_001)]
    rows[4321]["generator/objective"] = 77.0
    fill(run, rows, grids=1, side=1024)
    grid = run / "samples" / "00000100.png"
    for number in range(2, 501):
        (run / "samples" / f"{number * 2000:08d}.png").hardlink_to(grid)
    assert grid.stat().st_size > 3_000_000  # noise is the worst case: every grid must be compressed
    path = write_report(run)
    assert path.stat().st_size < 8_000_000
    page = Page(path)
    assert len([a for a in page.find_all("img") if a["alt"]]) == samples_section.MAX_GRIDS
    assert "12 of 500 grids" in page.text
    assert "objective reached 77" in page.text
    assert page.find_all("path", "outlier")
    assert "to 77" in page.source  # at the pointer


def test_names_are_escaped(run: Path) -> None:
    name = "<script>alert(1)</script>\"&'"
    data = DATA | {"classes": {name: 3}, "unreadable": [[name, name]], "source": name, "notes": [name]}
    (run / "data.json").write_text(json.dumps(data))
    (run / "plan.json").write_text(json.dumps({"decisions": [{"name": name, "value": name, "reason": name}]}))
    (run / "status.json").write_text(json.dumps({"state": name}))
    (run / "recipe.toml").write_text(tomli_w.dumps(RECIPE | {"name": name}))
    fill(run, [row(100, **{f"signals/{name}": 1.0, f"{name}/loss": 2.0})])
    page = Page(write_report(run))
    assert len(page.find_all("script")) == 1
    assert name in page.text


def test_a_folder_with_a_space_is_quoted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    renamed = run.rename(run.parent / "my run")
    assert "zerosum resume 'my run'" in Page(write_report(renamed)).text


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a run folder"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("kind", "losses"),
    [
        ("non-saturating", (1.386, 0.693)),
        ("minimax", (1.386, -0.693)),
        ("relativistic", (0.693, 0.693)),
        ("hinge", (2, 0)),
        ("least-squares", (0.5, 0.25)),
    ],
)
def test_equilibrium_losses(kind: str, losses: tuple[float, float]) -> None:
    assert tuple(equilibrium_losses({"kind": kind}).values()) == pytest.approx(losses, abs=1e-3)


def test_unknown_equilibrium_losses_are_left_out() -> None:
    assert equilibrium_losses({"kind": "wasserstein"}) == {"discriminator": 0.0}
    assert equilibrium_losses({"kind": "minimax", "label_smoothing": 0.1}) == {}
    assert equilibrium_losses({"kind": "my own"}) == equilibrium_losses({}) == {}


def test_subsampled_grids_are_evenly_spaced_and_keep_both_ends() -> None:
    grids = [SampleGrid(examples, Path()) for examples in range(0, 5000, 10)]
    shown = [grid.examples for grid in subsample_grids(grids)]
    assert len(shown) == samples_section.MAX_GRIDS
    assert (shown[0], shown[-1]) == (0, 4990)
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 20
    clustered = [SampleGrid(examples, Path()) for examples in [*range(20), 10_000]]
    assert [grid.examples for grid in subsample_grids(clustered)] == [0, 19, 10_000]


def test_smoothing_keeps_straight_lines_and_ignores_nan() -> None:
    line = np.linspace(3, -5, 240)
    assert smooth(line) == pytest.approx(line)
    with_nan = line.copy()
    with_nan[[0, 100, 101, 239]] = np.nan
    assert smooth(with_nan)[1:-1] == pytest.approx(line[1:-1])


def test_a_rarely_logged_term_is_one_line() -> None:
    frequent = Curve("score", np.arange(1.0, 11), np.ones(10), 0)
    rare = Curve("r1", np.array([1.0, 5.0, 9.0]), np.ones(3), 3)
    chart = render_line_chart("Losses", "", [frequent, rare], 10.0)
    (path,) = re.findall(r'class="line c3" d="([^"]*)"', chart)
    assert (path.count("M"), path.count("L")) == (1, 2)


def test_a_long_curve_has_few_points() -> None:
    curve = Curve("score", np.arange(1.0, 50_001), np.sin(np.arange(50_000)), 0)
    chart = render_line_chart("Losses", "", [curve], 50_000.0)
    assert chart.count("L") <= 3 * MAX_BINS + 9
    assert len(chart) < 60_000


def test_text_is_escaped_once() -> None:
    inner = tag("b", "<&>", title='"')
    assert inner == '<b title="&quot;">&lt;&amp;&gt;</b>'
    assert tag("p", inner, " & ", 3) == f"<p>{inner} &amp; 3</p>"
    assert tag("img", alt="", hidden=True, data_x=1, class_=False) == '<img alt="" hidden data-x="1">'
    assert isinstance(inner, Markup)


def test_every_figure_of_an_evaluation_has_a_caption() -> None:
    """A figure is found by the stem of its file name, which the evaluation chooses."""
    shared = [*SOURCE.glob("evaluation/*.py"), *SOURCE.glob("workflows/evaluate*.py")]
    assert {stem for module in shared for stem in re.findall(r'"(\w+)\.png"', module.read_text())} == set(
        IMAGE_CAPTIONS
    )
    assert not any(set(EVALUATION_KINDS.find(name).captions) & set(IMAGE_CAPTIONS) for name in EVALUATION_KINDS)
