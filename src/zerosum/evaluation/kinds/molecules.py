"""Evaluation of molecules: by ChemNet features (FCD), and by the scores of MOSES.

Polykovskiy et al. 2020, "Molecular Sets (MOSES)", arXiv:1811.12823. Samples are as the generator made them, before any
is drawn again; all scores but `valid` are of the valid ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.molecules.chemistry import canonical_smiles, rdkit_version
from zerosum.data.molecules.fingerprints import find_nearest
from zerosum.data.molecules.properties import PROPERTIES
from zerosum.evaluation.features.chemnet import ChemNetFeatures, encode_symbols, find_chemnet, require_chemnet
from zerosum.evaluation.kinds.base import EvaluationKind
from zerosum.evaluation.kinds.molecules_analysis import PROPERTY_NAMES, analyze_reference, analyze_samples
from zerosum.evaluation.metrics.base import ItemComparison, ItemMetric
from zerosum.evaluation.metrics.molecules.distributions import wasserstein_distance
from zerosum.evaluation.metrics.molecules.diversity import internal_diversity
from zerosum.evaluation.metrics.molecules.fragments import cosine_similarity
from zerosum.evaluation.metrics.molecules.novelty import novel_share, unique_share, unique_share_of_part
from zerosum.evaluation.metrics.score import Score, mean_score

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.codec import Codec, Items
    from zerosum.data.dataset import Dataset
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.registry import FeatureLoader
    from zerosum.evaluation.metrics.molecules.analysis import Fingerprints, MoleculeAnalysis

MAX_FLOOR = 10_000
"""Largest number of held-out molecules that are searched among the training molecules, at half a millisecond each."""
SHOWN_DIGITS: Mapping[str, int] = {"logp": 2, "qed": 3, "sa": 2, "weight": 1}


def _samples(c: ItemComparison) -> MoleculeAnalysis:
    return c.shared.find(c.generated, analyze_samples)


def _real(c: ItemComparison) -> MoleculeAnalysis:
    return c.shared.find(c.real, analyze_reference)


# ---------------------------------------------------------------------- valid, unique, novel


def _valid(c: ItemComparison) -> Score:
    return mean_score(np.array([bool(text) for text in _samples(c).canonical]))


def _explain_valid(c: ItemComparison, score: Score, floor: Score | None) -> list[str]:
    """Return how many samples all other scores are of, if some are invalid."""
    samples = _samples(c)
    count, total = len(samples.valid), len(samples.canonical)
    if count == total:
        return []
    return [
        f"valid: {count:,} of {total:,} samples are molecules, before any is drawn again; all other scores are of these"
    ]


def _unique(c: ItemComparison) -> Score:
    return Score(unique_share(_samples(c).valid))


def _unique_at(count: int, c: ItemComparison) -> Score | None:
    """Return the unique share of `count` valid samples; None if there are fewer."""
    texts = _samples(c).valid
    return Score(unique_share_of_part(texts, count)) if len(texts) >= count else None


def _novel(c: ItemComparison) -> Score | None:
    return novel_share(_samples(c).valid, c.all_train.content_hashes) if c.all_train is not None else None


def _novel_floor(c: ItemComparison) -> Score | None:
    """Return the novel share of held-out molecules: 1 if they are held out by their content."""
    if c.all_train is None or c.held_out is None or not len(c.held_out):
        return None
    texts: list[str] = c.held_out[:MAX_FLOOR].astype(str).tolist()
    return novel_share([canonical_smiles(text) or text for text in texts], c.all_train.content_hashes)


# ---------------------------------------------------------------------- what molecules are made of


def _nearest(reference: Fingerprints, fingerprints: Items, progress: ProgressFn) -> NDArray[np.float32]:
    return find_nearest(fingerprints.astype(np.uint8, copy=False), reference, progress)[1]


def _snn(c: ItemComparison) -> Score:
    return mean_score(c.shared.find(_samples(c).fingerprints, partial(_nearest, _real(c).fingerprints)))


def _fragments(c: ItemComparison) -> Score | None:
    return _similarity(_samples(c).fragments, _real(c).fragments)


def _scaffolds(c: ItemComparison) -> Score | None:
    return _similarity(_samples(c).scaffolds, _real(c).scaffolds)


def _similarity(first: Mapping[str, int], second: Mapping[str, int]) -> Score | None:
    similarity = cosine_similarity(first, second)
    return None if math.isnan(similarity) else Score(similarity)


def _diversities(fingerprints: Items, progress: ProgressFn) -> tuple[float, float]:
    return internal_diversity(fingerprints.astype(np.uint8, copy=False))


def _diversity(place: int, c: ItemComparison) -> Score:
    """Return IntDiv with p = 1 (`place` 0) or p = 2 (`place` 1)."""
    return Score(c.shared.find(_samples(c).fingerprints, _diversities)[place])


def _filters(c: ItemComparison) -> Score:
    return mean_score(_samples(c).passes_filters)


# ---------------------------------------------------------------------- properties


def _property_distance(name: str, c: ItemComparison) -> Score:
    return Score(wasserstein_distance(_samples(c).properties[name], _real(c).properties[name]))


def _property_means(name: str, c: ItemComparison) -> dict[str, float]:
    return {
        side: float(analysis.properties[name].mean())
        for side, analysis in (("mean of samples", _samples(c)), ("mean of real molecules", _real(c)))
    }


def _explain_means(c: ItemComparison, score: Score, floor: Score | None) -> list[str]:
    """Return the means of all properties."""
    means = {name: _property_means(name, c).values() for name in PROPERTY_NAMES}
    shown = {name: [f"{mean:.{SHOWN_DIGITS[name]}f}" for mean in sides] for name, sides in means.items()}
    listed = ", ".join(f"{name} {own} ({real})" for name, (own, real) in shown.items())
    return [f"means of the samples, and of real molecules in brackets: {listed}"]


def _property_metric(name: str) -> ItemMetric:
    return ItemMetric(
        f"{name}_w1",
        f"Wasserstein-1 distance of the distributions of {PROPERTIES[name].description}",
        partial(_property_distance, name),
        lower_is_better=True,
        parts=partial(_property_means, name),
        explain=_explain_means if name == PROPERTY_NAMES[-1] else None,
    )


def _metric(name: str, description: str, compute: Callable[[ItemComparison], Score | None]) -> ItemMetric:
    return ItemMetric(name, description, compute, lower_is_better=False)


METRICS = (
    ItemMetric(
        "valid",
        "fraction of the samples that are {noun}s, before any is drawn again",
        _valid,
        lower_is_better=False,
        depends_on_sample_size=False,
        explain=_explain_valid,
    ),
    _metric("unique", "fraction of the valid samples that differ from all earlier ones", _unique),
    _metric("unique_1k", "that fraction of 1,000 valid samples", partial(_unique_at, 1_000)),
    _metric("unique_10k", "that fraction of 10,000 valid samples", partial(_unique_at, 10_000)),
    ItemMetric(
        "novel",
        "fraction of the different valid samples that are no training {noun}",
        _novel,
        lower_is_better=False,
        depends_on_training_set=True,
        floor=_novel_floor,
    ),
    _metric("snn", "mean Tanimoto similarity of samples to the nearest real {noun}", _snn),
    _metric("fragments", "cosine similarity of the frequencies of BRICS fragments", _fragments),
    _metric("scaffolds", "cosine similarity of the frequencies of scaffolds of at least two rings", _scaffolds),
    _metric("intdiv", "internal diversity: 1 - mean Tanimoto similarity of two samples", partial(_diversity, 0)),
    _metric("intdiv2", "internal diversity by the mean square of similarities", partial(_diversity, 1)),
    ItemMetric(
        "filters",
        "fraction of the samples that pass the filters of MOSES: no MCF or PAINS structure, common atoms, no charge",
        _filters,
        lower_is_better=False,
        depends_on_sample_size=False,
    ),
    *(_property_metric(name) for name in PROPERTY_NAMES),
)


class MoleculeEvaluation(EvaluationKind):
    """Molecules are compared by ChemNet features of their canonical texts, and by what RDKit says of them."""

    networks: ClassVar[Mapping[str, FeatureLoader]] = {
        "chemnet": lambda dataset, device, field: ChemNetFeatures.load(device, field)
    }
    metrics: ClassVar[Sequence[ItemMetric]] = METRICS
    max_neighbors_searched: ClassVar[int] = 30_000
    captions: ClassVar[Mapping[str, tuple[str, str]]] = {
        "properties": ("Properties", "The distribution of each property: valid samples in blue over real {noun}s.")
    }

    def default_features(self) -> str:
        """Return "chemnet".

        Raises:
            BadInput: fcd-torch is not installed.
        """
        require_chemnet()
        return super().default_features()

    def online_features(self, pretrained_features: str) -> str:
        """Return "chemnet": a thousand samples take 3 s on one core, and training chooses how often it can wait.

        Samples that are no molecules take part, as the texts they are, so that there is a score from the start.
        """
        return "chemnet" if find_chemnet() else "none"

    def network_input(self, items: Items, device: torch.device, codec: Codec) -> Tensor:
        """Return SMILES texts (N,) as numbers of symbols (N, 350): canonical ones of molecules, others as they are."""
        texts: list[str] = items.astype(str).tolist()
        return torch.from_numpy(encode_symbols([canonical_smiles(text) or text for text in texts])).to(device)

    def normalize(self, items: Items) -> Items:
        """Return canonical texts (N,)."""
        texts: list[str] = items.astype(str).tolist()
        return np.array([canonical_smiles(text) or text for text in texts], np.str_)

    def draw_figures(self, generated: Items, real: Items, codec: Codec) -> Mapping[str, Image]:
        """Return the distributions of the properties of valid samples over those of real molecules."""
        from zerosum.evaluation.kinds.molecules_figure import draw_properties

        return draw_properties(generated, real)

    def describe(self, dataset: Dataset) -> str:
        """Return the form of the items, and the version of RDKit, as a protocol records them."""
        return (
            f"canonical SMILES by RDKit {rdkit_version()}, neighbors among at most {self.max_neighbors_searched:,} real"
        )


MOLECULE_EVALUATION = MoleculeEvaluation()
"""Evaluation of molecules: their features and their scores."""
