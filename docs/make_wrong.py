"""Write the page "What went wrong?": each finding in plain words, with the example of a run that had it.

    python docs/make_wrong.py RUNS

RUNS is the folder of `benchmarks/fault_injection/run_faults.py`; `benchmarks/fault_injection/results.json` lists the
findings of its runs. Writes docs/what-went-wrong.md and, for each finding with an example, the last samples of that
run: docs/wrong/NAME.png.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/fault_injection"))
from faults import FAULTS
from run_faults import POINT_DATASETS, FaultRun

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RunFolder

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks/fault_injection/results.json"
IMAGE_WIDTH = 264
"""Pixels: eight samples of 32, with their gaps."""
HEAD = """# What went wrong?

Made by `python docs/make_wrong.py` from the rules of the monitor and the runs of `benchmarks/fault_injection/`.
`zerosum diagnose RUN` lists the findings about a run of yours. A finding needs the number of criteria that its section
names. A criterion is met once its signal has been beyond the threshold several times in a row, and until it has
recovered.
"""


def choose_example(name: str, runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a run with the finding: preferably of images, and with a fault that the finding detects."""
    candidates = [run for run in runs if name in run["findings"]]

    def preference(run: dict[str, Any]) -> tuple[bool, ...]:
        fault = FAULTS.get(run["fault"])
        detects_fault = fault is not None and name in fault.findings
        is_points = run["data"] in POINT_DATASETS
        return is_points, not detects_fault, not run["fault"], name not in run["final_findings"]

    return min(candidates, key=preference, default=None)


def find_folder(run: dict[str, Any], runs_folder: Path) -> Path:
    """Return the folder of a run."""
    return runs_folder / FaultRun(*(run[name] for name in ("fault", "data", "recipe", "seed"))).name


def first_finding(path: Path, name: str) -> Finding | None:
    """Return the finding as it first appeared."""
    history = LogHistory(read_run_facts(RunFolder(path)))
    for row in RunFolder(path).rows():
        history.add_row(row)
        for finding in diagnose_history(history):
            if finding.name == name:
                return finding
    return None


def write_samples(path: Path, name: str) -> str:
    """Write the last samples of a run as an image, and return its Markdown; "" without samples."""
    grids = RunFolder(path).sample_grids()
    if not grids:
        return ""
    with Image.open(grids[-1]) as grid:
        image = grid.convert("RGB")
        box = (0, 0, min(IMAGE_WIDTH, image.width), min(IMAGE_WIDTH // 2 + 2, image.height))
        is_small = image.width < 2 * IMAGE_WIDTH
        image = image.crop(box) if is_small else image.resize((IMAGE_WIDTH, IMAGE_WIDTH))
    (DOCS / "wrong").mkdir(exist_ok=True)
    image.save(DOCS / "wrong" / f"{name}.png")
    return f"![{name}](wrong/{name}.png)"


def format_criterion(criterion: Criterion) -> str:
    """Return a criterion as a line of a list."""
    bound = "at least" if criterion.higher_is_worse else "at most"
    times = f", {criterion.consecutive} times in a row" if criterion.consecutive > 1 else ""
    return f"- {criterion.signal}: {bound} {criterion.threshold:.3g}{times}"


def render_section(rule: Rule, runs: list[dict[str, Any]], runs_folder: Path) -> list[str]:
    """Return the lines about one finding."""
    title, explanation = (text.format(noun="example") for text in (rule.title, rule.explanation))
    lines = ["", f"## {title}", "", f"`{rule.name}`, {rule.severity}. {explanation}", ""]
    first = "the first" if rule.num_mandatory == 1 else f"the first {rule.num_mandatory}"
    mandatory = f", including {first}" if rule.num_mandatory else ""
    lines += [f"Criteria, of which at least {rule.min_criteria} must be met{mandatory}:", ""]
    lines += [format_criterion(criterion) for criterion in rule.criteria]
    example = choose_example(rule.name, runs)
    if example is None:
        return [*lines, "", "No run of the fault injection had it."] if runs else lines
    path = find_folder(example, runs_folder)
    fault = example["fault"] or "no fault"
    lines += ["", f"Example: {example['data']}, recipe {example['recipe']}, {fault}.", ""]
    lines += [write_samples(path, rule.name), ""]
    finding = first_finding(path, rule.name)
    if finding:
        lines += [f"- {evidence.signal}: {evidence.message}" for evidence in finding.evidence]
        lines += [
            f"- change `{change.setting} {change.format_value()}`: {change.reason}"
            for change in finding.recommendations
        ]
    return lines


def main() -> None:
    """Write the page."""
    runs = json.loads(RESULTS.read_text("utf8"))["runs"] if RESULTS.exists() else []
    runs_folder = Path(sys.argv[1])
    lines = [HEAD.rstrip(), *(line for rule in RULES for line in render_section(rule, runs, runs_folder))]
    (DOCS / "what-went-wrong.md").write_text("\n".join(lines) + "\n", "utf8")


if __name__ == "__main__":
    main()
