"""The summary of a file of molecules."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.summary import DatasetSummary
from zerosum.data.text import enumerate_names, pluralize, printable

KIND = "molecules"


@dataclass
class MoleculeSummary(DatasetSummary):
    """Counts and notes of molecules."""

    noun: str = "molecule"
    rows: int = 0
    """Number of records of the file."""
    problems: dict[str, int] = field(default_factory=dict)
    """Number of records that were left out, by what was wrong."""
    bad_rows: list[str] = field(default_factory=list)
    """The first of these in words."""
    stripped: int = 0
    """Molecules whose smaller parts, such as the ion of a salt, were left out."""
    mixtures: int = 0
    """Those of them that had another part about as large."""
    duplicates: int = 0
    """Molecules that were left out because an earlier one is equal."""
    atoms: list[int] = field(default_factory=list)
    """Least, median and largest number of heavy atoms."""
    lengths: list[int] = field(default_factory=list)
    """Least, median and largest number of tokens."""
    tokens: int = 0
    """Number of different tokens, without fragments."""
    sample_length: int = 0
    """Number of places of a sample, each a token or a fragment."""
    scaffolds: int = 0
    """Number of different scaffolds, if the split is by scaffold."""
    properties: dict[str, str] = field(default_factory=dict)
    """Each property in words: for how many molecules it is known, and its values."""

    def item_lines(self) -> list[str]:
        """Return the lines about the molecules."""
        text = [f"{self.source}: {pluralize(self.count, 'molecule')} of {self.rows:,} rows"]
        if self.atoms:
            text.append(f"heavy atoms: {_spread(self.atoms)}")
            text.append(
                f"tokens: {_spread(self.lengths)}; {self.tokens:,} different ones; samples of "
                f"{self.sample_length} tokens and fragments"
            )
        if self.scaffolds:
            text.append(f"scaffolds: {self.scaffolds:,}")
        text += [f"property {printable(name)}: {value}" for name, value in self.properties.items()]
        return [*text, *self.exception_lines()]

    def exception_lines(self) -> list[str]:
        """Return the lines about records that were left out or changed."""
        text = []
        if left_out := sum(self.problems.values()):
            counts = enumerate_names([f"{count:,} {reason}" for reason, count in self.problems.items()])
            first = ", ".join(self.bad_rows) + (", ..." if left_out > len(self.bad_rows) else "")
            text.append(f"{pluralize(left_out, 'row')} left out ({counts}): {first}")
        if self.duplicates:
            text.append(f"{pluralize(self.duplicates, 'row')} left out because an earlier one is the same molecule")
        if self.stripped:
            mixed = f"; in {self.mixtures:,} of them another part is about as large" if self.mixtures else ""
            text.append(f"{pluralize(self.stripped, 'molecule')} of several parts, such as salts: the largest part was "
                        f"kept{mixed}")  # fmt: skip
        return text


def summarize(source: str, table: MoleculeTable, sample_length: int) -> MoleculeSummary:
    """Return the summary of molecules, without the split and their properties."""
    facts = table.facts
    return MoleculeSummary(
        source,
        KIND,
        len(table.raw),
        notes=list(facts.notes),
        rows=facts.rows,
        problems=facts.problems,
        bad_rows=facts.bad_rows,
        stripped=facts.stripped,
        mixtures=facts.mixtures,
        duplicates=facts.duplicates,
        atoms=facts.atoms,
        lengths=facts.lengths,
        tokens=len(facts.tokens),
        sample_length=sample_length,
        scaffolds=len(np.unique(table.scaffolds)),
    )


def _spread(values: list[int]) -> str:
    least, middle, most = values
    return f"{least:,} to {most:,}, median {middle:,}"
