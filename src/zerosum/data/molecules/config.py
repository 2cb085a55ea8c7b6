"""Settings of molecules."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zerosum.data.config import DataConfig


def split_names(value: object) -> object:
    """Return comma-separated names as a list; any other value unchanged."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]


class MoleculeDataConfig(DataConfig):
    """Molecules."""

    kind: Literal["molecules"] = "molecules"
    source: str = ""
    """A file: .smi, .smiles, .txt, .csv, .tsv or .sdf, also .gz of each."""
    column: str = ""
    """The column of a table that holds SMILES. Left out: the one named smiles or canonical_smiles, or the one whose
    cells are SMILES."""
    properties: Names = ("logp", "qed")
    """Properties that samples can be asked for: logp, qed, sa, weight, tpsa, rings, donors, acceptors, or a column of
    numbers of the file (in an .sdf file, a data field)."""
    score: Names = ()
    """More properties, as functions of yours: `package.module:function`, which takes a SMILES text, or a molecule of
    RDKit if its parameter is named `mol`."""
    split: Literal["content", "scaffold"] = "content"
    """What is held out: single molecules (content), or all molecules of a Bemis-Murcko scaffold together (scaffold)."""
    max_tokens: Annotated[int, Field(ge=8, le=2_000)] = 120
    """Largest number of tokens of a SMILES text and its end; molecules with more are left out."""
    vocabulary: Annotated[int, Field(ge=0, le=60_000)] = 255
    """Number of tokens and frequent fragments that networks read and write; 0: tokens alone. With fragments, a molecule
    has fewer steps."""
    form: Literal["text", "graph"] = "text"
    """What networks read and write: SMILES texts, or graphs of few atoms, one-hot, without properties; see
    `max_atoms`."""
    max_atoms: Annotated[int, Field(ge=2, le=40)] = 9
    """Largest number of heavy atoms of a graph; molecules with more are left out. Texts may have any number."""
    given: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Fraction of the training molecules of which some known properties are given, at random, so that samples can be
    asked for any of them; 0: none."""
    max_labeled: Annotated[int, Field(ge=1)] = 300_000
    """Largest number of molecules of which properties are computed, chosen by content; those of a file are all read."""
    form_fields: ClassVar[tuple[str, ...]] = (
        "properties", "score", "max_tokens", "vocabulary", "form", "max_atoms",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        """Check that no setting is of the other form.

        Raises:
            ValueError: one is.
        """
        if self.form == "graph" and self.property_names:
            raise ValueError(
                f"`data.properties` {', '.join(self.property_names)}: graphs cannot be asked for properties; set "
                '`data.properties` to "" and leave out `data.score`, or set `data.form` text'
            )
        other = ("vocabulary", "given", "max_labeled") if self.form == "graph" else ("max_atoms",)
        for name in other:
            if (value := dict(self)[name]) != type(self).model_fields[name].default:
                raise ValueError(f"`data.{name}` {value}: has no effect with `data.form` {self.form}; leave it out")
        return self

    @property
    def trains_conditions(self) -> bool:
        """Whether some properties are given in training."""
        return self.given > 0 and bool(self.property_names)

    @property
    def property_names(self) -> tuple[str, ...]:
        """The names of all properties, as the user wrote them."""
        return (*self.properties, *(location.rpartition(":")[2] for location in self.score))
