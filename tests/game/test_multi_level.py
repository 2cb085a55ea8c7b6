"""The game of several levels: its noise in closed form, and what the discriminator receives."""

import pytest
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.game.adversarial import FAKE, REAL
from zerosum.game.multi_level import MultiLevelGame, add_level_noise
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.seeded_rng import derive_seeds
from zerosum.recipes.files import check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import build_settings_tree
from zerosum.training.accelerator import Accelerator
from zerosum.workflows.build_game import DataInfo, build_game

SHAPE = (2, 16, 16)
SMALL = {
    "generator.width": 16, "discriminator.width": 16, "generator.head_width": 8, "discriminator.head_width": 8,
}  # fmt: skip


def make_recipe(**settings: object) -> Recipe:
    return check_recipe(build_settings_tree("gat", "nano", {**SMALL, **settings}, {})).resolve_schedules(1000)


def make_game(**settings: object) -> MultiLevelGame:
    game = build_game(make_recipe(**settings), DataInfo(TensorSpec(SHAPE, bounded=True)), Accelerator())
    assert isinstance(game, MultiLevelGame)
    return game


def make_batch(count: int, real: Tensor | None = None):
    return {"real": torch.rand(count, *SHAPE) * 2 - 1 if real is None else real, "seed": derive_seeds(0, 0, count)}


def test_noise_falls_linearly_and_is_cumulative() -> None:
    count, levels = 4000, 4
    noise = add_level_noise(torch.zeros(count, levels, 1, 4, 4), derive_seeds(0, 0, count), 0.6)
    deviations = noise.transpose(0, 1).flatten(1).std(1)
    torch.testing.assert_close(deviations, torch.tensor([0.6, 0.4, 0.2, 0.0]), atol=0.01, rtol=0)
    # the part that a level adds is independent of the noise of the next one
    for level in range(2):
        added, later = (noise[:, level] - noise[:, level + 1]).flatten(), noise[:, level + 1].flatten()
        assert abs(torch.corrcoef(torch.stack([added, later]))[0, 1]) < 5.5 / added.numel() ** 0.5


def test_noise_depends_on_the_seed_only() -> None:
    levels, seed = torch.randn(6, 3, *SHAPE), derive_seeds(3, 0, 6)
    whole = add_level_noise(levels, seed, 1.0)
    assert torch.equal(whole[4:], add_level_noise(levels[4:], seed[4:], 1.0))
    assert torch.equal(whole[:, -1], levels[:, -1])
    assert torch.equal(add_level_noise(levels[:, :1], seed, 1.0), levels[:, :1]), "a single level has no noise"


def test_the_discriminator_gets_all_levels_and_everybody_else_the_last() -> None:
    game, batch = make_game(), make_batch(4)
    generated = game.generate(batch, Progress())
    assert generated.shape == (4, 4 * SHAPE[0], *SHAPE[1:])
    assert game.decode(generated, batch).shape == (4, *SHAPE)
    assert game.sample(batch["seed"]).shape == (4, *SHAPE)
    play = game.build_play(batch, Progress())
    assert play.real.sample.shape == play.fake.sample.shape == generated.shape
    torch.testing.assert_close(game.decode(game.prepare_real(batch, Progress()), batch), batch["real"])


@pytest.mark.parametrize("kind", ["none", "diffaugment"])
def test_noise_of_real_and_fake_samples_has_one_distribution(kind: str) -> None:
    game = make_game(**{"augment.kind": kind} | ({"augment.policy": ["translation"]} if kind != "none" else {}))
    constant = torch.full((2000, *SHAPE), 0.25)
    batch = make_batch(2000, constant)
    real, fake = (
        game.prepare_discriminator_input(game.prepare_real(batch, Progress()), side, batch, Progress()).sample
        for side in (REAL, FAKE)
    )
    assert not torch.equal(real[:, 0], fake[:, 0]), "they are drawn independently"
    for moment in (Tensor.mean, Tensor.std):
        first, second = (moment(x.unflatten(1, (4, -1)).transpose(0, 1).flatten(1), 1) for x in (real, fake))
        torch.testing.assert_close(first, second, atol=0.01, rtol=0)


def test_all_levels_are_augmented_alike() -> None:
    game, batch = make_game(**{"game.level_noise": 0}), make_batch(8)
    prepared = game.prepare_discriminator_input(game.prepare_real(batch, Progress()), REAL, batch, Progress())
    levels = prepared.sample.chunk(4, 1)
    assert all(torch.equal(level, levels[0]) for level in levels)
    assert not torch.equal(levels[0], batch["real"])


def test_the_move_of_the_generator_trains_the_first_head_through_the_first_level() -> None:
    game, batch = make_game(), make_batch(4)
    seen: list[Tensor] = []

    def keep(module: object, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].requires_grad:
            inputs[0].retain_grad()
            seen.append(inputs[0])

    game.generator.requires_grad_()
    with game.discriminator.register_forward_pre_hook(keep):
        game.objective.generator_loss(game.build_play(batch, Progress())).mean().backward()
    assert seen[0].grad[:, : SHAPE[0]].any()
    assert game.generator.heads[0].weight.grad.any()


def test_signals_compare_single_images() -> None:
    game, batch = make_game(), make_batch(8)
    signals = game._compute_signals(game.build_play(batch, Progress()))
    assert signals["fake_variance"].shape == signals["real_variance"].shape == (4,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"generator.kind": "dcgan", "generator.levels": None}, "needs a generator with outputs of several levels"),
        ({"game.replay_buffer": 64}, "shows the discriminator the outputs of all levels"),
        ({"terms.r1.weight": 1}, "fused attention, which has no second derivatives"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], message: str) -> None:
    if "generator.kind" in settings:
        tree = build_settings_tree("auto", "nano", {"game.kind": "multi-level"}, {})
    else:
        tree = build_settings_tree("gat", "nano", settings, {})
    with pytest.raises(BadInput, match=message):
        check_recipe(tree)


def test_the_learning_rate_is_the_papers_scaled_by_the_inverse_of_the_width() -> None:
    for size in ("nano", "small", "base"):
        recipe = check_recipe(build_settings_tree("gat", size, {}, {}))
        lr = recipe.optimizer.lr if isinstance(recipe.optimizer.lr, float) else recipe.optimizer.lr.start
        assert lr * recipe.generator.width == pytest.approx(2e-4 * 768)
