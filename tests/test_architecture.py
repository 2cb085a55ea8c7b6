"""The structure of the source, read from the files, so that a lazy import counts as much as one at the top."""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/zerosum"
LAYERS = (
    "__main__", "cli", "api", "workflows", "reporting", "diagnosis", "evaluation", "inference", "recipes", "training",
    "media", "networks", "data", "game", "reporter", "run_folder", "files", "units", "settings", "errors", "__init__",
)  # fmt: skip
"""Folders and root modules from top to bottom; a module imports from its own layer and from those below it."""
ROOT_MODULES = {"api", "errors", "files", "reporter", "run_folder", "settings", "units"}
MAX_ROOT_MODULES = 8
GAME_OF_NETWORKS = {
    "game.given_values", "game.mel_filters", "game.sample_spec", "game.seeded_rng", "game.shared_batch",
        "game.stft_window", "game.types",
}  # fmt: skip
"""The modules of the game that networks may import."""
GAME_OF_TRAINING = GAME_OF_NETWORKS | {"game.game", "game.player", "game.schedule"}
"""The modules of the game that the training loop may import: players and moves, no variant."""
VARIANTS = ("generator", "discriminator", "dcgan", "r3gan", "wgan", "vanilla", "adversarial", "critic")
OLD_WORDS = (
    "picture", "colour", "grey", "neighbour", "behaviour", "normalise", "initialise", "regularise", "memorise",
    "hasten", "weary", "farewell", "medicine", "exhibit", "doctor", "judge", "rescue",
)  # fmt: skip
"""Words of the vocabulary before it was the field's, and spellings that are not American."""
KINDS = {path.parent.name.replace("_", "-") for path in SOURCE.glob("data/*/kind.py")}
"""The kinds of data."""
KIND_PLACES = tuple(
    f"{floor}.{kind.replace('-', '_')}" for floor in ("data", "evaluation.kinds", "media") for kind in sorted(KINDS)
)
"""Where a kind is implemented: one place on each floor."""
KIND_REGISTRIES = {"data.kind", "evaluation.kinds.base", "media.kind"}
"""Where kinds are listed by name."""
IMAGE_TOOLS = {
    "data.images.decode", "data.images.files", "data.images.folder_walk", "data.images.page_files",
    "data.images.pixels", "data.images.summary", "data.images.thumbnails",
}  # fmt: skip
"""Functions of images that whatever works on images alone may use: degradations, translation, classifiers of images."""
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40

MODULES = sorted(SOURCE.rglob("*.py"))
TEXTS = [
    *MODULES,
    *sorted((SOURCE / "recipes").glob("*.toml")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *(path for folder in ("tests", "benchmarks", "docs", "examples") for path in sorted((ROOT / folder).rglob("*.py"))),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXTS.remove(Path(__file__))
"""Everything that is read by people; CHANGELOG.md may name what is gone."""


def name_of(path: Path) -> str:
    """The module's dotted name below `zerosum`."""
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    return name if name == "__init__" else name.removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


@cache
def imported(path: Path) -> frozenset[str]:
    """The modules of ours that a file imports, as dotted names below `zerosum`; the package itself is "__init__"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            below = module.removeprefix("zerosum").lstrip(".")
            for alias in node.names:  # `from zerosum.media import images` imports a module
                inner = f"{below}.{alias.name}".lstrip(".")
                found.add(f"zerosum.{inner}" if module.split(".")[0] == "zerosum" and inner in NAMES else module)
    ours = {name for name in found if name.split(".")[0] == "zerosum"}
    return frozenset(name.removeprefix("zerosum").lstrip(".") or "__init__" for name in ours)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    if name == "__init__":  # the public names, imported when first used
        return
    own = LAYERS.index(name.split(".")[0])
    for other in imported(path):
        assert LAYERS.index(other.split(".")[0]) >= own, f"{name} may not import {other}, which is above it"


def test_no_circular_imports() -> None:
    graph = {name_of(path): imported(path) - {"__init__"} for path in MODULES if name_of(path) != "__init__"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def test_few_root_modules() -> None:
    found = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert found == ROOT_MODULES
    assert len(found) <= MAX_ROOT_MODULES


@pytest.mark.parametrize(("folder", "allowed"), [("networks", GAME_OF_NETWORKS), ("training", GAME_OF_TRAINING)])
def test_networks_and_training_know_little_of_the_game(folder: str, allowed: set[str]) -> None:
    for path in sorted((SOURCE / folder).rglob("*.py")):
        game = {name for name in imported(path) if name.split(".")[0] == "game"}
        assert game <= allowed, f"{name_of(path)} may not import {game - allowed}"


@pytest.mark.parametrize("path", sorted((SOURCE / "training").glob("*.py")), ids=name_of)
def test_training_names_no_variant(path: Path) -> None:
    text = path.read_text("utf8").lower()
    for word in VARIANTS:
        assert f'"{word}' not in text, f"{path.name} knows a variant: {word}"
        assert f"import {word}" not in text


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text("utf8")
    assert len(text.splitlines()) <= MAX_FILE_LINES, f"{path.name} is too long"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION_LINES, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_vocabulary(path: Path) -> None:
    text = path.read_text("utf8").lower()
    found = [word for word in OLD_WORDS if re.search(rf"(?<![a-z]){word}", text)]
    assert not found, f"{path.name} uses words that are not in the vocabulary: {', '.join(found)}"


def test_tests_mirror_the_source() -> None:
    tests = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    folders = {path.parent.relative_to(SOURCE) for path in MODULES} | {Path("benchmarks"), Path("examples")}
    assert tests <= folders, f"there is no folder of the source for {tests - folders}"


def test_messages_below_the_command_line_name_fields() -> None:
    """Errors name a field such as `data.size`; only the command line knows flags such as --data.size."""
    flag = re.compile(r"(?<![\w-])--(?!no-deps\b)[a-z]")  # an option of pip
    for path in MODULES:
        if name_of(path).split(".")[0] in {"cli", "__main__", "__init__"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not flag.search(node.value), f"{name_of(path)} line {node.lineno} names a flag"


def docstrings(tree: ast.AST) -> set[int]:
    """The identities of the constants that are docstrings, of modules, classes, functions and attributes."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_its_own_places_name_a_kind_of_data(path: Path) -> None:
    name = name_of(path)
    if name.startswith(KIND_PLACES) or name in KIND_REGISTRIES:
        return
    foreign = {other for other in imported(path) - IMAGE_TOOLS if other.startswith(KIND_PLACES)}
    assert not foreign, f"{name} uses the implementation of a kind of data: {foreign}"
    tree = ast.parse(path.read_text("utf8"))
    texts = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in KINDS and id(node) not in texts:
            is_argument_of_others = (name, node.value) == ("workflows.train", "images")
            assert is_argument_of_others, f"{name} line {node.lineno} names the kind of data {node.value}"


def test_the_list_of_kinds_is_complete() -> None:
    from zerosum.data.kind import DATA_KINDS
    from zerosum.evaluation.kinds.base import EVALUATION_KINDS
    from zerosum.media.kind import MEDIA_KINDS

    assert KINDS == set(DATA_KINDS) == set(EVALUATION_KINDS) == set(MEDIA_KINDS)


def test_no_attribute_is_looked_up_by_a_text() -> None:
    """A protocol or a base class says what an object has."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"hasattr", "getattr", "setattr"}, f"{name_of(path)} line {node.lineno}"


def test_protocols_that_are_tested_have_no_state_of_modules() -> None:
    """From Python 3.12 on, `isinstance` with a protocol does not see the buffers and submodules of a module."""
    plain = {"condition_inputs", "levels", "receptive_field_radius", "size_multiple", "num_layers"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            decorators = [ast.unparse(each) for each in node.decorator_list] if isinstance(node, ast.ClassDef) else []
            if "runtime_checkable" in decorators:
                state = {ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign)}
                assert state <= plain, f"{name_of(path)}: {node.name} is not seen to have {state - plain}"


def test_few_values_have_no_type() -> None:
    count = sum(len(re.findall(r"\bAny\b", path.read_text("utf8"))) for path in MODULES)
    assert count <= 60
