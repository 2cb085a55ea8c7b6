"""Probes of translation games whose generator is a known formula."""

import math

import pytest
import torch
from broken_games import is_identical, snapshot
from torch import Tensor, nn
from translation_games import (
    INPUTS,
    PAIRED,
    SIDE,
    UNPAIRED,
    checkerboard,
    constant,
    copy_input,
    hide_color,
    invert,
    make_game,
    make_translation_dataset,
    reveal_color,
    run_probe,
    tint,
)

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
from zerosum.diagnosis.translation_probe import NOISE_STD_BYTE_LEVELS, add_byte_noise
from zerosum.game import seeded_rng
from zerosum.game.terms import L1Reconstruction

WITH_DISCRIMINATOR = {
    "auc_train", "auc_held_out", "auc_train_vs_held_out", "score_separation_train", "score_sign_train",
    "score_sign_held_out", "probability_held_out", "probability_fake", "penalty_ratio", "update_ratio/discriminator",
}  # fmt: skip
PAIRED_ONLY = {"l1_over_input_l1", "l1_over_mean_image_l1"}
BIDIRECTIONAL_ONLY = {"cycle_error", "cycle_error_noisy"}
ALWAYS = {
    "finite", "sample_min", "sample_max", "saturated_fraction", "saturated_fraction_real", "real_mean",
    "real_variance", "ema_lag", "change_from_input", "input_sensitivity", "near_duplicates", "brightness_correlation",
    "brightness_correlation_between", "color_correlation", "color_correlation_between", "checkerboard_peak",
    "checkerboard_peak_real", "checkerboard_rms", "checkerboard_rms_real", "update_ratio/generator",
}  # fmt: skip
GAMES = {
    "paired": ({"formula": tint}, PAIRED, WITH_DISCRIMINATOR | PAIRED_ONLY),
    "unpaired": ({"formula": tint}, UNPAIRED, WITH_DISCRIMINATOR),
    "bidirectional": (
        {"formula": tint, "reverse_formula": invert}, UNPAIRED, WITH_DISCRIMINATOR | BIDIRECTIONAL_ONLY,
    ),
    "without adversarial loss": (
        {"formula": tint, "terms": {"l1": L1Reconstruction()}, "adversarial_weight": 0.0}, PAIRED, PAIRED_ONLY,
    ),
}  # fmt: skip
CONDITIONAL = WITH_DISCRIMINATOR | PAIRED_ONLY | BIDIRECTIONAL_ONLY | {"duality_gap"}


@pytest.mark.parametrize("name", GAMES)
def test_a_probe_returns_all_signals_and_does_not_change_the_game(name: str) -> None:
    settings, dataset, expected = GAMES[name]
    game = make_game(**settings)
    before = snapshot(game)
    signals = run_probe(game, dataset, with_duality_gap=True)
    assert is_identical(before, snapshot(game))
    expected = expected | ({"duality_gap"} if "auc_train" in expected else set())
    names = {signal.removeprefix("monitor/") for signal in signals}
    assert names & CONDITIONAL == expected
    assert names >= ALWAYS
    assert all(math.isfinite(value) and describe_signal(signal) for signal, value in signals.items())
    assert run_probe(game, dataset, with_duality_gap=True) == signals


def test_nonfinite_outputs_have_no_other_signals() -> None:
    assert run_probe(make_game(lambda inputs: inputs / 0)) == {"monitor/finite": 0.0}


def test_outputs_that_equal_the_targets() -> None:
    signals = run_probe(make_game(tint))
    assert signals["monitor/l1_over_input_l1"] < 0.02
    assert signals["monitor/l1_over_mean_image_l1"] < 0.02
    assert signals["monitor/change_from_input"] == pytest.approx(1, abs=0.02)
    assert signals["monitor/input_sensitivity"] == pytest.approx(1, abs=0.02)
    for name in ("brightness", "color"):
        assert signals[f"monitor/{name}_correlation"] > 0.98
        assert signals[f"monitor/{name}_correlation_between"] > 0.98
    assert signals["monitor/checkerboard_peak"] / signals["monitor/checkerboard_peak_real"] == pytest.approx(1, abs=0.1)
    assert signals["monitor/auc_held_out"] == pytest.approx(0.5, abs=0.02)
    assert signals["monitor/ema_lag"] == 0.0


def test_outputs_that_copy_the_inputs() -> None:
    paired, unpaired = run_probe(make_game(copy_input)), run_probe(make_game(copy_input), UNPAIRED)
    assert paired["monitor/change_from_input"] == 0.0
    assert paired["monitor/l1_over_input_l1"] == pytest.approx(1)
    assert unpaired["monitor/change_from_input"] == 0.0
    assert "monitor/l1_over_input_l1" not in unpaired
    assert unpaired["monitor/brightness_correlation"] == pytest.approx(1)


def test_inverted_outputs_have_negative_correlations() -> None:
    signals = run_probe(make_game(invert), UNPAIRED)
    for name in ("brightness", "color"):
        assert signals[f"monitor/{name}_correlation"] == pytest.approx(-1, abs=1e-4)
        assert signals[f"monitor/{name}_correlation_between"] == pytest.approx(-1, abs=1e-4)


def test_inverted_colors_of_the_same_brightness() -> None:
    signals = run_probe(make_game(lambda inputs: 2 * inputs.mean(1, keepdim=True) - inputs), UNPAIRED)
    assert signals["monitor/brightness_correlation"] == pytest.approx(1, abs=1e-4)
    assert signals["monitor/color_correlation"] == pytest.approx(-1, abs=1e-4)


def test_the_mean_target_for_all_inputs() -> None:
    mean = PAIRED.samples(PAIRED.held_out).mean(0)
    signals = run_probe(make_game(mean.expand_as))
    assert (signals["monitor/input_sensitivity"], signals["monitor/near_duplicates"]) == (0.0, 1.0)
    assert signals["monitor/l1_over_mean_image_l1"] == pytest.approx(1)
    assert "monitor/brightness_correlation_between" not in signals, "a constant has no correlation"


def test_random_outputs_have_no_input_sensitivity() -> None:
    def random_output(inputs: Tensor, seed: Tensor) -> Tensor:
        noise = seeded_rng.normal(seed, inputs[0].numel(), seeded_rng.RandomStream.LATENT)
        return noise.view_as(inputs).clamp(-1, 1)

    signals = run_probe(make_game(random_output, condition_inputs=("seed",)), UNPAIRED)
    assert signals["monitor/input_sensitivity"] == 0.0
    assert signals["monitor/sample_max"] == 1.0, "although outputs differ by their seeds"


@pytest.mark.parametrize("strength", [0.05, 0.2])
def test_checkerboard_artifacts(strength: float) -> None:
    signals = run_probe(make_game(lambda inputs: tint(inputs) + strength * checkerboard(inputs)))
    assert signals["monitor/checkerboard_peak"] > 10 * signals["monitor/checkerboard_peak_real"]
    assert signals["monitor/checkerboard_rms"] == pytest.approx(strength, rel=0.1)


def test_stripes_of_four_pixels_are_a_checkerboard_and_noise_is_not() -> None:
    targets = PAIRED.samples(PAIRED.held_out)
    stripes = 0.1 * torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(SIDE // 4)
    noise = 0.1 * torch.randn(targets.shape, generator=torch.Generator().manual_seed(0))
    striped, noisy = (
        checkerboard_signals(TranslationDirection(targets, targets + pattern, targets, targets))
        for pattern in (stripes, noise)
    )
    assert striped["monitor/checkerboard_rms"] == pytest.approx(0.1, rel=0.1)
    assert striped["monitor/checkerboard_peak"] > 10 * striped["monitor/checkerboard_peak_real"]
    assert noisy["monitor/checkerboard_peak"] < 2
    assert noisy["monitor/checkerboard_rms"] < 0.02
    assert checkerboard_signals(TranslationDirection(*[targets[:, :, :15]] * 4)) == {}


def test_an_invisible_pattern_is_no_checkerboard() -> None:
    flat = torch.full((8, 3, SIDE, SIDE), 0.3)
    signals = checkerboard_signals(TranslationDirection(flat, flat + 1e-4 * checkerboard(flat), flat, flat))
    assert signals["monitor/checkerboard_peak"] == pytest.approx(1, abs=0.1)


def test_steganography_fails_with_noise() -> None:
    hidden = run_probe(make_game(hide_color, reveal_color), UNPAIRED)
    assert hidden["monitor/cycle_error"] < 0.01
    assert hidden["monitor/cycle_error_noisy"] > 1
    inverted = run_probe(make_game(invert, invert), UNPAIRED)
    assert inverted["monitor/cycle_error"] == 0.0
    assert 0 < inverted["monitor/cycle_error_noisy"] < 0.1


def test_signals_are_those_of_the_worse_direction() -> None:
    for formula, reverse_formula in ((tint, invert), (invert, tint)):
        signals = run_probe(make_game(formula, reverse_formula), UNPAIRED)
        assert signals["monitor/brightness_correlation"] == pytest.approx(-1, abs=1e-4)
    assert run_probe(make_game(tint, constant), UNPAIRED)["monitor/input_sensitivity"] == 0.0
    assert run_probe(make_game(copy_input, invert), UNPAIRED)["monitor/change_from_input"] == 0.0


def test_outputs_larger_than_inputs() -> None:
    """Super-resolution: outputs cannot be compared with inputs, only with targets."""
    dataset = make_translation_dataset(INPUTS, INPUTS[:, ::2, ::2], True)
    game = make_game(lambda inputs: nn.functional.interpolate(inputs, scale_factor=2, mode="bilinear"))
    signals = run_probe(game, dataset)
    assert not {"monitor/change_from_input", "monitor/l1_over_input_l1"} & set(signals)
    assert 0 < signals["monitor/l1_over_mean_image_l1"] < 0.3
    assert signals["monitor/brightness_correlation"] > 0.95
    gray_to_color = TranslationDirection(torch.zeros(4, 1, 8, 8), *[torch.rand(4, 3, 8, 8)] * 3)
    assert color_signals(gray_to_color, has_targets=False) == {}


@pytest.mark.parametrize(("weight", "auc"), [(4.0, 1.0), (-4.0, 0.0)])
def test_a_discriminator_that_separates_by_brightness(weight: float, auc: float) -> None:
    """Darker outputs from brighter targets, with the right and with the wrong sign."""
    game = make_game(lambda inputs: tint(inputs).clamp(-1, 1) - 1.5, brightness_weight=weight)
    signals = run_probe(game)
    assert signals["monitor/auc_train"] == signals["monitor/auc_held_out"] == auc
    assert math.copysign(1, signals["monitor/score_separation_train"]) == 2 * auc - 1


def test_constant_images_have_no_ratios() -> None:
    flat = torch.zeros(8, 3, 16, 16)
    assert input_sensitivity_signals(TranslationDirection(flat, flat, flat, flat)) == {}
    assert distance_signals(TranslationDirection(flat, flat + 1, flat, flat), has_targets=True) == {}
    assert cycle_signals(flat, flat, flat) == {}


def test_byte_noise_has_the_given_strength_on_the_grid_of_byte_levels() -> None:
    gray = torch.full((4, 2, 3, 16, 16), 1 / 127.5)
    noisy = add_byte_noise(gray)
    levels = (noisy + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert float((noisy - gray).std()) == pytest.approx(NOISE_STD_BYTE_LEVELS * BYTE_STEP, rel=0.1)
    assert torch.equal(noisy, add_byte_noise(gray))
    assert float(add_byte_noise(torch.full((1, 3, 8, 8), 9.0)).max()) == pytest.approx(1)


def test_both_directions_get_noise_of_their_own() -> None:
    images = {"a_to_b": torch.zeros(2, 1, 8, 8), "b_to_a": torch.zeros(2, 3, 8, 8)}
    noisy = add_byte_noise(images)
    assert {name: part.shape for name, part in noisy.items()} == {name: part.shape for name, part in images.items()}
    assert not torch.equal(noisy["a_to_b"][:, 0], noisy["b_to_a"][:, 0])
