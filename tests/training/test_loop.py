"""The training loop: which player steps, when and with which gradients, and a comparison with a plain PyTorch loop."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from tiny_games import Points, TinyDiscriminator, points_game, weights
from torch import nn
from torch.nn import functional as F

from zerosum.data.loader import BatchLoader
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.game import Game, Move, MoveLosses
from zerosum.game.objective import Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.player import EMA, Player
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Cosine, Linear, Progress
from zerosum.game.terms import R1, R2, GradientPenalty
from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import next_micro_batches, optimizer_step, play_round, train
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game


def train_rounds(
    game: Game,
    num_rounds: int,
    batch_size: int = 8,
    accelerator: Accelerator | None = None,
    callback=lambda progress: None,
) -> BatchLoader:
    accelerator = accelerator or Accelerator()
    loader = BatchLoader(Points(), batch_size // accelerator.accumulate, seed=1)
    stop = lambda progress: progress.round >= num_rounds  # noqa: E731
    train(game, loader, accelerator, Progress(), batch_size, Meter(), [callback], stop)
    return loader


class Float64Generator(nn.Module):
    """A generator in float64, since Adam amplifies float32 rounding wherever a gradient is almost 0."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, z):
        return self.network(z.double())


@pytest.mark.parametrize("reuse_fakes", [False, True])
def test_the_vanilla_recipe_equals_a_plain_pytorch_loop(reuse_fakes: bool) -> None:
    """10 rounds of the recipe `vanilla` equal a plain PyTorch loop: BCE with logits, two Adams, detach.

    The generator moves on new samples, or on those of the discriminator's move. Without dropout, whose masks are drawn
    in another order; in float64, to 1e-9.
    """
    file = RecipeFile("vanilla")
    for path, value in {("discriminator", "dropout"): 0.0, ("training", "batch_size"): 16}.items():
        file.settings_tree.set(path, value, "")
    recipe = check_recipe(file.settings_tree)
    accelerator, source = Accelerator(), Points(200, 28 * 28)
    source.values = source.values.reshape(200, 1, 28, 28).clip(-1, 1).astype(np.float64)
    shape = (1, 28, 28)
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        generator = Float64Generator(recipe.generator.build(100, TensorSpec(shape, bounded=True)))
        networks.append((generator, recipe.discriminator.build(TensorSpec(shape)).double()))
    parts = GameParts(*networks[0], recipe.latent, recipe.objective, recipe.optimizer, TensorSpec(shape), recipe.terms)
    game = AdversarialGame(parts, AdversarialGameConfig(reuse_fakes=reuse_fakes))
    train(
        game,
        BatchLoader(source, 16, 3),
        accelerator,
        Progress(),
        16,
        Meter(),
        [],
        lambda progress: progress.round >= 10,
    )

    generator, discriminator = networks[1]
    settings = {"lr": 2e-4, "betas": (0.5, 0.999)}
    d_optimizer = torch.optim.Adam(discriminator.parameters(), **settings)
    g_optimizer = torch.optim.Adam(generator.parameters(), **settings)
    data = BatchLoader(source, 16, 3)
    ones, zeros = torch.ones(16).double(), torch.zeros(16).double()
    for _ in range(10):
        batch = next(data)
        real, z = batch["real"], seeded_rng.normal(batch["seed"], 100, seeded_rng.RandomStream.LATENT)
        d_optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss = loss + F.binary_cross_entropy_with_logits(discriminator(generator(z).detach()).score, zeros)
        loss.backward()
        d_optimizer.step()
        if not reuse_fakes:
            z = seeded_rng.normal(next(data)["seed"], 100, seeded_rng.RandomStream.LATENT)
        g_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(generator(z)).score, ones).backward()
        g_optimizer.step()
    for actual, expected in ((game.generator, generator), (game.discriminator, discriminator)):
        for a, b in zip(actual.parameters(), expected.parameters(), strict=True):
            assert (a - b).abs().max() < 1e-9


def test_a_move_changes_only_its_player() -> None:
    game = points_game({"r1": R1(every_rounds=2), "r2": R2()})
    accelerator, loader = Accelerator(), BatchLoader(Points(), 8, seed=1)
    for move in game.moves:
        before = weights(game)
        optimizer_step(game, move, next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
        after = game.state_dict()
        for name in before:
            changed = not torch.equal(before[name], after[name])
            if name.startswith(move.player):
                # the gradient of a penalty alone is 0 in the last bias
                assert changed or (move.every_rounds > 1 and name.endswith("bias")), (move.player, name)
            else:
                assert not changed, (move.player, name)
        assert not any(p.requires_grad for p in game.parameters()), "all parameters are frozen between moves"


def test_the_frozen_player_gets_no_gradients() -> None:
    """A discriminator's move builds no autograd graph of the generator."""
    recorded = {}

    class RecordingGenerator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 2)

        def forward(self, z):
            out = self.body(z)
            recorded["requires_grad"] = out.requires_grad
            return out

    game = points_game()
    game.generator = RecordingGenerator()
    accelerator, loader = Accelerator(), BatchLoader(Points(), 8, seed=1)
    game.players["generator"] = Player("generator", game.generator, Adam())
    for move, requires_grad in zip(game.moves, (False, True), strict=True):
        optimizer_step(game, move, next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
        assert recorded["requires_grad"] is requires_grad
    before = [p.grad.clone() for p in game.discriminator.parameters()]
    optimizer_step(game, game.moves[1], next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
    for parameter, old in zip(game.discriminator.parameters(), before, strict=True):
        assert torch.equal(parameter.grad, old), "the generator's move does not change the discriminator's gradients"


@pytest.mark.parametrize("accumulate", [1, 2])
def test_reused_fakes_are_generated_once(accumulate: int) -> None:
    """One forward pass of the generator for each round and micro-batch; those not kept are generated again, equal."""
    generated, scored = [], []
    game = points_game(reuse_fakes=True)
    game.generator.register_forward_hook(lambda network, args, out: generated.append(out.detach().clone()))
    game.discriminator.register_forward_hook(lambda network, args, out: scored.append(args[0].detach().clone()))
    loader = train_rounds(game, 3, accelerator=Accelerator(accumulate=accumulate))
    assert loader.position == 3 * 8
    # the last micro-batch is kept; the others are generated again, from the same seeds and weights
    assert len(generated) == 3 * (2 * accumulate - 1)
    for start in range(0, len(scored), 3 * accumulate):
        round_inputs = scored[start : start + 3 * accumulate]
        for index in range(accumulate):
            assert torch.equal(round_inputs[2 * index + 1], round_inputs[2 * accumulate + index])


def count_terms(game: Game, num_rounds: int) -> Counter:
    """Return how often each term was computed in `num_rounds` rounds."""
    counts: Counter = Counter()
    meter = Meter()
    add = meter.add
    meter.add = lambda name, value: (counts.update([name]), add(name, value))[1]
    loader = BatchLoader(Points(), 8, seed=1)
    for index in range(num_rounds):
        play_round(game, loader, Accelerator(), Progress(index, index * 8), meter)
    return counts


def test_intervals_of_moves_and_terms() -> None:
    game = points_game({"r1": R1(every_rounds=4), "r2": R2(every_rounds=1)}, Wasserstein(), discriminator_steps=5)
    steps: Counter = Counter()
    for player in game.players.values():
        step = player.optimizer.step
        player.optimizer.step = lambda s=step, n=player.name: (steps.update([n]), s())[1]
    counts = count_terms(game, 12)
    assert counts["discriminator/objective"] == counts["discriminator/r2"] == 60
    assert counts["discriminator/r1"] == 3
    assert counts["generator/objective"] == 12
    assert steps == {"discriminator": 63, "generator": 12}


def test_a_term_is_not_computed_while_its_weight_is_zero() -> None:
    """A lazy term costs no step either, which would move the weights by momentum."""
    ramp = Linear(start=0.0, end=1.0, examples=(40, 80))
    terms = {"r1": R1(every_rounds=2, weight=ramp), "r2": R2(weight=ramp), "gp": GradientPenalty(weight=0.0)}
    game, plain = points_game(terms), points_game()
    counts = count_terms(game, 5)  # 0 to 32 examples
    assert counts == count_terms(plain, 5)
    for weight, expected in zip(game.parameters(), plain.parameters(), strict=True):
        assert torch.equal(weight, expected)
    counts = count_terms(game, 12)  # 48 to 88 examples are above the start of the ramp, in rounds 6, ... 11
    assert (counts["discriminator/r1"], counts["discriminator/r2"], counts["discriminator/gp"]) == (3, 6, 0)


def test_the_gradient_of_a_lazy_term_is_scaled_by_its_interval() -> None:
    """A term of every 4th round has 4 times its gradient."""
    gradients = []
    for every in (1, 4):
        game = points_game({"r1": R1(every_rounds=4)})
        lazy = next(move for move in game.moves if move.every_rounds == 4)
        move = Move("discriminator", lazy.loss_fn, every_rounds=every)
        optimizer_step(game, move, [next(BatchLoader(Points(), 8, seed=1))], Accelerator(), Progress(), Meter())
        gradients.append([p.grad.clone() for p in game.discriminator.parameters() if p.grad is not None])
    for unscaled, scaled in zip(*gradients, strict=True):
        torch.testing.assert_close(4 * unscaled, scaled)


@pytest.mark.parametrize("reuse_fakes", [False, True])
@pytest.mark.parametrize("terms", [{}, {"r1": R1(weight=0.5)}, {"gp": GradientPenalty()}], ids=str)
def test_gradient_accumulation_equals_one_batch(terms, reuse_fakes: bool) -> None:
    games = []
    for accumulate in (1, 2, 4):
        game = points_game(terms, reuse_fakes=reuse_fakes)
        train_rounds(game, 10, 16, Accelerator(accumulate=accumulate))
        games.append(weights(game))
    for other in games[1:]:
        for name, tensor in games[0].items():
            torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


def test_schedules_reach_the_optimizer_and_the_weights() -> None:
    optimizer = Adam(
        lr=Linear(start=1e-2, end=0, examples=(0, 80)),
        beta2=Cosine(start=0.9, end=0.99, examples=(0, 80)),
        lr_multipliers={"discriminator": 4},
    )
    game = points_game({"r1": R1(weight=Linear(start=2, end=1, examples=(0, 40)))}, optimizer=optimizer)
    recorded = []

    def record_settings(progress: Progress) -> None:
        recorded.append([p.optimizer.param_groups[0] | {"params": None} for p in game.players.values()])

    train_rounds(game, 11, callback=record_settings)
    d, g = recorded[5]  # the sixth round starts after 40 examples
    assert g["lr"] == pytest.approx(5e-3)
    assert d["lr"] == pytest.approx(4 * 5e-3)
    assert g["betas"][1] == pytest.approx(0.945)
    assert recorded[10][1]["lr"] == 0
    term_values = []
    for examples in (0, 20, 40, 400):
        game = points_game({"r1": R1(weight=Linear(start=2, end=1, examples=(0, 40)))})
        terms, _ = game.moves[0].loss_fn(next(BatchLoader(Points(), 8, seed=1)), Progress(0, examples))
        term_values.append(terms["r1"].mean().item())
    assert [value / term_values[-1] for value in term_values] == pytest.approx([2, 1.5, 1, 1])


def test_ema_half_life() -> None:
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    ema = EMA(network, 100.0)
    nn.init.ones_(network.weight)
    for _ in range(10):
        ema.update(network, 10, Progress())
    assert ema.network.weight.item() == pytest.approx(0.5)
    without_memory = EMA(nn.Linear(1, 1), 0.0)
    without_memory.update(network, 10, Progress())
    assert without_memory.network.weight.item() == 1.0
    scheduled = EMA(network, Linear(start=0, end=100, examples=(0, 1000)))
    nn.init.zeros_(network.weight)
    scheduled.update(network, 10, Progress(1, 500))
    assert scheduled.network.weight.item() == pytest.approx(0.5 ** (10 / 50))


def test_emas_stay_in_evaluation_mode() -> None:
    game = points_game()
    game.train()
    assert game.training
    assert not game.ema_generator.training


def test_invalid_games_are_refused() -> None:
    network = TinyDiscriminator()
    empty = lambda batch, progress: MoveLosses({}, {})  # noqa: E731
    with pytest.raises(ValueError, match="share a parameter"):
        Game().register_players_and_moves([Player("a", network, Adam()), Player("b", network, Adam())], [])
    with pytest.raises(ValueError, match="share a name"):
        Game().register_players_and_moves([Player("a", network, Adam()), Player("a", TinyDiscriminator(), Adam())], [])
    with pytest.raises(ValueError, match="move"):
        Game().register_players_and_moves([Player("a", network, Adam())], [Move("b", empty)])
    with pytest.raises(ValueError, match="objective"):
        points_game({"objective": R1()})


def test_scoring_real_and_fake_in_one_batch_or_two_is_equal() -> None:
    """The discriminator scores real and fake samples concatenated, or one after the other."""
    games = []
    for per_sample in (False, True):
        lazy = points_game({"r1": R1(every_rounds=2), "r2": R2(every_rounds=2)})
        game = points_game({"r1": R1(), "r2": R2()})
        lazy.per_sample = game.per_sample = per_sample
        train_rounds(lazy, 6)
        train_rounds(game, 6)
        games.append(weights(lazy) | {f"every_round.{name}": value for name, value in weights(game).items()})
    for name, tensor in games[0].items():
        torch.testing.assert_close(tensor, games[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["auto", "dcgan", "r3gan", "vanilla", "wgan-gp"])
def test_recipes_train_in_bfloat16(name: str) -> None:
    """Networks in bfloat16, scores and penalties in float32; on any CPU, if slowly."""
    file = RecipeFile(name)
    file.apply_variant("nano")
    file.settings_tree.set(("training", "batch_size"), 4, "")
    recipe = check_recipe(file.settings_tree).resolve_schedules(1000)
    accelerator = Accelerator(dtype=torch.bfloat16)
    game = build_game(recipe, DataInfo(TensorSpec((1, 16, 16), bounded=True)), accelerator)
    source = Points(40, 256)
    source.values = source.values.reshape(40, 1, 16, 16).clip(-1, 1)
    meter = Meter()
    train(game, BatchLoader(source, 4, 0), accelerator, Progress(), 4, meter, [], lambda progress: progress.round >= 2)
    means = meter.pop_means(accelerator)
    assert all(math.isfinite(value) for value in means.values()), means


def test_games_with_spectral_and_batch_norm_train() -> None:
    """Parametrized weights and buffers can be frozen, averaged and saved."""
    generator = MLPGeneratorConfig(widths=(8,), norm="batch").build(4, TensorSpec((2,)))
    discriminator = MLPDiscriminatorConfig(widths=(8,), spectral_norm=True, dropout=0.1).build(TensorSpec((2,)))
    game = points_game()
    game.generator, game.discriminator = generator, discriminator
    game.register_players_and_moves(
        [Player("discriminator", discriminator, Adam()), Player("generator", generator, Adam(), [20.0])], game.moves
    )
    train_rounds(game, 5)
    state = {name: value.clone() for name, value in game.state_dict().items()}
    game.load_state_dict(state)
    assert game.sample(seeded_rng.derive_seeds(0, 0, 3)).shape == (3, 2)
