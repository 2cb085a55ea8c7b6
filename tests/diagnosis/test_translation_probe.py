"""Examinations of games whose generator does a known thing to a picture, and what is found of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from broken_games import CPU, everything, examples, same
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.monitor import FINDINGS_FILE, Monitor
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.rules import data, learning
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.diagnosis.translation_measures import (
    BYTE_STEP,
    TranslationDirection,
    checkerboard_signals,
    color_signals,
    cycle_signals,
    distance_signals,
    input_sensitivity_signals,
)
from zerosum.diagnosis.translation_probe import NOISE_STD_BYTE_LEVELS, TranslationProbe, add_byte_noise
from zerosum.diagnosis.translation_reference_set import TranslationReferenceSet
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.build import build
from zerosum.game.config import TranslationGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.schedule import Progress
from zerosum.game.terms import L1Reconstruction
from zerosum.game.translation import TranslationGame
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import dry_step

TRY = dry_step(Accelerator())
NOW = Progress(3, 192)
SIDE = 32


def blobs(count: int, seed: int, least: int = 40, most: int = 216) -> np.ndarray:
    """Smooth colour pictures: (count, SIDE, SIDE, 3) uint8 within these levels."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    fine = nn.functional.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0, 1)
    return (least + (most - least) * fine).round().byte().permute(0, 2, 3, 1).numpy()


@dataclass(frozen=True, eq=False)
class Questioned(Dataset):
    """Wanted pictures, and what is given: of the same index where the truth is known."""

    inputs: np.ndarray = None  # type: ignore[assignment]
    known: bool = True

    @property
    def truth(self) -> bool:
        return self.known

    def given(self, indices: np.ndarray) -> Tensor:
        return self.scale(torch.from_numpy(self.inputs[indices]))


def questioned(wanted: np.ndarray, inputs: np.ndarray, truth: bool, held_out: int = 24) -> Questioned:
    return Questioned(**vars(examples(wanted[:-held_out], wanted[-held_out:])), inputs=inputs, known=truth)


GIVEN = blobs(72, 1)
TINTED = (GIVEN * np.array([1.0, 0.5, 0.25])).round().astype(np.uint8)
PAIRED = questioned(TINTED, GIVEN, True)
UNPAIRED = questioned(blobs(72, 2), GIVEN, False)


class Made(nn.Module):
    """A translator by formula, that can learn a brightness."""

    takes: tuple[str, ...] = ()
    reach, multiple = 0, 1

    def __init__(self, formula: Any, takes: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.brighter, self.formula, self.takes = nn.Parameter(torch.zeros(1, 1)), formula, takes

    def forward(self, given: Tensor, seed: Tensor | None = None) -> Tensor:
        return self.formula(given, *([] if seed is None else [seed])) + self.brighter


class Brightness(nn.Module):
    """A judge of patches by their brightness."""

    takes: tuple[str, ...] = ()

    def __init__(self, weight: float = 4.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), weight))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.weight * nn.functional.avg_pool2d(sample.mean(1, keepdim=True), 8))


def game(formula: Any, back: Any = None, takes: tuple[str, ...] = (), judge: float = 4.0, terms=None, **rules: Any):
    """By a formula; both ways with one for the way back."""
    generator: nn.Module = Made(formula, takes)
    discriminator: nn.Module = Brightness(judge)
    if back:
        generator = GeneratorPair(generator, Made(back, takes))
        discriminator = DiscriminatorPair(discriminator, Brightness(judge))
    kind = TranslationGameConfig(bidirectional=back is not None, **rules)
    return build(kind, generator, discriminator, Normal(size=2), NonSaturating(), terms or {}, Adam(lr=1e-3), 50.0)


def examined(sick: TranslationGame, data: Dataset = PAIRED, **more: Any) -> Signals:
    return TranslationProbe(ReferenceSet(data, 64, 16, CPU), TRY)(sick, NOW, **more)


def tint(given: Tensor) -> Tensor:
    """The truth about the pairs, but for rounding."""
    return (given + 1) * torch.tensor([1.0, 0.5, 0.25])[:, None, None] - 1


def board(given: Tensor) -> Tensor:
    """1 and -1 like a chessboard's fields."""
    place = torch.arange(SIDE)
    return (1.0 - 2 * ((place[:, None] + place) % 2)).expand_as(given)


def copied(given: Tensor) -> Tensor:
    return given


def inverted(given: Tensor) -> Tensor:
    return -given


def constant(given: Tensor) -> Tensor:
    return torch.full_like(given, 0.1)


SECRET = 0.01


def hides(given: Tensor) -> Tensor:
    """A grey picture, in whose faintest levels all colours can be read."""
    gray = given.mean(1, keepdim=True)
    return gray + SECRET * (given - gray)


def reads(made: Tensor) -> Tensor:
    gray = made.mean(1, keepdim=True)
    return gray + (made - gray) / SECRET


# ---------------------------------------------------------------------- examinations

JUDGED = {"auc", "auc_unseen", "known", "separation", "rt", "rv", "dx", "dgz", "penalty"}
ALWAYS = {
    "finite", "low", "high", "saturated", "saturated_real", "real_mean", "real_variance", "lag", "likeness", "answer",
    "echo", "tone", "tone_between", "hue", "hue_between", "grid", "grid_real", "ripple", "ripple_real",
    "stride/generator",
}  # fmt: skip
GAMES = {
    "paired": ({"formula": tint}, PAIRED, JUDGED | {"l1", "error", "stride/discriminator"}),
    "unpaired": ({"formula": tint}, UNPAIRED, JUDGED | {"stride/discriminator"}),
    "both": ({"formula": tint, "back": inverted}, UNPAIRED, JUDGED | {"cycle", "cycle_noisy", "stride/discriminator"}),
    "not judged": (
        {"formula": tint, "terms": {"like": L1Reconstruction()}, "adversarial_weight": 0.0},
        PAIRED,
        {"l1", "error"},
    ),
}
CONDITIONAL = JUDGED | {"l1", "error", "cycle", "cycle_noisy", "gap", "stride/discriminator"}


@pytest.mark.parametrize("name", GAMES)
def test_an_examination_sees_much_and_changes_nothing(name: str) -> None:
    settings, images, also = GAMES[name]
    healthy = game(**settings)
    before = everything(healthy)
    found = examined(healthy, images, deep=True)
    assert same(before, everything(healthy))
    expected = also | ({"gap"} if "auc" in also else set())
    seen = {signal.removeprefix("monitor/") for signal in found}
    assert seen & CONDITIONAL == expected
    assert seen >= ALWAYS
    assert all(math.isfinite(number) and describe_signal(signal) for signal, number in found.items())
    assert examined(healthy, images, deep=True) == found


def test_what_is_not_finite_is_said_and_nothing_else() -> None:
    assert examined(game(lambda given: given / 0)) == {"monitor/finite": 0.0}


def test_the_truth() -> None:
    found = examined(game(tint))
    assert found["monitor/l1_over_input_l1"] < 0.02
    assert found["monitor/l1_over_mean_image_l1"] < 0.02
    assert found["monitor/change_from_input"] == pytest.approx(1, abs=0.02)
    assert found["monitor/input_sensitivity"] == pytest.approx(1, abs=0.02)
    assert (
        min(
            found["monitor/brightness_correlation"],
            found["monitor/color_correlation"],
            found["monitor/brightness_correlation_between"],
            found["monitor/color_correlation_between"],
        )
        > 0.98
    )
    assert found["monitor/checkerboard_peak"] / found["monitor/checkerboard_peak_real"] == pytest.approx(1, abs=0.1)
    assert found["monitor/auc_held_out"] == pytest.approx(0.5, abs=0.02)
    assert found["monitor/ema_lag"] == 0.0


def test_copies() -> None:
    paired, unpaired = examined(game(copied)), examined(game(copied), UNPAIRED)
    assert paired["monitor/change_from_input"] == 0.0
    assert paired["monitor/l1_over_input_l1"] == pytest.approx(1)
    assert unpaired["monitor/change_from_input"] == 0.0
    assert "monitor/l1_over_input_l1" not in unpaired
    assert unpaired["monitor/brightness_correlation"] == pytest.approx(1)


def test_negatives() -> None:
    found = examined(game(inverted), UNPAIRED)
    for signal in ("tone", "tone_between", "hue", "hue_between"):
        assert found[f"monitor/{signal}"] == pytest.approx(-1, abs=1e-4)


def test_colours_alone_turned_round() -> None:
    """Brightness less what a colour has more than it: the opposite colour, as bright."""
    found = examined(game(lambda given: 2 * given.mean(1, keepdim=True) - given), UNPAIRED)
    assert found["monitor/brightness_correlation"] == pytest.approx(1, abs=1e-4)
    assert found["monitor/color_correlation"] == pytest.approx(-1, abs=1e-4)


def test_one_picture_for_all() -> None:
    mean = PAIRED.scale(PAIRED.take(PAIRED.held_out)).mean(0)
    found = examined(game(mean.expand_as))
    assert (found["monitor/input_sensitivity"], found["monitor/near_duplicates"]) == (0.0, 1.0)
    assert found["monitor/l1_over_mean_image_l1"] == pytest.approx(1)
    assert "monitor/brightness_correlation_between" not in found, "what does not vary follows nothing"


def test_what_is_left_to_chance_is_no_answer() -> None:
    def chance(given: Tensor, seed: Tensor) -> Tensor:
        return seeded_rng.normal(seed, given[0].numel(), seeded_rng.RandomStream.LATENT).view_as(given).clamp(-1, 1)

    found = examined(game(chance, takes=("seed",)), UNPAIRED)
    assert found["monitor/input_sensitivity"] == 0.0
    assert found["monitor/sample_max"] == 1.0, "although pictures differ by their seeds"


@pytest.mark.parametrize("strength", [0.05, 0.2])
def test_a_chessboard(strength: float) -> None:
    found = examined(game(lambda given: tint(given) + strength * board(given)))
    assert found["monitor/checkerboard_peak"] > 10 * found["monitor/checkerboard_peak_real"]
    assert found["monitor/checkerboard_rms"] == pytest.approx(strength, rel=0.1)


def test_stripes_of_four_pixels_and_noise() -> None:
    wanted = PAIRED.scale(PAIRED.take(PAIRED.held_out))
    stripes = 0.1 * torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(SIDE // 4)
    speckled = 0.1 * torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0))
    found, noisy = (
        checkerboard_signals(TranslationDirection(wanted, wanted + more, wanted, wanted))
        for more in (stripes, speckled)
    )
    assert found["monitor/checkerboard_rms"] == pytest.approx(0.1, rel=0.1)
    assert found["monitor/checkerboard_peak"] > 10 * found["monitor/checkerboard_peak_real"]
    assert noisy["monitor/checkerboard_peak"] < 2
    assert noisy["monitor/checkerboard_rms"] < 0.02
    assert checkerboard_signals(TranslationDirection(*[wanted[:, :, :15]] * 4)) == {}


def test_what_cannot_be_seen_is_no_grid() -> None:
    flat = torch.full((8, 3, SIDE, SIDE), 0.3)
    found = checkerboard_signals(TranslationDirection(flat, flat + 1e-4 * board(flat), flat, flat))
    assert found["monitor/checkerboard_peak"] == pytest.approx(1, abs=0.1)


def test_a_secret() -> None:
    secret = examined(game(hides, reads), UNPAIRED)
    assert secret["monitor/cycle_error"] < 0.01
    assert secret["monitor/cycle_error_noisy"] > 1
    honest = examined(game(inverted, inverted), UNPAIRED)
    assert honest["monitor/cycle_error"] == 0.0
    assert 0 < honest["monitor/cycle_error_noisy"] < 0.1


def test_of_two_ways_the_worse_is_told() -> None:
    for formula, back in ((tint, inverted), (inverted, tint)):
        found = examined(game(formula, back), UNPAIRED)
        assert found["monitor/brightness_correlation"] == pytest.approx(-1, abs=1e-4)
    assert examined(game(tint, constant), UNPAIRED)["monitor/input_sensitivity"] == 0.0
    assert examined(game(copied, inverted), UNPAIRED)["monitor/change_from_input"] == 0.0


def test_sizes_that_differ() -> None:
    """Super-resolution: nothing is like what was given, but the truth is known."""
    small = questioned(GIVEN, GIVEN[:, ::2, ::2], True)
    found = examined(game(lambda given: nn.functional.interpolate(given, scale_factor=2, mode="bilinear")), small)
    assert not {"monitor/change_from_input", "monitor/l1_over_input_l1"} & set(found)
    assert 0 < found["monitor/l1_over_mean_image_l1"] < 0.3
    assert found["monitor/brightness_correlation"] > 0.95
    assert (
        color_signals(TranslationDirection(torch.zeros(4, 1, 8, 8), *[torch.rand(4, 3, 8, 8)] * 3), has_targets=False)
        == {}
    )


def test_a_judge_who_tells() -> None:
    """Of brightness, darker pictures from brighter ones: before and after it turns its coat."""
    for weight, auc in ((4.0, 1.0), (-4.0, 0.0)):
        found = examined(game(lambda given: tint(given).clamp(-1, 1) - 1.5, judge=weight))
        assert found["monitor/auc_train"] == found["monitor/auc_held_out"] == auc
        assert math.copysign(1, found["monitor/score_separation_train"]) == 2 * auc - 1


def test_what_varies_in_nothing() -> None:
    flat = torch.zeros(8, 3, 16, 16)
    assert input_sensitivity_signals(TranslationDirection(flat, flat, flat, flat)) == {}
    assert distance_signals(TranslationDirection(flat, flat + 1, flat, flat), has_targets=True) == {}
    assert cycle_signals(flat, flat, flat) == {}


def test_roughness_is_of_some_levels_on_the_grid_of_bytes() -> None:
    gray = torch.full((4, 2, 3, 16, 16), 1 / 127.5)
    rough = add_byte_noise(gray)
    levels = (rough + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert float((rough - gray).std()) == pytest.approx(NOISE_STD_BYTE_LEVELS * BYTE_STEP, rel=0.1)
    assert torch.equal(rough, add_byte_noise(gray))
    assert float(add_byte_noise(torch.full((1, 3, 8, 8), 9.0)).max()) == pytest.approx(1)


# ---------------------------------------------------------------------- questions


def asked(questions: list[Batch], name: str) -> Tensor:
    return torch.cat([batch[name] for batch in questions])


def test_held_out_questions_come_once_with_their_answers() -> None:
    questions = TranslationReferenceSet(ReferenceSet(PAIRED, 64, 16, CPU)).held_out_batches(bidirectional=False)
    assert [len(batch["seed"]) for batch in questions] == [16, 8]
    given, real = asked(questions, "given"), asked(questions, "real")
    assert torch.allclose(real, tint(given), atol=1 / 127)
    assert len(given.flatten(1).unique(dim=0)) == len(asked(questions, "seed").unique()) == 24
    sums, held_out = (each.sum((1, 2, 3)).sort().values for each in (given, PAIRED.given(PAIRED.held_out)))
    assert torch.allclose(sums, held_out)


def test_without_pairs_some_other_picture_is_wanted() -> None:
    questions = TranslationReferenceSet(ReferenceSet(UNPAIRED, 64, 64, CPU))
    (one,), (couple,) = questions.held_out_batches(bidirectional=False), questions.held_out_batches(bidirectional=True)
    assert torch.equal(couple["given"], torch.stack([one["given"], one["real"]], 1))
    assert torch.equal(couple["real"], couple["given"].flip(1))
    assert len(one["real"].flatten(1).unique(dim=0)) == 24


def test_training_questions_go_on_and_begin_again() -> None:
    questions = TranslationReferenceSet(ReferenceSet(PAIRED, 64, 16, CPU))
    first, later = (asked(questions.train_batches(False, 8, first), "given") for first in (0, 8))
    assert not torch.equal(first, later)
    assert torch.equal(first, asked(questions.train_batches(False, 8, 48), "given"))
    assert len(asked(questions.train_batches(False), "seed")) == 48


def test_too_few_are_refused() -> None:
    few = questioned(TINTED, GIVEN, True, held_out=1)
    with pytest.raises(BadInput, match="1 pictures are held out, too few"):
        examined(game(tint), few)


# ---------------------------------------------------------------------- findings

UNPAIRED_RUN = {"settings": {"game": {"kind": "translation"}, "data": {"pairs": "unpaired"}}}
PAIRED_RUN = {
    "settings": {
        "game": {"kind": "translation", "adversarial_weight": 1.0}, "data": {"pairs": "paired"},
        "terms": {"reconstruct": {"kind": "reconstruct", "weight": 100.0}, "cycle": {"kind": "cycle", "weight": 10.0}},
        "discriminator": {"beside": False}, "generator": {"norm": "instance"}, "training": {"batch": 1},
    },
    "data": {"kind": "images", "images": 72, "train": 48},
}  # fmt: skip


def history(found: Signals, looks: int = 10, facts: dict | None = None, **more: float) -> LogHistory:
    """A run that looks the same at every examination, with what training logs beside it."""
    conditioning = LogHistory(facts or PAIRED_RUN)
    trained = {
        "discriminator/score": 1.2, "generator/score": 0.9, "signals/real_score": 0.6, "signals/fake_score": -0.5,
        "signals/real_accuracy": 0.8, "signals/fake_accuracy": 0.8, "rate/generator": 1e-3, "rate/discriminator": 1e-3,
        "signals/real_mean": found["monitor/real_mean"], "signals/real_variance": found["monitor/real_variance"],
    }  # fmt: skip
    for number in range(looks):
        conditioning.add_row({"images": 100 * (number + 1), "round": 100 * (number + 1)} | trained | found | more)
    return conditioning


def names(told: LogHistory) -> dict[str, Severity]:
    return {finding.name: finding.severity for finding in diagnose_history(told)}


@pytest.fixture(scope="module")
def healthy() -> dict[str, Signals]:
    return {"paired": examined(game(tint)), "both": examined(game(tint, tint), UNPAIRED)}


def test_nothing_is_the_matter_with_the_healthy(healthy: dict[str, Signals]) -> None:
    """A batch of one and few pictures are usual, and a judge may be sure; what is missing makes no rule speak."""
    assert names(history(healthy["paired"])) == {}
    by_little = {"monitor/auc_train": 1.0, "monitor/auc_held_out": 1.0, "monitor/score_separation_held_out": 1.6}
    assert names(history(healthy["paired"] | by_little)) == {}
    brought_back = healthy["both"] | by_little | {"monitor/cycle_error": 0.05, "monitor/cycle_error_noisy": 0.09}
    assert names(history(brought_back, facts=UNPAIRED_RUN)) == {}


SEVERE, MILD = Severity.SEVERE, Severity.MILD
ILL = {
    "copies": ({"formula": copied}, PAIRED, {"output-copies-input": MILD}),
    "copies without pairs": ({"formula": copied, "judge": 0.0}, UNPAIRED, {}),
    "negatives": ({"formula": inverted}, PAIRED, {"colors-inverted": SEVERE}),
    "negatives without pairs": ({"formula": inverted, "judge": 0.0}, UNPAIRED, {"colors-inverted": MILD}),
    "negatives on one way": ({"formula": tint, "back": inverted}, UNPAIRED, {"colors-inverted": MILD}),
    "constant": ({"formula": constant}, PAIRED, {"input-ignored": SEVERE}),
    "faint": ({"formula": lambda given: 0.05 * given}, UNPAIRED, {"input-ignored": MILD}),
    "chessboard": ({"formula": lambda given: tint(given) + 0.1 * board(given)}, PAIRED, {"checkerboard": MILD}),
    "secret": ({"formula": hides, "back": reads}, UNPAIRED, {"cycle-steganography": SEVERE}),
}  # fmt: skip
"""What a formula does to pictures, and what must be found, and nothing else. A judge with no weight cannot tell: then
copies are as good as what is wanted.
"""


@pytest.mark.parametrize("name", ILL)
def test_the_ill_are_found(name: str) -> None:
    settings, images, expected = ILL[name]
    assert names(history(examined(game(**settings), images))) == expected


def test_a_finding_waits_for_enough_looks_and_goes_when_it_is_well(healthy: dict[str, Signals]) -> None:
    ill = examined(game(constant))
    assert "input-ignored" not in names(history(ill, looks=6))
    conditioning = history(ill)
    assert names(conditioning)["input-ignored"] is SEVERE
    for number in range(6):
        conditioning.add_row({"images": 2000 + number, "round": 2000 + number} | healthy["paired"])
    assert "input-ignored" not in names(conditioning)


def test_who_still_learns_to_answer_is_well(healthy: dict[str, Signals]) -> None:
    conditioning = LogHistory(PAIRED_RUN)
    for number in range(10):
        grown = {
            "monitor/input_sensitivity": 0.002 * 1.4**number,
            "monitor/near_duplicates": 1.0,
            "monitor/l1_over_mean_image_l1": 1.0,
            "monitor/auc_held_out": 1.0,
        }
        conditioning.add_row({"images": 100 * (number + 1), "round": 100 * (number + 1)} | healthy["paired"] | grown)
    assert "input-ignored" not in names(conditioning)


@pytest.mark.parametrize("signals", [
    {"monitor/cycle_error": 0.1, "monitor/cycle_error_noisy": 0.2},  # comes back well enough
    {"monitor/cycle_error": 0.6, "monitor/cycle_error_noisy": 2.0},  # never came back
    {"monitor/checkerboard_peak": 9.0, "monitor/checkerboard_peak_real": 6.0, "monitor/checkerboard_rms": 0.1, "monitor/checkerboard_rms_real": 0.02},  # pixel art
    {"monitor/checkerboard_peak": 9.0, "monitor/checkerboard_peak_real": 1.0, "monitor/checkerboard_rms": 0.01, "monitor/checkerboard_rms_real": 0.005},  # not seen
    {"monitor/brightness_correlation": -0.9, "monitor/brightness_correlation_between": 0.9},  # sketches, white where pictures are dark within
    {"monitor/l1_over_mean_image_l1": 1.2, "monitor/auc_held_out": 1.0},  # a bad start, colours the right way round
])  # fmt: skip
def test_one_sign_alone_is_not_enough(signals: Signals, healthy: dict[str, Signals]) -> None:
    found = healthy["both"] | {"monitor/cycle_error": 0.05, "monitor/cycle_error_noisy": 0.05} | signals
    assert not set(names(history(found, facts=UNPAIRED_RUN))) & {
        "cycle-steganography", "checkerboard", "colors-inverted", "input-ignored", "output-copies-input",
    }  # fmt: skip


def test_land_and_sea_changed_round_are_found_in_two_looks(healthy: dict[str, Signals]) -> None:
    """What a run of `season` ended with that had: brightness and colour both turned round, means between pictures not.

    In the run that went well they were .88 and .57. Sketches turn brightness round and have no colour.
    """
    well = healthy["both"] | {
        "monitor/cycle_error": 0.1,
        "monitor/cycle_error_noisy": 0.1,
        "monitor/brightness_correlation_between": -0.03,
    }
    turned = well | {
        "monitor/brightness_correlation": -0.46,
        "monitor/color_correlation": -0.34,
        "monitor/color_correlation_between": -0.24,
    }
    for looks in (2, 3):
        assert names(history(turned, looks=looks, facts=UNPAIRED_RUN)) == {"colors-inverted": MILD}
    assert names(history(turned | {"monitor/color_correlation": 0.57}, looks=3, facts=UNPAIRED_RUN)) == {}
    gray = {name: value for name, value in turned.items() if "hue" not in name}
    assert names(history(gray, looks=3, facts=UNPAIRED_RUN)) == {}


def test_a_judge_too_sure_to_teach(healthy: dict[str, Signals]) -> None:
    """`pix2pix` on relief ended so without a penalty, worse than its network alone; with one, at .83 and 1.4.

    A judge that overfits is sure of what it knows only, one of super-resolution tells by little, and nobody minds one
    that is sure while pictures come nearer to the truth, or before anyone listens to it.
    """
    run = {"settings": PAIRED_RUN["settings"]}
    ill = healthy["paired"] | {
        "monitor/auc_held_out": 0.968,
        "monitor/score_separation_held_out": 2.7,
        "monitor/l1_over_mean_image_l1": 0.166,
    }
    (finding,) = diagnose_history(history(ill, facts=run))
    assert (finding.name, finding.severity) == ("discriminator-overconfident", MILD)
    assert [(advice.setting, advice.value) for advice in finding.recommendations] == [
        ("terms.r1.weight", 1e-4), ("terms.r1.every_rounds", 4),
    ]  # fmt: skip
    penalised = {"settings": run["settings"] | {"terms": {"r1": {"kind": "r1", "weight": 1e-4, "every": 4}}}}
    (finding,) = diagnose_history(history(ill, facts=penalised))
    assert [(advice.setting, advice.value) for advice in finding.recommendations] == [("terms.r1.weight", 3e-4)]
    for well in (
        {"monitor/auc_held_out": 0.83, "monitor/score_separation_held_out": 1.4},
        {
            "monitor/auc_train": 0.99,
            "monitor/score_separation_train": 3.0,
            "monitor/auc_held_out": 0.78,
            "monitor/score_separation_held_out": 1.1,
        },
        {"monitor/auc_held_out": 1.0, "monitor/score_separation_held_out": 1.6},
    ):
        assert names(history(ill | well, facts=run)) == {}
    silent = {"start": 0.0, "end": 5e-3, "images": [0, 9000]}
    begins = {"settings": run["settings"] | {"game": {"kind": "translation", "adversarial_weight": silent}}}
    assert names(history(ill, facts=begins)) == {}
    learning = LogHistory(run)
    for number in range(10):
        nearer = (
            {"images": 100 * (number + 1), "round": 100 * (number + 1)}
            | ill
            | {"monitor/l1_over_mean_image_l1": 0.4 * 0.9**number}
        )
        learning.add_row(nearer)
    assert names(learning) == {}


def test_what_is_hidden_weighs_by_what_is_lost(healthy: dict[str, Signals]) -> None:
    for lost, severity in ((0.5, MILD), (1.5, SEVERE)):
        found = healthy["both"] | {"monitor/cycle_error": 0.1, "monitor/cycle_error_noisy": lost}
        assert names(history(found))["cycle-steganography"] is severity


def test_the_findings_prescribe_settings(healthy: dict[str, Signals]) -> None:
    def told(found: Signals, name: str, facts: dict) -> dict[str, Any]:
        (finding,) = [each for each in diagnose_history(history(found, facts=facts)) if each.name == name]
        return {advice.setting: advice.value for advice in finding.recommendations}

    assert told(examined(game(constant)), "input-ignored", PAIRED_RUN) == {
        "terms.l1.weight": 300.0, "terms.cycle.weight": 20.0, "game.adversarial_weight": 0.3,
        "discriminator.concat_input": True, "generator.norm": "none",
    }  # fmt: skip
    assert told(examined(game(copied)), "output-copies-input", PAIRED_RUN) == {
        "terms.cycle.weight": 5.0, "terms.l1.weight": 300.0, "game.adversarial_weight": 2.0,
    }  # fmt: skip
    turned = examined(game(inverted), UNPAIRED)
    assert told(turned, "colors-inverted", UNPAIRED_RUN) == {"terms.identity.weight": 5.0}
    hidden = healthy["both"] | {"monitor/cycle_error": 0.1, "monitor/cycle_error_noisy": 1.5}
    assert told(hidden, "cycle-steganography", PAIRED_RUN) == {"terms.cycle.weight": 3.0}
    own = PAIRED_RUN | {"defaults": {"terms": {"cycle": {"kind": "cycle", "weight": 2.5}}}}
    assert told(hidden, "cycle-steganography", own) == {"terms.cycle.weight": 2.5}, "the recipe's own first"


def test_advice_for_noise_is_not_given_to_translations() -> None:
    """What the judge sees cannot be varied where it is held against other pictures."""
    (overfitting,) = [rule for rule in learning.RULES if rule.name == "discriminator-overfitting"]
    noisy = {"settings": {"game": {"kind": "adversarial"}}}
    given = {kind: overfitting.remedy(LogHistory(facts))[0] for kind, facts in (("a", PAIRED_RUN), ("b", noisy))}
    assert (given["a"].setting, given["a"].value) == ("optimizer.lr_multipliers.discriminator", 0.5)
    assert (given["b"].setting, given["b"].value) == ("augment.kind", "ada")
    apply = {rule.name: rule.applies_to for rule in data.RULES}
    for name in ("batch-too-small", "too-little-data"):
        assert apply[name](LogHistory(noisy))
        assert not apply[name](LogHistory(PAIRED_RUN))


def test_a_finding_that_becomes_severe_is_written_down_again(tmp_path, healthy: dict[str, Signals]) -> None:
    folder = RunFolder(tmp_path)
    monitor = Monitor(None, None, 4, folder)
    monitor.history = LogHistory(PAIRED_RUN)
    monitor._num_evaluations_read = 0
    for number in range(20):
        lost = 0.5 if number < 10 else 1.5
        found = healthy["both"] | {"monitor/cycle_error": 0.1, "monitor/cycle_error_noisy": lost}
        monitor.process_row({"images": 100 * (number + 1), "round": 100 * (number + 1)} | found)
    written = [row for row in folder.rows(FINDINGS_FILE) if row["name"] == "cycle-steganography"]
    assert [(row["event"], row["severity"]) for row in written] == [("comes", "mild"), ("comes", "severe")]
