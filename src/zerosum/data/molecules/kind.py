"""Molecules as a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.kind import DataKind, Inspection, LoadOptions
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.imports import import_rdkit
from zerosum.data.molecules.molecule_file import MoleculeFile
from zerosum.data.molecules.open_file import claim_molecules, open_molecules
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.data.molecules.smiles_codec import SmilesCodec
    from zerosum.run_folder import Json


class Molecules(DataKind):
    """Molecules as SMILES texts, with properties that samples can be asked for."""

    name: ClassVar[str] = "molecules"
    noun: ClassVar[str] = "molecule"
    extra: ClassVar[str] = "molecules"
    publishes_items: ClassVar[bool] = True
    takes_over_codec: ClassVar[bool] = True
    variants: ClassVar[tuple[str, ...]] = ("molecules",)

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        return MoleculeDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return nearly 1 for a file of molecules, or a table with a column of SMILES."""
        return claim_molecules(table)

    def inspect(self, data: DataConfig) -> Inspection:
        """Find the form of the file, count its records, and check that its properties can be found.

        Raises:
            BadInput: it cannot be used, or RDKit is not installed.
        """
        from zerosum.data.molecules.labels import PropertyPlan

        assert isinstance(data, MoleculeDataConfig), "the settings are of this kind"
        import_rdkit()
        file = open_molecules(Path(data.source), data.column)
        PropertyPlan.of(data, file)
        return Inspection(data.source, file.count(), resolved=file)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load the molecules, split them, and compute their properties."""
        from zerosum.data.molecules.comparison import load_to_compare
        from zerosum.data.molecules.load import load_molecules
        from zerosum.data.molecules.load_graphs import load_graph_molecules

        assert isinstance(data, MoleculeDataConfig), "the settings are of this kind"
        if options.for_evaluation:  # of files that no run was trained on
            return load_to_compare(data, options)
        file = inspection.resolved if inspection and isinstance(inspection.resolved, MoleculeFile) else None
        load = load_graph_molecules if data.form == "graph" else load_molecules
        return load(data, options, file)

    def load_like(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load other molecules in the form of a run's: with its vocabulary, or its types of atoms.

        Raises:
            BadInput: the file cannot be used, or has none that the run knows.
        """
        from zerosum.data.molecules.codec import MoleculeCodec
        from zerosum.data.molecules.graph_codec import MoleculeGraphCodec
        from zerosum.data.molecules.load import load_molecules_like
        from zerosum.data.molecules.load_graphs import load_graph_molecules

        assert isinstance(data, MoleculeDataConfig), "the settings are of this kind"
        if isinstance(dataset.codec, MoleculeGraphCodec):
            return load_graph_molecules(data, options, codec=dataset.codec)
        assert isinstance(dataset.codec, MoleculeCodec), "molecules have no other codec"
        return load_molecules_like(data, dataset.codec, options)

    def explain_missing_conditions(self, recipe: str) -> str:
        """Return that no property is named, and which settings turn off what takes them."""
        return (
            f"has no property that samples could be asked for, and the networks of recipe {recipe} take them: name "
            "some in `data.properties`, or set `generator.condition`, `discriminator.condition` and "
            "`autoencoder.condition` to none, and `game.prediction_weight` to 0"
        )

    def choose_common_settings(self, sources: Mapping[str, str], given: Mapping[str, object]) -> MoleculeDataConfig:
        """Return settings that take the molecules of all sources, without properties.

        Raises:
            BadInput: a file cannot be read, or a setting means nothing for molecules.
        """
        from zerosum.data.molecules.comparison import choose_length

        if given:
            raise BadInput(f"`{next(iter(given))}`: molecules have no such setting; leave it out")
        length = choose_length(list(sources.values()))
        return MoleculeDataConfig(source=next(iter(sources.values())), properties=(), max_tokens=length)

    def load_comparable(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load other molecules to compare them with those of a dataset: generated ones as they were written.

        Raises:
            BadInput: the file cannot be used.
        """
        from zerosum.data.molecules.comparison import load_to_compare

        assert isinstance(data, MoleculeDataConfig), "the settings are of this kind"
        return load_to_compare(data, options)

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> SmilesCodec:
        """Return the codec of molecules that was saved, of texts or of graphs."""
        from zerosum.data.molecules.codec import MoleculeCodec
        from zerosum.data.molecules.graph_codec import FORM, MoleculeGraphCodec

        return (MoleculeGraphCodec if settings.get("form") == FORM else MoleculeCodec).restore(settings)


MOLECULES = Molecules()
