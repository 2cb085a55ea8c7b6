"""Judging what turns pictures into others: against the pictures that were wanted, one by one and as sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Examples
from zerosum.data.load import provide, provide_from
from zerosum.errors import BadInput
from zerosum.evaluation.features.registry import has_lite0
from zerosum.evaluation.metrics.class_counts import mean
from zerosum.evaluation.metrics.paired import Likeness
from zerosum.evaluation.request import Question, shared
from zerosum.evaluation.sample_sets import Made, Real
from zerosum.inference.load import places, where_the_data_are
from zerosum.inference.translator import Translator, batches, brought, spread_over
from zerosum.media import images
from zerosum.reporter import Voice
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    from zerosum.networks.perceptual import Perception
    from zerosum.recipes.recipe import Recipe

BATCH, SHOWN = 16, 24
"""Pictures that go through at a time; pictures on the sheet of examples."""
ROUNDING = 10 * np.log10(255**2 * 12)
"""58.9 dB: what rounding to bytes alone leaves, which pairs that are equal to the byte are counted with."""
EYES, SEEN = "lite0", "perceptual_lite0"
"""EfficientNet-Lite0, and the distance in its eyes, place by place."""


@dataclass(frozen=True, eq=False)
class Asking:
    """Pictures that are given to a translator, and what is wanted."""

    examples: Examples
    chosen: np.ndarray
    """(N,) indices of what is given, in the order of content."""
    real: Real
    """The wanted pictures; of pairs those of the same rows."""

    @classmethod
    def of(cls, examples: Examples, held_out: bool) -> Asking:
        """The held-out pictures of a run's data; all pictures of data from elsewhere."""
        part = examples.held_out if held_out else examples.train
        what = "the held-out wanted pictures" if held_out else "the wanted pictures"
        name, chosen = f"{what} of {examples.survey.source}", examples.asked(held_out)
        # a pair's two sides have one index
        return cls(examples, chosen, Real(examples, chosen, name) if examples.truth else Real.of(examples, part, name))

    def head(self, count: int) -> Asking:
        """The first `count`; of pairs, of both sides."""
        real = self.real.head(count) if self.examples.truth else self.real
        return Asking(self.examples, self.chosen[:count], real)

    def given(self, rows: range) -> Tensor:
        """(n, Ci, h, w): some of what is given."""
        return self.examples.given(self.chosen[rows.start : rows.stop])

    def wanted(self, rows: range) -> Tensor:
        """(n, C, H, W): what is wanted of them, where that is known."""
        return self.examples.scale(self.examples.take(self.chosen[rows.start : rows.stop]))

    def made(self, translator: Translator) -> Made:
        """What a translator makes of them."""

        def make(first: int, count: int) -> Tensor:
            return translator(self.given(range(first, first + count)))

        return Made(make, len(self.chosen), "what the run makes of them")


def data_for(
    folder: RunFolder, recipe: Recipe, data: str, paired: bool, back: bool, voice: Voice
) -> tuple[Examples, Asking]:
    """A run's own data, and the pictures it is to be asked about: its held-out ones, or all from `data`.

    Raises:
        BadInput: they are gone or have changed, or are not what the run takes.
    """

    def progress(done: int, total: int) -> None:
        voice.progress(done, total, "reading")

    placed = where_the_data_are(recipe, *places(folder))
    own = provide(placed.data, progress, both=placed.game.both)
    if own.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{placed.data.source} has changed since {folder.path} was trained on it, so what was held out is no "
            f"longer known; put the data back as they were"
        )
    turned = _turned(placed, paired, back)
    own = provide(_turned(placed, False, back).data, progress, both=placed.game.both) if back else own
    if not data:
        return own, Asking.of(own, held_out=True)
    examples = provide_from(turned.data, data, "", progress, turned.game.both)
    if examples.shape != own.shape or examples.given_shape != own.given_shape:
        raise BadInput(f"--data {data}: does not hold what the run takes and makes; give data of the same kind")
    return own, Asking.of(examples, held_out=False)


def _turned(recipe: Recipe, paired: bool, back: bool) -> Recipe:
    """The recipe as it reads what it is asked about: as pairs if they are, and the other way round for the way back."""
    data = recipe.data
    changes: dict[str, Any] = {"pairs": "paired"} if paired else {}
    if back:
        changes |= {"given": data.wanted, "wanted": data.given}
        changes |= {"source": data.beside, "beside": data.source} if data.beside else {}
    return recipe.model_copy(update={"data": data.model_copy(update=changes)}) if changes else recipe


def about_translation(translator: Translator, own: Examples, asking: Asking, sees_through: str) -> Question:
    """What a translator makes of these pictures, against the wanted ones."""
    train = Real.of(own, own.train, f"the training pictures of {own.survey.source}")
    elsewhere = asking.examples is not own
    warnings = [*(shared(asking.real, train) if elsewhere else ())]
    if sees_through == EYES and asking.examples.truth:
        warnings.append(
            f"the generator was trained to please what {EYES} sees, so {SEEN} flatters it; psnr, ssim and l1 do not"
        )
    # whether a translation copies training pictures is no question of chance: what is given decides
    return Question(
        asking.made(translator), asking.real, train.head(len(asking.chosen)), None, None,
        "all" if elsewhere else "held-out", tuple(warnings), answers=asking.examples.truth,
    )  # fmt: skip


# ---------------------------------------------------------------------- pairs


def pair_scores(translator: Translator, asking: Asking, voice: Voice) -> Row:
    """How alike what is made and what is wanted are, pair by pair, beside the same of what was given.

    Returns:
        By name (l1, psnr, ssim, perceptual_lite0): `value`, `error`, and `given`, the value of what was given itself,
        brought to the wanted shape (enlarged bicubically, grey in three channels).
    """
    made, given = _Tally(asking.real.examples.shape), _Tally(asking.real.examples.shape)
    count = len(asking.chosen)
    for rows in batches(count, BATCH):
        pictures_ = asking.given(rows)
        wanted = asking.wanted(rows)
        made.add(translator(pictures_), wanted)
        given.add(brought(pictures_, asking.examples.shape), wanted)
        voice.progress(rows.stop, count, "comparing pair by pair")
    before = given.scores()
    return {
        name: {"value": score[0], "error": score[1], "given": before[name][0]} for name, score in made.scores().items()
    }


class _Tally:
    """Gathers what pairs are like."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._likeness, self._seen = Likeness(), list[Tensor]()
        self._perceive = _eyes(max(shape[1:])) if has_lite0() else None

    def add(self, made: Tensor, wanted: Tensor) -> None:
        # as bytes, as they would be in files
        made = made.add(1).mul(127.5).round().div(127.5).sub(1)
        self._likeness.update(made, wanted)
        if self._perceive is not None:
            with torch.no_grad():
                self._seen.append(self._perceive(made, wanted))

    def scores(self) -> Mapping[str, tuple[float | None, float | None]]:
        values = self._likeness.values()
        values["psnr"] = np.minimum(values["psnr"], ROUNDING)  # a flat tile may be met exactly
        found = {name: (score.value, score.error) for name, each in values.items() for score in [mean(each)]}
        if self._seen:
            score = mean(torch.cat(self._seen).double().numpy())
            found[SEEN] = (score.value, score.error)
        return {name: (_plain(value), _plain(error)) for name, (value, error) in found.items()}


def _eyes(side: int) -> Perception:
    from zerosum.networks.perceptual import Perception

    return Perception(side).eval()


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None


def draw_examples(translator: Translator, asking: Asking, path: Path) -> Path:
    """A sheet of what was given, what was made of it, and what was wanted where that is known."""
    shown = Asking(asking.examples, spread_over(asking.chosen, SHOWN), asking.real)
    rows, shape = range(len(shown.chosen)), asking.examples.shape
    given = shown.given(rows)
    columns = [brought(given, shape), translator(given)]
    if asking.examples.truth:
        columns.append(shown.wanted(rows))
    sheet = torch.stack(columns, 1).flatten(0, 1)
    images.save_image(images.grid(images.to_uint8(sheet), columns=3 * len(columns)), path)
    return path
