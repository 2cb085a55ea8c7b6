"""The page "What went wrong?": each finding in plain words, with a patient of the ward that had it.

    python docs/make_wrong.py WARD

WARD is the folder of `benchmarks/fault_injection/patients.py`; which patient had what stands in `benchmarks/fault_injection/results.json`.
Writes docs/what-went-wrong.md and, for each finding that a patient had, its last samples: docs/wrong/NAME.png.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/fault_injection"))
from faults import FAULTS

from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.rules.engine import Criterion, Rule
from zerosum.diagnosis.run_facts import read_run_facts
from zerosum.run_folder import RunFolder

DOCS = Path(__file__).parent
WARD = DOCS.parent / "benchmarks/fault_injection/results.json"
WIDE = 264
"""Pixels of a picture: eight samples of 32, with their gaps."""
HEAD = """# What went wrong?

Made by `python docs/make_wrong.py` from the rules of the doctor and the patients of the ward (`benchmarks/fault_injection/`).
`zerosum diagnose RUN` says which of these stand against a run of yours. Each needs the number of signs it names;
a sign is seen once its signal was beyond the limit a few times in a row, and until it is well again.
"""


def patient_with(name: str, patients: list[dict[str, Any]]) -> dict[str, Any] | None:
    """A patient that had the finding: one whose fault it names, a picture rather than points."""
    had = [p for p in patients if name in p["said"]]

    def fit(patient: dict[str, Any]) -> tuple[bool, ...]:
        fault = FAULTS.get(patient["fault"])
        named = fault is not None and name in fault.names
        return patient["data"] in ("ring", "grid"), not named, not patient["fault"], name not in patient["last"]

    return min(had, key=fit, default=None)


def folder_of(patient: dict[str, Any], ward: Path) -> Path:
    """Its run."""
    name = f"{patient['fault'] or 'healthy'}--{patient['data']}-{patient['recipe']}-{patient['seed']}"
    return ward / name.replace(" ", "_").replace("%", "pc")


def finding_of(run: Path, name: str) -> Finding | None:
    """The finding as it was made first."""
    history = LogHistory(read_run_facts(RunFolder(run)))
    for row in RunFolder(run).rows():
        history.add_row(row)
        for finding in diagnose_history(history):
            if finding.name == name:
                return finding
    return None


def shown(run: Path, name: str) -> str:
    """A picture of the patient's last samples, as Markdown; empty where it left none."""
    sheets = RunFolder(run).sample_grids()
    if not sheets:
        return ""
    with Image.open(sheets[-1]) as sheet:
        part = sheet.convert("RGB")
        half = (0, 0, min(WIDE, part.width), min(WIDE // 2 + 2, part.height))
        part = part.crop(half) if part.width < 2 * WIDE else part.resize((WIDE, WIDE))
    (DOCS / "wrong").mkdir(exist_ok=True)
    part.save(DOCS / "wrong" / f"{name}.png")
    return f"![{name}](wrong/{name}.png)"


def limit(sign: Criterion) -> str:
    """A sign in a line."""
    return f"- {sign.signal}: {'at least' if sign.higher_is_worse else 'at most'} {sign.threshold:.3g}, {sign.consecutive} times in a row"


def page(rule: Rule, patients: list[dict[str, Any]], ward: Path) -> list[str]:
    """The words about one finding."""
    lines = ["", f"## {rule.title}", "", f"`{rule.name}`, {rule.severity}. {rule.explanation}", ""]
    among = f" (the first {rule.num_mandatory} among them)" if rule.num_mandatory else ""
    lines += [f"Signs, of which {rule.min_criteria} at least must be seen{among}:", "", *map(limit, rule.criteria)]
    copied_game = patient_with(rule.name, patients)
    if copied_game is None:
        return [*lines, "", "No patient of the ward had it."] if patients else lines
    run = folder_of(copied_game, ward)
    found = finding_of(run, rule.name)
    what = copied_game["fault"] or "no fault"
    lines += [
        "",
        f"In the ward: {copied_game['data']}, recipe {copied_game['recipe']}, {what}.",
        "",
        shown(run, rule.name),
        "",
    ]
    if found:
        lines += [f"- {evidence.signal}: {evidence.message}" for evidence in found.evidence]
        lines += [f"- change `{advice.as_cli_flag()}`: {advice.reason}" for advice in found.recommendations]
    return lines


def main() -> None:
    """Write the page."""
    patients = json.loads(WARD.read_text("utf8"))["patients"] if WARD.exists() else []
    ward = Path(sys.argv[1])
    lines = [HEAD.rstrip(), *(line for rule in RULES for line in page(rule, patients, ward))]
    (DOCS / "what-went-wrong.md").write_text("\n".join(lines) + "\n", "utf8")


if __name__ == "__main__":
    main()
