"""Molecules as media: structures in a grid, files of SMILES texts, and a table of what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zerosum.data.codec import Codec, Items
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.properties import find_name
from zerosum.data.molecules.property_range import RANGE_MARGIN
from zerosum.data.molecules.smiles_codec import SmilesCodec
from zerosum.data.molecules.training_set import MAX_SEARCHED, TrainingMolecules
from zerosum.errors import BadInput
from zerosum.media.kind import MediaKind, WrittenSamples
from zerosum.media.molecules_sheet import CELL, draw_sheet, draw_structure
from zerosum.media.molecules_table import DescribedTexts, MoleculeTable, load_scores
from zerosum.media.page_texts import PageTexts
from zerosum.media.raster import save_image
from zerosum.media.script import ScriptPart
from zerosum.reporter import TimedProgress
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.media.raster import Images

SAMPLES_FILE, TABLE_FILE, SHEET_FILE = "samples.smi", "samples.csv", "sheet.png"
MAX_DESCRIBED = 100_000
"""Molecules of samples.csv: describing more takes many minutes."""
SHEET_MOLECULES = 64
NOT_TESTED = (
    "Generated molecules are computed and not tested: they may be impossible to make, or hazardous, so a chemist has "
    "to look at them before anybody makes one."
)


class MoleculeMedia(MediaKind):
    """Molecules, drawn as structures, and written as samples.smi, a canonical SMILES text a line."""

    preview_count: ClassVar[int] = 64
    batch_size: ClassVar[int] = 512
    caution: ClassVar[str] = NOT_TESTED

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw SMILES texts (N,) as structures; a text that is no molecule stands in its cell."""
        return draw_sheet(_as_texts(items), columns=columns)

    def frames(self, items: Items) -> Images:
        """Return the structures of molecules (N,), uint8 (N, H, W, 3); white where a text is no molecule."""
        drawn = [draw_structure(text) for text in _as_texts(items)]
        white = np.full((CELL, CELL, 3), 255, np.uint8)
        return np.stack([white if cell is None else np.asarray(cell, np.uint8) for cell in drawn])

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Append to samples.smi: molecules in their canonical form, other texts as they are."""
        assert isinstance(codec, SmilesCodec), "molecules have no other codec"
        lines = codec.canonical_texts(items)
        with (folder / SAMPLES_FILE).open("a", encoding="utf8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def describe_files(self, codec: Codec) -> str:
        """Return the names of the files."""
        content = "properties, filters, the nearest training molecule"
        return f"{SAMPLES_FILE} (a molecule a line), {TABLE_FILE} ({content}) and {SHEET_FILE} (structures)"

    def complete(self, samples: WrittenSamples, codec: Codec) -> list[str]:
        """Write samples.csv and sheet.png, and return what the molecules are like."""
        assert isinstance(codec, SmilesCodec), "molecules have no other codec"
        texts, more = _read_texts(samples.folder / SAMPLES_FILE)
        if not texts:
            return []
        scores, notes = load_scores(codec.score)
        described = DescribedTexts.of(texts, scores, TimedProgress(samples.reporter, "computing properties"))
        training = None
        try:
            dataset = samples.load_training()
            progress = TimedProgress(samples.reporter, "computing fingerprints of training molecules")
            training = TrainingMolecules.load(dataset, progress)
        except BadInput as error:
            notes.append(f"without the training molecules, the columns novel and nearest stay empty: {error}")
        comparing = TimedProgress(samples.reporter, "comparing with training molecules")
        table = MoleculeTable.compare(described, samples.given, samples.first, training, comparing)
        table.write(samples.folder / TABLE_FILE)
        save_image(_draw_described(table, samples.shown), samples.folder / SHEET_FILE)
        if training is not None and len(training.searched) < len(training.dataset.train):
            total = len(training.dataset.train)
            notes.append(f"the nearest is searched among {MAX_SEARCHED:,} of {total:,} training molecules")
        if more:
            notes.append(f"{TABLE_FILE} describes the first {MAX_DESCRIBED:,} molecules")
        return [*table.summarize(), *notes]

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts without Zerosum write SMILES texts; graphs are not decoded by them."""
        from zerosum.media.molecules_script import sample_script

        return sample_script(codec, self.caution) if isinstance(codec, MoleculeCodec) else super().sample_script(codec)

    def page_texts(self, codec: Codec) -> PageTexts | None:
        """Return how a web page shows SMILES texts; of graphs it shows none."""
        if not isinstance(codec, MoleculeCodec):
            return None
        properties = tuple(known.settings() for known in codec.properties)
        hint = f"These are first draws as the network writes them, in SMILES: some may be no molecule. {NOT_TESTED}"
        return PageTexts(codec.tokens, properties, RANGE_MARGIN, hint, Path(SAMPLES_FILE).suffix)

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return how large the molecules are."""
        atoms = record.get("atoms")
        if not isinstance(atoms, Sequence) or len(atoms) != 3:
            return ""
        return f"They have {atoms[0]} to {atoms[2]} heavy atoms (median {atoms[1]})."

    def parts(self, record: Mapping[str, Json]) -> tuple[str, list[tuple[str, str]]]:
        """Return the properties."""
        return "Properties", [(name, str(value)) for name, value in _as_mapping(record.get("properties")).items()]

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return how large the molecules are, what was left out, and what is known of their properties."""
        spread = {
            label: " to ".join(map(str, (values[0], values[2]))) + f", median {values[1]}"
            for label, name in (("heavy atoms", "atoms"), ("tokens of a text", "lengths"))
            if isinstance(values := record.get(name), Sequence) and len(values) == 3
        }
        properties = "; ".join(f"{name}: {text}" for name, text in _as_mapping(record.get("properties")).items())
        return [
            *spread.items(),
            ("different tokens", record.get("tokens") or ""),
            ("scaffolds", record.get("scaffolds") or ""),
            ("properties", properties),
            ("rows left out", record.get("problems") or ""),
            ("rows that are an earlier molecule", record.get("duplicates") or ""),
            ("salts and mixtures, of which the largest part was kept", record.get("stripped") or ""),
        ]


MOLECULE_MEDIA = MoleculeMedia()


def _draw_described(table: MoleculeTable, shown: Sequence[str]) -> Image:
    """Draw the first molecules, with their numbers, properties that are `shown`, and those that were asked for."""
    described = table.described
    asked = [find_name(name, described.names) for name in table.given]
    names = [name for name in dict.fromkeys([*shown, *asked]) if name in described.names]
    legends = []
    for place in range(min(SHEET_MOLECULES, len(described.canonical))):
        values = [described.properties[place, described.names.index(name)] for name in names]
        known = [f"{name} {value:.3g}" for name, value in zip(names, values, strict=True) if not np.isnan(value)]
        legends.append(f"{table.first + place}{': ' if known else ''}{', '.join(known[:3])}")
    return draw_sheet(described.canonical[:SHEET_MOLECULES], legends)


def _read_texts(path: Path) -> tuple[list[str], bool]:
    """Return the first texts of a file of samples, and whether there are more."""
    with path.open(encoding="utf8") as file:
        texts = [line.rstrip("\n") for line in islice(file, MAX_DESCRIBED)]
        return texts, bool(file.readline())


def _as_texts(items: Items) -> list[str]:
    return [str(text) for text in items.tolist()]


def _as_mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
