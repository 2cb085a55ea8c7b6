"""Draw docs/architecture.svg: the folders of the source as layers, each with the first line of its docstring.

python docs/make_architecture.py
"""

from __future__ import annotations

import ast
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "src/zerosum"
LAYERS = (
    ("cli",),
    ("workflows",),
    ("reporting", "diagnosis"),
    ("evaluation", "inference"),
    ("recipes", "training", "media"),
    ("networks", "data"),
    ("game",),
    ("run_folder", "reporter", "files", "settings", "units", "errors"),
)
"""From top to bottom: a layer imports from those below it. tests/test_architecture.py checks the order."""
WIDTH, ROW, GAP, PAD = 880, 58, 10, 14
FILL = ("#e8eefb", "#dfe8f8", "#d6e2f5", "#cddcf2", "#c4d6ef", "#bbd0ec", "#b2cae9", "#e9e9e9")


def first_line(name: str) -> str:
    """Return the first sentence of the docstring of a folder or a module."""
    path = SOURCE / name / "__init__.py"
    path = path if path.exists() else SOURCE / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def wrapped(text: str, characters: int) -> list[str]:
    """Break a text into at most two lines of `characters` characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > characters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if len(lines) <= 2 else [lines[0], lines[1][: characters - 1] + "…"]


def box(name: str, x: float, y: float, width: float, fill: str) -> str:
    """Return one folder or module as SVG: a rectangle with its name and, for folders, a description."""
    is_module = (SOURCE / f"{name}.py").exists()
    parts = [f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW}" rx="6" fill="{fill}" stroke="#8aa4c8"/>']
    parts.append(f'<text x="{x + PAD:g}" y="{y + 21:g}" class="name">{name if is_module else name + "/"}</text>')
    if not is_module:
        for number, line in enumerate(wrapped(first_line(name), int(width / 6.4))):
            parts.append(f'<text x="{x + PAD:g}" y="{y + 37 + 13 * number:g}" class="text">{escape(line)}</text>')
    return "\n".join(parts)


def draw() -> str:
    """Return the drawing as SVG."""
    height = len(LAYERS) * (ROW + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        "<style>text{font-family:sans-serif;fill:#1d2b40}.name{font-size:14px;font-weight:bold}"
        ".text{font-size:11px}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for row, names in enumerate(LAYERS):
        width = (WIDTH - GAP * (len(names) + 1)) / len(names)
        parts += [
            box(name, GAP + column * (width + GAP), GAP + row * (ROW + GAP), width, FILL[row])
            for column, name in enumerate(names)
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    (DOCS / "architecture.svg").write_text(draw(), "utf8")
