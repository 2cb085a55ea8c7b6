"""The game in a latent space: its stages, what changes in each, what the other players see, and exact signals."""

import copy

import pytest
import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.autoencoder_stage import AutoencoderStage
from zerosum.game.game import Game
from zerosum.game.latent_space import LatentSpaceGame
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Linear, Progress
from zerosum.game.types import Batch
from zerosum.recipes.files import check_recipe
from zerosum.recipes.variants import build_settings_tree
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game

SPEC = TensorSpec((3, 32, 32), bounded=True)
BATCH, END = 8, 24
SETTINGS = {
    "generator.width": 4, "discriminator.width": 4, "autoencoder.width": 4, "training.batch_size": BATCH,
    "game.autoencoder.examples": END, "game.autoencoder.noise": 0.3,
}  # fmt: skip


def make_batch(position: int) -> Batch:
    rng = torch.Generator().manual_seed(position)
    return {
        "real": torch.rand(BATCH, *SPEC.shape, generator=rng) * 2 - 1,
        "seed": seeded_rng.derive_seeds(position, 0, BATCH),
    }


def make_game(**settings: object) -> LatentSpaceGame:
    recipe = check_recipe(build_settings_tree("latent", "nano", SETTINGS | settings, {})).resolve_schedules(80)
    game = build_game(recipe, DataInfo(SPEC), Accelerator())
    assert isinstance(game, LatentSpaceGame)
    return game.train()


def play(game: Game, rounds: int, first: int = 0) -> Meter:
    meter, batches = Meter(), iter(make_batch(1000 * first + position) for position in range(10 * rounds))
    for index in range(first, first + rounds):
        progress = Progress(index, index * BATCH)
        play_round(game, batches, Accelerator(), progress, meter)
        for player in game.players.values():
            player.update_ema(BATCH, Progress(index + 1, (index + 1) * BATCH))
    return meter


def tensors(game: Game, prefix: str) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in game.state_dict().items() if name.startswith(prefix)}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return any(not torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_stage_ends_exactly_at_its_schedule() -> None:
    game = make_game()
    others = ("generator.", "discriminator.", "emas.generator.")
    start = {prefix: tensors(game, prefix) for prefix in ("autoencoder.", *others)}
    play(game, END // BATCH)
    assert changed(start["autoencoder."], tensors(game, "autoencoder."))
    assert not any(changed(start[prefix], tensors(game, prefix)) for prefix in others)
    trained = tensors(game, "autoencoder.")
    play(game, 2, first=END // BATCH)
    assert not changed(trained, tensors(game, "autoencoder.")), "weights and statistics are frozen"
    assert all(changed(start[prefix], tensors(game, prefix)) for prefix in others)


def test_samples_are_decoded_and_known_to_be_trained_only_after_the_stage() -> None:
    game = make_game()
    seeds = seeded_rng.derive_seeds(0, 0, 5)
    codes = game.ema_generator(game.latent_distribution.sample(seeds))
    assert codes.shape == (5, 4, 16, 16)
    torch.testing.assert_close(game.sample(seeds), game.autoencoder.decode(codes))
    assert game.sample(seeds).shape == (5, *SPEC.shape)
    batch = make_batch(0)
    assert game.decode(game.generate(batch, Progress()), batch).shape == (BATCH, *SPEC.shape), "as the monitor does"
    assert [game.can_sample(Progress(0, examples)) for examples in (0, END, END + BATCH)] == [False, False, True]


def test_players_see_codes_that_do_not_depend_on_the_batch() -> None:
    game, batch = make_game(), make_batch(0)
    play(game, 3)
    codes = game.read_real(batch)
    half: Batch = {"real": batch["real"][:4], "seed": batch["seed"][:4]}
    torch.testing.assert_close(game.read_real(half), codes[:4])
    game.autoencoder.train()
    assert not game.train().autoencoder.training
    assert not codes.requires_grad


def test_a_round_is_timed_in_both_stages() -> None:
    assert make_game().timing_points(80) == [(Progress(0, 1), 0.3), (Progress(0, END + 1), 0.7)]


def test_every_loss_of_the_stage_is_read() -> None:
    game = make_game(
        **{
            "game.autoencoder.adversarial_weight": {"start": 0.0, "end": 0.5, "examples": [0, 24]},
            "autoencoder.discriminator.width": 4,
        }
    )
    start = tensors(game, "patch_discriminator.")
    means = play(game, 3).pop_means(Accelerator())
    assert {"autoencoder/reconstruction", "autoencoder/adversarial", "patch_discriminator/objective"} <= set(means)
    assert changed(start, tensors(game, "patch_discriminator."))
    trained = tensors(game, "patch_discriminator.")
    play(game, 1, first=3)
    assert not changed(trained, tensors(game, "patch_discriminator."))


def test_the_perceptual_loss_is_that_of_a_fraction_of_the_batch() -> None:
    game = make_game()
    seen: list[int] = []

    def distance(first: Tensor, second: Tensor) -> Tensor:
        seen.append(len(first))
        return (first - second).square().mean((1, 2, 3))

    game.perceptual_distance = distance
    game._stage = game._stage.model_copy(update={"perceptual_weight": 2.0, "perceptual_fraction": 0.25})
    assert "autoencoder/perceptual" in play(game, 1).pop_means(Accelerator())
    assert seen == [BATCH // 4]


def test_noise_on_codes_is_that_of_the_seed() -> None:
    game, batch = make_game(), make_batch(0)
    noises: list[Tensor] = []
    forward = game.autoencoder.forward
    game.autoencoder.forward = lambda sample, noise, *others: noises.append(noise) or forward(sample, noise, *others)
    for _ in range(2):
        game._compute_autoencoder_losses(batch, Progress())
    half: Batch = {"real": batch["real"][:4], "seed": batch["seed"][:4]}
    game._compute_autoencoder_losses(half, Progress())
    assert torch.equal(noises[0], noises[1])
    assert torch.equal(noises[0][:4], noises[2])
    assert float(noises[0].std()) == pytest.approx(0.3, rel=0.05)


def test_deviations_of_noise_are_drawn_for_each_sample() -> None:
    game = make_game(**{"game.autoencoder.noise": 1.5, "game.autoencoder.noise_power": 2.0})
    seeds = seeded_rng.derive_seeds(0, 0, 10_000)
    deviations = game._draw_deviations(seeds, Progress())
    assert torch.equal(deviations[:10], game._draw_deviations(seeds[:10], Progress()))
    assert 0 <= float(deviations.min()) < float(deviations.max()) <= 1.5
    assert float(deviations.mean()) == pytest.approx(1.5 / 3, abs=0.02)  # the mean of u^2; 0.02 is 4.5 standard errors


def test_signals_of_real_samples_are_those_of_the_data() -> None:
    game = make_game()
    play(game, END // BATCH)
    means = play(game, 2, first=END // BATCH).pop_means(Accelerator())
    batch = make_batch(0)["real"]
    assert means["signals/real_mean"] == pytest.approx(float(batch.mean()), abs=0.02)
    assert means["signals/real_variance"] == pytest.approx(float(batch.var(0).mean()), rel=0.1)
    assert 0 < means["signals/fake_variance"] < 10


def test_a_copy_of_the_game_plays_on() -> None:
    game = make_game()
    play(game, 4)
    copied = copy.deepcopy(game)
    play(game, 1, first=4)
    play(copied, 1, first=4)
    assert not changed(game.state_dict(), copied.state_dict())


def test_schedules_of_the_stage_are_fractions_of_it() -> None:
    stage = AutoencoderStage(fraction=0.5, noise=Linear(start=1.0, end=0.1, fraction=(0.0, 0.5))).resolve(200)
    assert stage.examples == 100
    assert isinstance(stage.noise, Linear)
    assert stage.noise.examples == (0, 50)
    assert isinstance(stage.optimizer.lr, Linear)
    assert stage.optimizer.lr.examples == (50, 100)
    assert stage.resolve(200) == stage
    assert AutoencoderStage(examples=64).resolve(200).examples == 64


@pytest.mark.parametrize("settings", [{"examples": 10, "fraction": 0.2}, {"fraction": 0}, {"fraction": 1}])
def test_a_stage_has_one_length(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"examples|fraction"):
        AutoencoderStage(**settings)


def test_changing_one_setting_of_the_optimizer_keeps_the_others() -> None:
    optimizer = AutoencoderStage(optimizer={"lr": 1e-3}).optimizer
    assert (optimizer.lr, optimizer.beta1) == (1e-3, 0.9)
