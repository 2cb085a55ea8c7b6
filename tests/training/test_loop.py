"""Wiring: who moves, when, with which gradients; and the whole step against one written out by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from tiny_games import Points, Score, points_game, weights
from torch import nn
from torch.nn import functional as F

from zerosum.data.loader import BatchLoader
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.game import Game, Move, MoveLosses
from zerosum.game.objective import Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.player import EMA, Player
from zerosum.game.schedule import Cosine, Linear, Progress
from zerosum.game.terms import R1, R2, GradientPenalty
from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import next_micro_batches, optimizer_step, play_round, train
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import build_game


def rounds(
    game: Game, n: int, batch: int = 8, machine: Accelerator | None = None, witness=lambda now: None
) -> BatchLoader:
    machine = machine or Accelerator()
    loader = BatchLoader(Points(), batch // machine.accumulate, seed=1)
    train(game, loader, machine, Progress(), batch, Meter(), [witness], lambda now: now.round >= n)
    return loader


class Doubled(nn.Module):
    """A generator in float64: rounding in float32 is amplified by Adam wherever a gradient is almost 0."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, z):
        return self.network(z.double())


@pytest.mark.parametrize("share", [False, True])
def test_the_vanilla_step_is_the_textbooks(share: bool) -> None:
    """10 rounds of the recipe `vanilla` against a plain PyTorch loop: BCE with logits, two Adams, detach.

    The generator moves on new samples, or on those that the discriminator has just judged. Without dropout, whose masks
    are drawn in another order; in float64, to 1e-9.
    """
    file = RecipeFile("vanilla")
    for path, value in {("discriminator", "dropout"): 0.0, ("training", "batch"): 16}.items():
        file.settings_tree.set(path, value, "")
    recipe = check_recipe(file.settings_tree)
    accelerator, source = Accelerator(), Points(200, 28 * 28)
    source.values = source.values.reshape(200, 1, 28, 28).clip(-1, 1).astype(np.float64)
    shape = (1, 28, 28)
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        generator = Doubled(recipe.generator.build(100, shape, True))
        networks.append((generator, recipe.discriminator.build(shape).double()))
    parts = (recipe.latent, recipe.objective, recipe.terms, recipe.optimizer)
    game = AdversarialGame(*networks[0], *parts, config=AdversarialGameConfig(reuse_fakes=share))
    train(game, BatchLoader(source, 16, 3), accelerator, Progress(), 16, Meter(), [], lambda now: now.round >= 10)

    generator, discriminator = networks[1]
    settings = {"lr": 2e-4, "betas": (0.5, 0.999)}
    of_d = torch.optim.Adam(discriminator.parameters(), **settings)
    of_g = torch.optim.Adam(generator.parameters(), **settings)
    data = BatchLoader(source, 16, 3)
    ones, zeros = torch.ones(16).double(), torch.zeros(16).double()
    for _ in range(10):
        batch = next(data)
        real, z = batch["real"], seeded_rng.normal(batch["seed"], 100, seeded_rng.RandomStream.LATENT)
        of_d.zero_grad()
        loss = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss = loss + F.binary_cross_entropy_with_logits(discriminator(generator(z).detach()).score, zeros)
        loss.backward()
        of_d.step()
        if not share:
            z = seeded_rng.normal(next(data)["seed"], 100, seeded_rng.RandomStream.LATENT)
        of_g.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(generator(z)).score, ones).backward()
        of_g.step()
    for ours, theirs in ((game.generator, generator), (game.discriminator, discriminator)):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert (a - b).abs().max() < 1e-9


def test_only_the_mover_changes() -> None:
    game = points_game({"r1": R1(every_rounds=2), "r2": R2()})
    accelerator, loader = Accelerator(), BatchLoader(Points(), 8, seed=1)
    for move in game.moves:
        before = weights(game)
        optimizer_step(game, move, next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
        after = game.state_dict()
        for name in before:
            changed = not torch.equal(before[name], after[name])
            if name.startswith(move.player):
                # a penalty alone has no slope in the last bias
                assert changed or (move.every_rounds > 1 and name.endswith("bias")), (move.player, name)
            else:
                assert not changed, (move.player, name)
        assert not any(p.requires_grad for p in game.parameters()), "everything is frozen between moves"


def test_the_frozen_side_gets_no_gradients() -> None:
    """A discriminator's move builds no generator graph: nothing in the generator wants gradients."""
    seen = {}

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(4, 2)

        def forward(self, z):
            out = self.body(z)
            seen["wants"] = out.requires_grad
            return out

    game = points_game()
    game.generator = Spy()
    accelerator, loader = Accelerator(), BatchLoader(Points(), 8, seed=1)
    game.players["generator"] = Player("generator", game.generator, Adam())
    for move, wants in zip(game.moves, (False, True), strict=True):
        optimizer_step(game, move, next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
        assert seen["wants"] is wants
    before = [p.grad.clone() for p in game.discriminator.parameters()]
    optimizer_step(game, game.moves[1], next_micro_batches(loader, accelerator), accelerator, Progress(), Meter())
    for parameter, old in zip(game.discriminator.parameters(), before, strict=True):
        assert torch.equal(parameter.grad, old), "the generator's move left the discriminator's gradients alone"


@pytest.mark.parametrize("accumulate", [1, 2])
def test_shared_samples_are_made_once(accumulate: int) -> None:
    """One generator's forward a round and part; a part that is not kept is made again, the same."""
    made, judged = [], []
    game = points_game(share_fakes=True)
    game.generator.register_forward_hook(lambda network, args, out: made.append(out.detach().clone()))
    game.discriminator.register_forward_hook(lambda network, args, out: judged.append(args[0].detach().clone()))
    loader = rounds(game, 3, machine=Accelerator(accumulate=accumulate))
    assert loader.position == 3 * 8
    # the last part is kept; the others are made anew for the generator, from the same seeds by the same weights
    assert len(made) == 3 * (2 * accumulate - 1)
    for start in range(0, len(judged), 3 * accumulate):
        by_both = judged[start : start + 3 * accumulate]
        for part in range(accumulate):
            assert torch.equal(by_both[2 * part + 1], by_both[2 * accumulate + part])


def counted(game: Game, n: int) -> Counter:
    """How often each part of each move was played in n rounds."""
    counts: Counter = Counter()
    meter = Meter()
    add = meter.add
    meter.add = lambda name, value: (counts.update([name]), add(name, value))[1]
    loader = BatchLoader(Points(), 8, seed=1)
    for number in range(n):
        play_round(game, loader, Accelerator(), Progress(number, number * 8), meter)
    return counts


def test_rhythms() -> None:
    game = points_game({"r1": R1(every_rounds=4), "r2": R2(every_rounds=1)}, Wasserstein(), times=5)
    steps: Counter = Counter()
    for player in game.players.values():
        step = player.optimizer.step
        player.optimizer.step = lambda s=step, n=player.name: (steps.update([n]), s())[1]
    counts = counted(game, 12)
    assert counts["discriminator/score"] == counts["discriminator/r2"] == 60
    assert counts["discriminator/r1"] == 3
    assert counts["generator/score"] == 12
    assert steps == {"discriminator": 63, "generator": 12}


def test_a_lazy_term_is_scaled_up() -> None:
    """A term every 4th round moves the discriminator with 4 times its gradient."""
    gradients = []
    for every in (1, 4):
        game = points_game({"r1": R1(every_rounds=4)})
        lazy = next(move for move in game.moves if move.every_rounds == 4)
        move = Move("discriminator", lazy.loss_fn, every_rounds=every)
        optimizer_step(game, move, [next(BatchLoader(Points(), 8, seed=1))], Accelerator(), Progress(), Meter())
        gradients.append([p.grad.clone() for p in game.discriminator.parameters() if p.grad is not None])
    for once, scaled in zip(*gradients, strict=True):
        torch.testing.assert_close(4 * once, scaled)


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("terms", [{}, {"r1": R1(weight=0.5)}, {"gp": GradientPenalty()}], ids=str)
def test_two_micro_batches_are_one_batch(terms, share: bool) -> None:
    games = []
    for accumulate in (1, 2, 4):
        game = points_game(terms, share_fakes=share)
        rounds(game, 10, 16, Accelerator(accumulate=accumulate))
        games.append(weights(game))
    for other in games[1:]:
        for name, tensor in games[0].items():
            torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


def test_schedules_reach_the_optimizer_and_the_weights() -> None:
    rule = Adam(
        lr=Linear(start=1e-2, end=0, examples=(0, 80)),
        beta2=Cosine(start=0.9, end=0.99, examples=(0, 80)),
        lr_multipliers={"discriminator": 4},
    )
    game = points_game({"r1": R1(weight=Linear(start=2, end=1, examples=(0, 40)))}, rule=rule)
    seen = []

    def witness(now: Progress) -> None:
        seen.append([p.optimizer.param_groups[0] | {"params": None} for p in game.players.values()])

    rounds(game, 11, witness=witness)
    d, g = seen[5]  # the sixth round began after 40 images
    assert g["lr"] == pytest.approx(5e-3)
    assert d["lr"] == pytest.approx(4 * 5e-3)
    assert g["betas"][1] == pytest.approx(0.945)
    assert seen[10][1]["lr"] == 0
    found = []
    for images in (0, 20, 40, 400):
        again = points_game({"r1": R1(weight=Linear(start=2, end=1, examples=(0, 40)))})
        terms, _ = again.moves[0].loss_fn(next(BatchLoader(Points(), 8, seed=1)), Progress(0, images))
        found.append(terms["r1"].mean().item())
    assert [value / found[-1] for value in found] == pytest.approx([2, 1.5, 1, 1])


def test_averages_follow_by_half_life() -> None:
    network, average = nn.Linear(1, 1), None
    nn.init.zeros_(network.weight)
    average = EMA(network, 100.0)
    nn.init.ones_(network.weight)
    for _ in range(10):
        average.update(network, 10, Progress())
    assert average.network.weight.item() == pytest.approx(0.5)
    exact = EMA(nn.Linear(1, 1), 0.0)
    exact.update(network, 10, Progress())
    assert exact.network.weight.item() == 1.0
    ramped = EMA(network, Linear(start=0, end=100, examples=(0, 1000)))
    nn.init.zeros_(network.weight)
    ramped.update(network, 10, Progress(1, 500))
    assert ramped.network.weight.item() == pytest.approx(0.5 ** (10 / 50))


def test_averages_stay_in_evaluation_mode() -> None:
    game = points_game()
    game.train()
    assert game.training
    assert not game.ema_generator.training


def test_refused_games() -> None:
    network = Score()
    empty = lambda batch, now: MoveLosses({}, {})  # noqa: E731
    with pytest.raises(ValueError, match="share a parameter"):
        Game().register_players([Player("a", network, Adam()), Player("b", network, Adam())], [])
    with pytest.raises(ValueError, match="share a name"):
        Game().register_players([Player("a", network, Adam()), Player("a", Score(), Adam())], [])
    with pytest.raises(ValueError, match="who does not play"):
        Game().register_players([Player("a", network, Adam())], [Move("b", empty)])
    with pytest.raises(ValueError, match="score"):
        points_game({"score": R1()})


def test_judging_together_changes_nothing_but_speed() -> None:
    """Real and fake before the discriminator in one go, or one after the other."""
    games = []
    for alone in (False, True):
        game = points_game({"r1": R1(every_rounds=2), "r2": R2(every_rounds=2)})
        again = points_game({"r1": R1(), "r2": R2()})
        game.per_sample = again.per_sample = alone
        rounds(game, 6)
        rounds(again, 6)
        games.append(weights(game) | {f"again.{name}": value for name, value in weights(again).items()})
    for name, tensor in games[0].items():
        torch.testing.assert_close(tensor, games[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["auto", "dcgan", "r3gan", "vanilla", "wgan-gp"])
def test_every_recipe_plays_in_bfloat16(name: str) -> None:
    """Networks in half precision, scores and penalties in float32; on any CPU, if slowly."""
    file = RecipeFile(name)
    file.apply_variant("nano")
    file.settings_tree.set(("training", "batch"), 4, "")
    recipe = check_recipe(file.settings_tree).resolve_schedules(1000)
    accelerator = Accelerator(dtype=torch.bfloat16)
    game = build_game(recipe, (1, 16, 16), True, accelerator)
    source = Points(40, 256)
    source.values = source.values.reshape(40, 1, 16, 16).clip(-1, 1)
    meter = Meter()
    train(game, BatchLoader(source, 4, 0), accelerator, Progress(), 4, meter, [], lambda now: now.round >= 2)
    means = meter.pop_means(accelerator)
    assert all(math.isfinite(value) for value in means.values()), means


def test_spectral_and_batch_norm_games_train() -> None:
    """Parametrised weights and buffers are no obstacle to freezing, averaging or saving."""
    generator = MLPGeneratorConfig(widths=(8,), norm="batch").build(4, (2,), False)
    discriminator = MLPDiscriminatorConfig(widths=(8,), spectral_norm=True, dropout=0.1).build((2,))
    game = points_game()
    game.generator, game.discriminator = generator, discriminator
    game.register_players(
        [Player("discriminator", discriminator, Adam()), Player("generator", generator, Adam(), [20.0])], game.moves
    )
    rounds(game, 5)
    twin = {name: value.clone() for name, value in game.state_dict().items()}
    game.load_state_dict(twin)
    assert game.sample(seeded_rng.derive_seeds(0, 0, 3)).shape == (3, 2)
