"""Imports point one way. Read from the source, so that a lazy import counts as much as one at the top."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src/zerosum"
GROUND = {"errors", "setting", "units"}
CORE = {"game.verdict", "game.schedule", "game.noise", "game.prior"}
GAME = {"game"}
ALLOWED = {  # who may import whom: a module, or its whole folder, to modules or folders
    "errors": set(),
    "setting": set(),
    "units": set(),
    "memory": set(),
    "run": {"errors"},
    "draft": {"errors"},
    "game": GROUND | GAME,
    "networks": {"errors", "networks", "game.noise", "game.verdict", "setting"},
    "comparing": {"errors", "evaluation", "run"},
    "recording": {"zerosum", "data", "recipe"},
    "provision": {"data", "errors", "recipe"},
    "applying": {"console", "data", "deliver", "errors", "opening", "recipe", "run"},
    "translating": {
        "console",
        "data",
        "deliver",
        "errors",
        "evaluation",
        "networks.perception",
        "opening",
        "provision",
        "question",
        "recipe",
        "run",
    },
    "data": {"errors", "data", "game.noise", "game.verdict", "memory"},
    "training": {
        "errors",
        "run",
        "training",
        "game.game",
        "game.player",
        "game.schedule",
        "game.noise",
        "game.verdict",
    },
    "evaluation": {"errors", "units", "data", "evaluation", "networks.lite0", "networks.published"},
    "diagnosis": {"data", "diagnosis", "errors", "evaluation", "game", "run"},
    "deliver": {"errors", "run", "deliver", "units", "game", "data.examples", "diagnosis", "memory"},
    "matching": {"errors", "game.schedule", "recipe"},
    "recipe": {"draft", "errors", "matching", "setting", "units", "game", "networks", "training", "data"},
    "plan": {"draft", "errors", "recipe", "run", "units", "data.glance", "game.augment"},
    "console": {"diagnosis.finding", "errors", "plan", "run", "units"},
    "farewell": {"console", "diagnosis", "training", "units"},
    "diagnosing": {"deliver", "diagnosis", "errors", "run", "units"},
    "replaying": {"data", "game", "run", "staging", "training"},
    "rescuing": {"diagnosis", "draft", "errors", "opening", "recipe", "run"},
    "question": {"data", "deliver", "errors", "evaluation"},
    "judging": {"console", "data", "deliver", "errors", "evaluation", "question", "run"},
    "watching": {"data", "diagnosis.looks", "evaluation", "game", "question", "run"},
    "opening": {"deliver", "draft", "errors", "recipe", "run", "training"},
    "making": {"deliver", "errors", "opening"},
    "editing": {"console", "data", "deliver", "errors", "judging", "making", "networks", "opening", "run", "scoring"},
    "scoring": {
        "question",
        "console",
        "data",
        "deliver",
        "errors",
        "evaluation",
        "judging",
        "opening",
        "recipe",
        "run",
        "training",
        "translating",
    },
    "staging": {
        "zerosum",
        "console",
        "data",
        "deliver",
        "diagnosis",
        "errors",
        "evaluation",
        "farewell",
        "game",
        "judging",
        "matching",
        "opening",
        "plan",
        "provision",
        "recipe",
        "recording",
        "rescuing",
        "run",
        "training",
        "watching",
    },
    "api": {
        "zerosum",
        "applying",
        "comparing",
        "provision",
        "staging",
        "console",
        "data",
        "deliver",
        "diagnosing",
        "diagnosis",
        "draft",
        "editing",
        "errors",
        "making",
        "opening",
        "plan",
        "recipe",
        "replaying",
        "rescuing",
        "run",
        "scoring",
        "training",
        "units",
    },
    "__init__": {"api", "errors"},
    "cli": {"zerosum", "api", "cli", "comparing", "console", "diagnosing", "errors", "plan", "recipe", "scoring"},
    "__main__": {"cli"},
}
MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, without the leading `zerosum.`; the package itself is "zerosum"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
            for alias in node.names:  # `from zerosum.deliver import pictures` imports a module
                inner = SOURCE.parent.joinpath(*(node.module or "").split("."), alias.name)
                if inner.is_dir() or inner.with_suffix(".py").exists():
                    found.discard(node.module or "")
                    found.add(f"{node.module}.{alias.name}")
    ours = {name for name in found if name.split(".")[0] == "zerosum"}
    return {name.removeprefix("zerosum.") for name in ours}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    allowed = ALLOWED[name if name in ALLOWED else name.split(".")[0]]
    for other in imported(path):
        assert other in allowed or other.split(".")[0] in allowed, f"{name} may not import {other}"


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) in CORE], ids=name_of)
def test_the_core_stands_alone(path: Path) -> None:
    """What networks and training may know of the game knows nothing of either."""
    assert imported(path) <= {"setting", "game.noise", "game"} | CORE


@pytest.mark.parametrize("path", sorted((SOURCE / "training").glob("*.py")), ids=name_of)
def test_training_names_no_variant(path: Path) -> None:
    text = path.read_text().lower()
    for word in ("generator", "discriminator", "dcgan", "r3gan", "wgan", "vanilla", "adversarial", "critic"):
        assert f'"{word}' not in text, f"{path.name} knows a variant: {word}"
        assert f"import {word}" not in text


def test_files_and_functions_are_short() -> None:
    for path in MODULES:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, f"{path.name} is over 400 lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
                length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert length <= 40, f"{path.name}: {node.name} has {length} lines"
