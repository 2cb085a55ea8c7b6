import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from PIL import Image

from zerosum.errors import BadInput
from zerosum.game.objective import equilibrium_losses
from zerosum.media.images import save_image
from zerosum.reporting import timeline_section
from zerosum.reporting.downsampling import MAX_BINS, Curve, smooth
from zerosum.reporting.html import VOID_ELEMENTS, Markup, tag
from zerosum.reporting.report import write_report
from zerosum.reporting.svg import render_line_chart
from zerosum.reporting.timeline_section import SampleGrid, subsample_grids

RECIPE = {
    "name": "quick",
    "data": {"source": "pictures", "size": 32},
    "objective": {"kind": "non-saturating", "smoothing": 0.0},
    "terms": {"r1": {"kind": "r1", "weight": 1.0}},
    "training": {"images": 1000, "device": "cpu"},
    "made": {"zerosum": "0.1.0", "torch": "2", "python": "3", "device": "cpu", "date": "2026-01-01"},
}
DATA = {
    "source": "pictures",
    "kind": "images",
    "images": 90,
    "train": 80,
    "held_out": 10,
    "size": 32,
    "channels": 3,
    "unreadable": [["bad.png", "truncated"]],
    "duplicates": 2,
    "sizes": {"32x32": 90},
    "modes": {"RGB": 90},
    "classes": {"cat": 50, "dog": 40},
    "notes": ["All is well."],
}


class Page(HTMLParser):
    """Checks that every element is closed in order, and collects what a test asks for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.source = path.read_text("utf8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), f"{name} has an attribute twice"
        if name not in VOID_ELEMENTS | {"meta"}:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, name: str, class_: str = "") -> list[dict[str, str | None]]:
        return [a for n, a in self.seen if n == name and class_ in (a.get("class") or "")]


def row(images: int, **more: float) -> dict[str, float]:
    losses = {"discriminator/score": 1.3, "discriminator/r1": 0.02, "generator/score": 0.8}
    signals = {"signals/real_accuracy": 0.7, "signals/fake_accuracy": 0.8, "signals/real_score": 0.5}
    time = {"round": images // 10, "images": images, "seconds": images / 50, "images_per_second": 50.0}
    return time | losses | signals | more


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(tomli_w.dumps(RECIPE))
    return folder


def fill(folder: Path, rows: list[dict[str, float]], sheets: int = 0, side: int = 32) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    for number in range(1, sheets + 1):
        save_image(image, folder / "samples" / f"{number * 100:08d}.png")


def test_full_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent.parent)
    fill(run, [row(i) for i in range(100, 1100, 100)], sheets=10)
    choice = {"what": "size", "value": "32 px", "why": "the median"}
    state = {"state": "done", "round": 101, "images": 1010, "seconds": 20.0}
    for name, content in (("data", DATA), ("plan", {"choices": [choice]}), ("status", state)):
        (run / f"{name}.json").write_text(json.dumps(content))
    path = write_report(Path("runs/first"))
    assert path == Path("runs/first/report.html")
    page = Page(path)
    for words in ("90 images", "1,010 images", "finished", "on cpu", "10 others are held out", "the median"):
        assert words in page.text
    for words in ("balance 1.39", "balance 0.693", "does not tell the whole story", "truncated", "All is well."):
        assert words in page.text
    for command in ("resume runs/first", "sample runs/first -n 64", "walk runs/first"):
        assert f"zerosum {command}" in page.text
    assert "terms.r1.weight" in page.text
    assert len(page.all("figure", "chart")) == 5
    images = [a for a in page.all("img") if a["alt"]]
    assert len(images) == 10
    assert ["hidden" in a for a in images] == [True] * 9 + [False]
    assert [p.name for p in run.iterdir() if p.name.startswith(".")] == []


def test_nothing_is_fetched(run: Path) -> None:
    fill(run, [row(100), row(200)], sheets=2)
    page = Page(write_report(run))
    assert not re.search(r"https?://|@import|url\(", page.source)
    for name, attributes in page.seen:
        assert name not in ("link", "iframe", "object", "base")
        for attribute in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(attribute) or "data:").startswith("data:")
    assert str(run.parent) not in page.source


@pytest.mark.parametrize("log", ["", '{"round": 1, "ima', None])
def test_run_that_has_just_begun(run: Path, log: str | None) -> None:
    if log is not None:
        (run / "log.jsonl").write_text(log)
    page = Page(write_report(run))
    assert "has just begun" in page.text
    assert "Nothing is logged yet" in page.text
    assert "No samples yet" in page.text


def test_one_row_is_enough(run: Path) -> None:
    fill(run, [row(100)], sheets=1)
    page = Page(write_report(run))
    assert len(page.all("figure", "chart")) == 5
    assert not page.all("input")  # nothing to slide through


def test_torn_last_line_is_passed_over(run: Path) -> None:
    fill(run, [row(100), row(200)])
    with (run / "log.jsonl").open("a") as file:
        file.write('{"round": 30, "images": 300, "disc')
    assert "200 images" in Page(write_report(run)).text


def test_numbers_that_are_none_break_the_line_and_are_told(run: Path) -> None:
    fill(run, [row(100), row(200), row(300, **{"generator/score": math.nan}), row(400), row(500)])
    page = Page(write_report(run))
    assert "score was not a number at one tick, at 300 images" in page.text
    lines = [a["d"] for a in page.all("path", "line c2")]
    assert [d.count("M") for d in lines] == [1, 2]
    assert "nan" not in "".join(lines)


def test_nothing_but_nan(run: Path) -> None:
    fill(run, [row(i, **{"generator/score": v}) for i, v in ((100, math.nan), (200, math.inf))])
    assert "score was not a number at 2 ticks, first at 100 images" in Page(write_report(run)).text


def test_huge_run_stays_small_and_keeps_its_spike(run: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [row(i * 100, **{"generator/score": 0.7 + 0.1 * rng.normal()}) for i in range(1, 10_001)]
    rows[4321]["generator/score"] = 77.0
    fill(run, rows, sheets=1, side=1024)
    sheet = run / "samples" / "00000100.png"
    for number in range(2, 501):
        (run / "samples" / f"{number * 2000:08d}.png").hardlink_to(sheet)
    assert sheet.stat().st_size > 3_000_000  # noise, the worst case: every sheet must shrink
    path = write_report(run)
    assert path.stat().st_size < 8_000_000
    page = Page(path)
    assert len([a for a in page.all("img") if a["alt"]]) == timeline_section.MAX_GRIDS
    assert "12 of 500 sheets" in page.text
    assert "score reached 77" in page.text
    assert page.all("path", "beyond")
    assert "to 77" in page.source  # under the pointer


def test_names_cannot_become_markup(run: Path) -> None:
    evil = "<script>alert(1)</script>\"&'"
    data = DATA | {"classes": {evil: 3}, "unreadable": [[evil, evil]], "source": evil, "notes": [evil]}
    (run / "data.json").write_text(json.dumps(data))
    (run / "plan.json").write_text(json.dumps({"choices": [{"what": evil, "value": evil, "why": evil}]}))
    (run / "status.json").write_text(json.dumps({"state": evil}))
    (run / "recipe.toml").write_text(tomli_w.dumps(RECIPE | {"name": evil}))
    fill(run, [row(100, **{f"signals/{evil}": 1.0, f"{evil}/loss": 2.0})])
    page = Page(write_report(run))
    assert len(page.all("script")) == 1
    assert evil in page.text


def test_folder_with_a_space_is_quoted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    spaced = run.rename(run.parent / "my run")
    assert "zerosum resume 'my run'" in Page(write_report(spaced)).text


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a run folder"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("non-saturating", (1.386, 0.693)),
        ("minimax", (1.386, -0.693)),
        ("relativistic", (0.693, 0.693)),
        ("hinge", (2, 0)),
        ("least-squares", (0.5, 0.25)),
    ],
)
def test_equilibrium(kind: str, values: tuple[float, float]) -> None:
    assert tuple(equilibrium_losses({"kind": kind}).values()) == pytest.approx(values, abs=1e-3)


def test_equilibrium_is_left_out_where_it_is_unknown() -> None:
    assert equilibrium_losses({"kind": "wasserstein"}) == {"discriminator": 0.0}
    assert equilibrium_losses({"kind": "minimax", "smoothing": 0.1}) == {}
    assert equilibrium_losses({"kind": "my own"}) == equilibrium_losses({}) == {}


def test_spread_is_even_and_keeps_both_ends() -> None:
    found = [SampleGrid(images, Path()) for images in range(0, 5000, 10)]
    shown = [sheet.examples for sheet in subsample_grids(found)]
    assert len(shown) == timeline_section.MAX_GRIDS
    assert (shown[0], shown[-1]) == (0, 4990)
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 20
    crowded = [SampleGrid(images, Path()) for images in [*range(20), 10_000]]
    assert [sheet.examples for sheet in subsample_grids(crowded)] == [0, 19, 10_000]


def test_smoothing_keeps_straight_lines_and_passes_over_gaps() -> None:
    line = np.linspace(3, -5, 240)
    assert smooth(line) == pytest.approx(line)
    holed = line.copy()
    holed[[0, 100, 101, 239]] = np.nan
    assert smooth(holed)[1:-1] == pytest.approx(line[1:-1])


def test_a_term_logged_now_and_then_is_one_line() -> None:
    every = Curve("score", np.arange(1.0, 11), np.ones(10), 0)
    rare = Curve("r1", np.array([1.0, 5.0, 9.0]), np.ones(3), 3)
    drawn = render_line_chart("Losses", "", [every, rare], 10.0)
    (path,) = re.findall(r'class="line c3" d="([^"]*)"', drawn)
    assert (path.count("M"), path.count("L")) == (1, 2)


def test_a_long_curve_is_drawn_in_few_points() -> None:
    curve = Curve("score", np.arange(1.0, 50_001), np.sin(np.arange(50_000)), 0)
    drawn = render_line_chart("Losses", "", [curve], 50_000.0)
    assert drawn.count("L") <= 3 * MAX_BINS + 9
    assert len(drawn) < 60_000


def test_markup_is_escaped_once() -> None:
    inner = tag("b", "<&>", title='"')
    assert inner == '<b title="&quot;">&lt;&amp;&gt;</b>'
    assert tag("p", inner, " & ", 3) == f"<p>{inner} &amp; 3</p>"
    assert tag("img", alt="", hidden=True, data_x=1, class_=False) == '<img alt="" hidden data-x="1">'
    assert isinstance(inner, Markup)
