"""Invalid samples are drawn again, from seeds of their own; temperatures of networks that draw."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zerosum.data.codec import Codec, GivenValues, Items
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Sample
from zerosum.inference import redraw
from zerosum.inference.generator import Generator
from zerosum.inference.redraw import DrawCounts
from zerosum.inference.sample_stream import SampleSettings


class WordCodec(Codec):
    """Items are words as long as a sample is large; of a negative number no word can be made."""

    spec: SampleSpec = TensorSpec((2,))
    condition_spec = TensorSpec((1,))
    condition_names = ("age",)
    may_be_invalid = True

    def encode(self, raw: Sample) -> Sample:
        return raw

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        return np.array(["-" if value < 0 else "a" * (1 + int(10 * value)) for value in sample[:, 0].tolist()])

    def embed(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        return sample

    def find_invalid(self, items: Items) -> NDArray[np.bool_]:
        return np.asarray(items == "-")

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample:
        return seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.CONDITION)

    def set_condition(self, condition: Tensor, name: str, value: str) -> Sample:  # type: ignore[override]
        return torch.full_like(condition, float(value))


class Words(nn.Module):
    """Passes on the first number of the latent, divided by a temperature, and the condition."""

    condition_inputs = ("condition",)

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        self.offset, self.temperature = nn.Parameter(torch.tensor(offset)), 1.0

    def set_temperature(self, temperature: float) -> None:
        self.temperature = temperature

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return torch.cat([latent[:, :1] * self.temperature + self.offset, condition], 1)


def words(offset: float = 0.0) -> Generator:
    return Generator(Words(offset), Normal(size=3), "points", WordCodec(), "00000064")


def draw(generator: Generator, count: int, first: int = 0, given: Sequence[float] | GivenValues = ()) -> list[str]:
    settings = SampleSettings(seed=5, given=given)
    return settings.decode(generator, settings.generate(generator, first, count), first).items.tolist()


def test_invalid_samples_are_drawn_again_and_valid_ones_stay() -> None:
    generator = words()
    first_draws = generator.draw_samples(40, seed=5)
    valid = first_draws[:, 0] >= 0
    assert 10 < valid.sum() < 30
    samples = generator.sample(40, seed=5)
    assert isinstance(samples, Tensor)
    assert torch.equal(samples[valid], first_draws[valid])
    assert (samples[:, 0] >= 0).all()
    assert torch.equal(samples[:, 1], first_draws[:, 1]), "a sample keeps its condition"
    assert len(samples[:, 0].unique()) == 40, "each has seeds of its own"


def test_a_sample_depends_on_the_settings_and_its_number_alone() -> None:
    generator = words()
    whole = draw(generator, 30)
    assert "-" not in whole
    assert [word for first in range(0, 30, 5) for word in draw(generator, 5, first)] == whole
    samples = generator.sample(30, seed=5)
    assert generator.decode(samples, 5).tolist() == whole, "the same in Python and in files"


def test_given_values_are_kept() -> None:
    generator = words()
    assert generator.sample(20, given={"age": "7"})[:, 1].tolist() == [7.0] * 20
    settings = SampleSettings(seed=5, given={"age": "7"})
    batch = settings.decode(generator, settings.generate(generator, 0, 20), 0)
    assert batch.items.tolist() == draw(generator, 20), "the word does not depend on it"
    assert batch.counts.drawn == 20
    assert batch.counts.valid == int((generator.draw_samples(20, seed=5)[:, 0] >= 0).sum())
    assert batch.counts.left == 0


def test_the_number_of_draws_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redraw, "MAX_REDRAWS", 3)
    generator, calls = words(-100.0), []
    monkeypatch.setattr(WordCodec, "find_invalid", lambda self, items: calls.append(len(items)) or items == "-")
    settings = SampleSettings()
    batch = settings.decode(generator, settings.generate(generator, 0, 8), 0)
    assert batch.items.tolist() == ["-"] * 8, "nothing is repaired or left out"
    assert batch.counts == DrawCounts(drawn=8, valid=0, left=8)
    assert calls == [8] * 4
    assert batch.counts.describe() == "0 of 8 first draws (0.0%) are valid; 8 are still invalid"


def test_attempts_have_different_seeds() -> None:
    seeds = seeded_rng.derive_seeds(3, 0, 100)
    attempts = torch.cat([seeds, *(seeded_rng.redraw_seeds(seeds, attempt) for attempt in range(1, 20))])
    assert len(attempts.unique()) == 2_000
    assert torch.equal(seeded_rng.redraw_seeds(seeds[40:50], 2), seeded_rng.redraw_seeds(seeds, 2)[40:50])


def test_a_temperature_is_that_of_a_copy() -> None:
    generator = words(100.0)
    cold = generator.at_temperature(0.5)
    assert cold.temperature == 0.5
    deviations = [float(chosen.sample(200)[:, 0].std()) for chosen in (cold, generator)]
    assert deviations[0] == pytest.approx(deviations[1] / 2, rel=1e-4)
    for wrong in (-0.1, 11.0, float("nan")):
        with pytest.raises(BadInput, match=f"^`temperature` {wrong:g}: give a number from 0 "):
            generator.at_temperature(wrong)


def test_a_network_that_draws_nothing_has_no_temperature() -> None:
    generator = Generator(nn.Linear(3, 2), Normal(size=3), "points", WordCodec(), "00000064")
    with pytest.raises(BadInput, match=r"^`temperature` 0.8: this generator draws no tokens"):
        generator.at_temperature(0.8)
