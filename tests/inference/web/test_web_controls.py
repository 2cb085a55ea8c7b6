"""Controls of the page, run by Node.js with stand-ins for the elements of the page."""

import re
import subprocess
from pathlib import Path

import pytest
from page_program import ELEMENTS, needs_node, run

from zerosum.inference.web.page import SCRIPTS, build_page
from zerosum.inference.web.runtime import WebRuntime

pytestmark = needs_node

FILES = [name for name in SCRIPTS if name != "main.js"]  # which starts the page


def test_the_program_of_the_page_can_be_parsed(tmp_path: Path) -> None:
    page = build_page({}, {"name": "faces"}, WebRuntime("1.30.0", b"library", b"wasm"))
    found = re.search(r'<script type="module">(.*)</script>', page, re.DOTALL)
    assert found
    (tmp_path / "program.mjs").write_text(found[1], "utf8")
    subprocess.run(["node", "--check", str(tmp_path / "program.mjs")], check=True)


INTERPOLATION = """
const drawn = []; // how many images each call has drawn
const page = () => Object.assign(Object.create(GeneratorPage.prototype), {
  state: {to: {seed: 3n, index: 1}, toLabel: 4, fraction: 0.5},
  generator: {
    draw: (seed, index, label) =>
      ({latent: Float32Array.of(0, Number(seed) + index), weights: Float32Array.of(label, 0)}),
    codes: async (samples) => samples.map(({latent}) => latent),
    generate: async (codes, weights) => {
      drawn.push(codes.length);
      return codes.map((code, i) => [...code, ...weights[i]].map((value) => Math.round(value * 1000) / 1000));
    },
    editSeed: () => 0n,
  },
});
const sample = (label) => ({latent: Float32Array.of(2, 0), weights: Float32Array.of(0, label), label});
const strip = async (subject, start) => (await subject.drawInterpolation(start, 1)).strip();
"""


def test_the_strip_between_two_samples_stays_while_the_slider_moves() -> None:
    found = run(
        FILES,
        """(async () => {
          const subject = page(), start = sample(0);
          const first = await strip(subject, start);
          subject.state.fraction = 1 / 6;
          const second = await strip(subject, start);
          const same = first.every(({raster}, i) => raster === second[i].raster);
          return {drawn, ends: [first[0].raster, first[6].raster], same,
                  current: [first, second].map((strip) => strip.map(({isCurrent}) => Number(isCurrent)))};
        })()""",
        INTERPOLATION,
    )
    assert isinstance(found, dict)
    assert found["ends"] == [[2, 0, 0, 0], [0, 4, 4, 0]]
    assert found["same"]
    assert found["drawn"] == [1, 7, 1], "the strip is drawn once"
    assert found["current"] == [[0, 0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    "change",
    [
        "start = sample(5)",  # the class of the grid was changed: its samples are other ones
        "start = {...start, latent: Float32Array.of(9, 0)}",  # its seed or truncation was
        "subject.state.toLabel = -1",
        "subject.state.to = {seed: 3n, index: 2}",
        "subject.state.to = {seed: 4n, index: 1}",
    ],
)
def test_the_strip_between_two_samples_is_theirs(change: str) -> None:
    found = run(
        FILES,
        f"""(async () => {{
          const subject = page();
          let start = sample(0);
          const before = await strip(subject, start);
          {change};
          const after = await strip(subject, start);
          const fresh = await strip(Object.assign(page(), {{state: subject.state}}), start);
          return [before, after, fresh].map((each) => each.map(({{raster}}) => raster));
        }})()""",
        INTERPOLATION,
    )
    assert isinstance(found, list)
    before, after, fresh = found
    assert after == fresh != before


def test_a_strip_that_was_not_drawn_is_drawn_the_next_time() -> None:
    """A task that became stale draws no strip."""
    found = run(
        FILES,
        """(async () => {
          const subject = page(), start = sample(0);
          await strip(subject, start);
          subject.state.to = {seed: 8n, index: 0};
          await subject.drawInterpolation(start, 1);
          return (await strip(subject, start))[6].raster;
        })()""",
        INTERPOLATION,
    )
    assert found == [0, 8, 4, 0]


GRID = """
const log = [];
let failing = false;
const problem = (error) => report(`failed: ${error.message}`);
const page = Object.assign(Object.create(GeneratorPage.prototype), {
  state: {seed: 1n, label: -1, truncation: 1, count: 3, selected: 0, tab: "edit"}, samples: [], rasters: [],
  generator: {
    draw: (seed, index) => ({index, label: -1}), codes: async (samples) => samples, classes: [],
    generate: async (codes) => {
      log.push(byId("save").disabled && byId("save-grid").disabled);
      if (failing) throw new Error("memory");
      return codes;
    },
  },
  grid: new Newest(problem), panel: new Newest(problem),
  prepareCells() {}, showControls() {}, showLarge() {}, showStrip() {},
  showCell(index, sample) { this.samples[index] = sample; },
  async drawEdit(sample) {
    if (failing) throw new Error("memory");
    return {shown: sample, name: "", strip: async () => []};
  },
});
const facts = () => [pageState(), byId("save").disabled, byId("save-grid").disabled, visibleProblem()];
"""


def test_nothing_is_saved_until_all_samples_are_there() -> None:
    found = run(
        FILES,
        """(async () => {
          const found = [];
          await page.refresh();
          found.push(facts());
          const second = page.refresh();
          found.push(facts());
          await second;
          failing = true;
          await page.refresh();
          await page.refreshPanel();
          found.push(facts());
          failing = false;
          await page.refreshPanel(); // of a sample of the grid, the rest of which was not generated
          found.push(facts());
          await page.refresh();
          found.push(facts());
          return {found, log};
        })()""",
        ELEMENTS + GRID,
    )
    assert isinstance(found, dict)
    ready, failed = ["ready", False, False, ""], ["failed", True, True, "failed: memory"]
    assert found["found"] == [ready, ["generating", True, True, ""], failed, failed, ready]
    assert all(found["log"])


TRANSLATION = """
const failures = ["memory"]; // of the next translations
const translator = () => Object.assign(Object.create(TranslatorPage.prototype), {
  settings: {name: "faces", shown: [0], mask: false, factor: 1}, note: "", strokes: [],
  translator: {
    maxPixels: Infinity,
    translate: async () => {
      if (failures.length) throw new Error(failures.pop());
      return {data: [0], dims: [1, 1, 1, 1]};
    },
  },
  newest: new Newest((error) => report(`failed: ${error.message}`)),
  source: {width: 1, height: 1, data: [0, 0, 0, 255]}, readInput: () => null,
  showOutput(raster) { this.output = raster; },
});
const facts = () => [pageState(), visibleProblem()];
"""


def test_the_message_of_a_failed_translation_goes_with_the_next_one() -> None:
    found = run(
        FILES,
        """(async () => {
          const page = translator(), found = [];
          for (let time = 0; time < 2; time++) {
            await page.translate();
            found.push(facts());
          }
          return found;
        })()""",
        ELEMENTS + TRANSLATION,
    )
    assert found == [["failed", "failed: memory"], ["ready", ""]]


@pytest.mark.parametrize(("decoded", "problem"), [(0, "cannot be read as an image"), (1, "at this size: memory")])
def test_files_that_cannot_be_read_are_told_from_those_that_cannot_be_scaled(decoded: int, problem: str) -> None:
    found = run(
        FILES,
        f"""(async () => {{
          let left = {decoded};
          globalThis.createImageBitmap = async () => {{
            if (!left--) throw new Error("memory");
            return {{width: 8, height: 8}};
          }};
          const page = translator();
          byId("shorter-side").value = "4";
          await page.open({{name: "photo.png"}});
          return facts();
        }})()""",
        ELEMENTS + TRANSLATION,
    )
    assert isinstance(found, list)
    assert found[0] == "failed"
    assert problem in found[1]


@pytest.mark.parametrize("best", [True, False])
def test_commands_use_the_networks_of_the_page(best: bool) -> None:
    found = run(
        FILES,
        f"""(() => {{
          const generator = Object.assign(Object.create(GeneratorPage.prototype), {{
            settings: {{name: "my faces", best: {str(best).lower()}}}, generator: {{noTruncation: 1, classes: []}},
            state: {{seed: 7n, count: 9, label: -1, truncation: 0.5}},
          }});
          const page = translator();
          page.settings.best = generator.settings.best;
          page.name = "drawing";
          byId("shorter-side").value = "64";
          return [generator.command(), page.command()];
        }})()""",
        ELEMENTS + TRANSLATION,
    )
    expected = [
        "zerosum sample 'my faces' -n 9 --seed 7 --truncation 0.5",
        "zerosum apply faces drawing.png --shorter-side 64",
    ]
    assert found == [f"{command} --best" if best else command for command in expected]


def test_the_address_is_changed_seldom_and_may_be_refused() -> None:
    """Safari refuses more than about 100 changes in 30 s."""
    found = run(
        FILES,
        """(async () => {
          const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)), times = [];
          const change = throttle(() => times.push(value), 20);
          let value = 0;
          for (; value < 50; value++) change();
          await wait(60);
          change();
          await wait(60);
          globalThis.history = {replaceState() { throw new Error("SecurityError"); }};
          GeneratorPage.prototype.replaceAddress.call({address: "#seed=1"});
          return times;
        })()""",
    )
    assert found == [50, 50], "once after all calls, and once after the last"
