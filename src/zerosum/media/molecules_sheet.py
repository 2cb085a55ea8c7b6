"""Structures of molecules, drawn by RDKit in a grid."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zerosum.data.molecules.chemistry import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CELL = 220
"""Side of a cell in pixels."""
_LEGEND = 22  # height in pixels of the line below a structure
_TEXT_COLOR, _INVALID_COLOR, _LINE_COLOR = (90, 94, 100), (176, 60, 40), (225, 227, 230)
_OPTIONS = {"padding": 0.06, "maxFontSize": 15, "minFontSize": 8}
_CHARACTERS = 26  # of a line of a text that is no molecule


def draw_sheet(texts: Sequence[str], legends: Sequence[str] = (), columns: int = 0) -> Image.Image:
    """Draw molecules in a grid; a text that is no molecule stands in its cell as it is.

    Args:
        texts: (N,) SMILES texts, N >= 1.
        legends: (N,) what stands below each; (): nothing.
        columns: molecules in a row; 0: about as many as rows.

    Returns:
        An RGB image.
    """
    columns = columns or math.ceil(math.sqrt(len(texts)))
    rows, height = math.ceil(len(texts) / columns), CELL + (_LEGEND if legends else 0)
    sheet = Image.new("RGB", (columns * CELL, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, text in enumerate(texts):
        left, top = place % columns * CELL, place // columns * height
        cell = draw_structure(text)
        if cell is None:
            _write_text(draw, text, left, top)
        else:
            sheet.paste(cell, (left, top))
        if legends:
            middle = (left + CELL / 2, top + CELL + _LEGEND / 2)
            draw.text(middle, legends[place], fill=_TEXT_COLOR, font=ImageFont.load_default(13), anchor="mm")
        draw.rectangle((left, top, left + CELL - 1, top + height - 1), outline=_LINE_COLOR)
    return sheet


def draw_structure(text: str, side: int = CELL) -> Image.Image | None:
    """Return the structure of a molecule, RGB of `side` x `side`; None if the text is no molecule."""
    molecule = parse_smiles(text)
    return None if molecule is None else _draw_molecule(molecule, side)


def _draw_molecule(molecule: Mol, side: int) -> Image.Image | None:
    """Return the structure of a molecule; None if RDKit cannot draw it."""
    from rdkit import rdBase
    from rdkit.Chem.Draw import rdMolDraw2D

    canvas = rdMolDraw2D.MolDraw2DCairo(side, side)
    rdMolDraw2D.UpdateDrawerParamsFromJSON(canvas, json.dumps(_OPTIONS))
    try:
        with rdBase.BlockLogs():
            rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
            canvas.FinishDrawing()
    except (RuntimeError, ValueError):  # it cannot be drawn in a plane
        return None
    return Image.open(io.BytesIO(canvas.GetDrawingText())).convert("RGB")


def _write_text(draw: ImageDraw.ImageDraw, text: str, left: int, top: int) -> None:
    """Write a text that is no molecule into a cell."""
    font = ImageFont.load_default(12)
    draw.text((left + CELL / 2, top + 16), "no molecule", fill=_INVALID_COLOR, font=font, anchor="mm")
    lines = [text[first : first + _CHARACTERS] for first in range(0, len(text), _CHARACTERS)] or ["(empty)"]
    most = (CELL - 40) // 16
    shown = lines if len(lines) <= most else [*lines[: most - 1], "..."]
    block = "\n".join(line.encode("latin-1", "replace").decode("latin-1") for line in shown)
    draw.multiline_text((left + 12, top + 34), block, fill=_TEXT_COLOR, font=font, spacing=4)
