"""Terms: losses that a player minimizes in addition to the objective, as settings with one function, per sample.

Every term has a `weight`, which may be a schedule, and an interval `every_rounds`: a term with `every_rounds` 1 is part
of the player's main move; with k > 1 it is a separate move every k rounds, multiplied by k (lazy regularization, Karras
et al. 2019, arXiv:1912.04958, appendix B).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zerosum.game.terms.auxiliary_classifier import ClassifyFake, ClassifyReal
from zerosum.game.terms.base import Term
from zerosum.game.terms.cycle import CycleConsistency, IdentityLoss, PatchNCE
from zerosum.game.terms.finite_differences import R1Approximate, R2Approximate
from zerosum.game.terms.gradient_penalties import R1, R2, Dragan, GradientPenalty
from zerosum.game.terms.historical_averaging import HistoricalAveraging
from zerosum.game.terms.moment_matching import MomentMatching
from zerosum.game.terms.orthogonal import OrthogonalRegularization
from zerosum.game.terms.paired import FeatureMatching, L1Reconstruction, PerceptualLoss
from zerosum.game.terms.path_length import PathLength
from zerosum.game.terms.self_supervision import SelfSupervisedReconstruction
from zerosum.game.terms.spectra import LogMelDistance, STFTDistance

__all__ = [
    "R1",
    "R2",
    "AnyTerm",
    "ClassifyFake",
    "ClassifyReal",
    "CycleConsistency",
    "Dragan",
    "FeatureMatching",
    "GradientPenalty",
    "HistoricalAveraging",
    "IdentityLoss",
    "L1Reconstruction",
    "LogMelDistance",
    "MomentMatching",
    "OrthogonalRegularization",
    "PatchNCE",
    "PathLength",
    "PerceptualLoss",
    "R1Approximate",
    "R2Approximate",
    "STFTDistance",
    "SelfSupervisedReconstruction",
    "Term",
]  # fmt: skip

AnyTerm = Annotated[
    R1
    | R2
    | GradientPenalty
    | Dragan
    | R1Approximate
    | R2Approximate
    | ClassifyReal
    | ClassifyFake
    | HistoricalAveraging
    | MomentMatching
    | OrthogonalRegularization
    | PathLength
    | SelfSupervisedReconstruction
    | L1Reconstruction
    | FeatureMatching
    | LogMelDistance
    | STFTDistance
    | PerceptualLoss
    | CycleConsistency
    | IdentityLoss
    | PatchNCE,
    Field(discriminator="kind"),
]
