"""Classes in the game: who is told, what is judged, and that slopes, halves and pools keep them."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import Hinge, NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.play import DiscriminatorInput, input_gradient_norm_sq
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, ClassifyFake, ClassifyReal, GradientPenalty
from zerosum.game.types import Batch
from zerosum.networks import heads
from zerosum.networks.configs import DCGANDiscriminatorConfig, MLPDiscriminatorConfig, MLPGeneratorConfig
from zerosum.networks.layers import LayerFactory, init_kaiming
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

SHARES = (0.5, 0.3, 0.2)


def batch(n: int = 6, seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(n, 2, generator=generator)
    return {"real": real, "seed": seeded_rng.derive_seeds(seed, 0, n), "label": torch.arange(n) % 3}


def game(condition: str = "projection", terms=None, objective=None, **rules) -> AdversarialGame:
    torch.manual_seed(0)
    made = MLPGeneratorConfig(widths=(16,), condition="concat", condition_size=3).build(4, (2,), False, 3)
    judge = MLPDiscriminatorConfig(widths=(16,), dropout=0, condition=condition, condition_size=2).build((2,), 3)
    return AdversarialGame(
        made, judge, Normal(size=4), objective or NonSaturating(), terms or {}, Adam(lr=1e-2, beta1=0.5, beta2=0.9),
        config=AdversarialGameConfig(**rules), class_priors=SHARES, per_sample=True, sample_shape=(2,),
    )  # fmt: skip


@pytest.mark.parametrize("condition", ["projection", "concat"])
def test_the_class_is_heard(condition: str) -> None:
    play = game(condition)
    given, other = batch(), batch()
    other["label"] = (given["label"] + 1) % 3
    assert not torch.equal(play.generate(given, Progress()), play.generate(other, Progress()))
    judged, otherwise = (play.build_play(each, Progress()).real_score for each in (given, other))
    assert not torch.equal(judged, otherwise)


def test_without_classes_nobody_is_told() -> None:
    torch.manual_seed(0)
    networks = MLPGeneratorConfig(widths=(8,)).build(4, (2,), False), MLPDiscriminatorConfig(widths=(8,)).build((2,))
    plain = AdversarialGame(*networks, Normal(size=4), NonSaturating(), {}, Adam())
    assert plain.build_play(batch(), Progress()).real.label is None


def test_judged_together_or_apart_is_the_same() -> None:
    play = game()
    apart, together = (play.build_play(batch(), Progress(), concat_real_fake=way) for way in (False, True))
    for name in ("real_score", "fake_score"):
        torch.testing.assert_close(getattr(apart, name), getattr(together, name))


def test_slopes_are_those_of_the_sample_at_its_class() -> None:
    play, given = game(), batch()
    play.double()
    sample = given["real"].double()
    output, steep = input_gradient_norm_sq(play.discriminate, DiscriminatorInput(sample, given["label"]))
    for row in range(len(sample)):
        point = sample[row : row + 1].clone().requires_grad_(True)
        one = play.discriminator(point, label=given["label"][row : row + 1]).score
        (gradient,) = torch.autograd.grad(one.sum(), point)
        assert steep[row].item() == pytest.approx(gradient.square().sum().item(), rel=1e-9)
        assert output.score[row].item() == pytest.approx(one.item(), rel=1e-9)


@pytest.mark.parametrize("terms", [{"r1": R1()}, {"gp": GradientPenalty()}])
@pytest.mark.parametrize("rules", [{}, {"share_fakes": True}, {"replay": 12}])
def test_a_round_with_classes(terms, rules) -> None:
    play = game(terms=terms, objective=Hinge(), **rules)
    before = {name: tensor.clone() for name, tensor in play.state_dict().items()}
    play_round(play, iter([batch(seed=n) for n in range(4)]), Accelerator(), Progress(), Meter())
    after = play.state_dict()
    for player in ("generator.", "discriminator."):
        assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith(player))


def test_guessing_is_cross_entropy() -> None:
    terms = {"real": ClassifyReal(), "fake": ClassifyFake()}
    play, given = game("classify", terms), batch()
    laid = play.build_play(given, Progress())
    seen = play.discriminator(given["real"]).classes
    torch.testing.assert_close(terms["real"](laid), functional.cross_entropy(seen, given["label"], reduction="none"))
    made = play.discriminator(play.generate(given, Progress())).classes
    torch.testing.assert_close(terms["fake"](laid), functional.cross_entropy(made, given["label"], reduction="none"))


def test_projection_is_a_product_with_the_class() -> None:
    torch.manual_seed(0)
    head = heads.ProjectionHead(5, LayerFactory(init_kaiming), num_classes=3).double()
    features, label = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    table = head.class_embedding.embedding.weight  # (5, 3)
    expected = features @ head.score.weight[0] + head.score.bias + (features * table.T[label]).sum(1)
    torch.testing.assert_close(head(features, label).score, expected)
    half = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    between = head(features[:1], half).score
    ends = [head(features[:1], torch.tensor([k])).score for k in (0, 1)]
    torch.testing.assert_close(between, (ends[0] + ends[1]) / 2)


def test_produced_classes_are_as_common_as_in_the_data() -> None:
    """4,000 draws; each count within 4.5 standard deviations: a false alarm once in 50,000 seeds."""
    label = seeded_rng.sample_classes(seeded_rng.derive_seeds(7, 0, 4_000), torch.tensor(SHARES, dtype=torch.float64))
    counts = torch.bincount(label, minlength=3)
    for count, share in zip(counts.tolist(), SHARES, strict=True):
        assert abs(count - 4_000 * share) < 4.5 * math.sqrt(4_000 * share * (1 - share))


def test_a_class_without_examples_is_never_drawn() -> None:
    label = seeded_rng.sample_classes(seeded_rng.derive_seeds(7, 0, 2_000), torch.tensor([0.0, 0.6, 0.0, 0.4, 0.0]))
    assert set(label.tolist()) == {1, 3}


def exhibits(first: int, n: int = 4) -> DiscriminatorInput:
    return DiscriminatorInput(
        torch.arange(first, first + n).float()[:, None].expand(n, 2).clone(), torch.arange(first, first + n)
    )


def test_a_pool_gives_back_what_it_is_given_until_it_is_full() -> None:
    pool = ReplayBuffer(8, (2,))
    for first in (0, 4):
        made = exhibits(first)
        back = pool.push_and_sample(made, seeded_rng.derive_seeds(first, 0, 4))
        assert torch.equal(back.sample, made.sample)
        assert torch.equal(back.label, made.label)
    assert pool.samples[:, 0].tolist() == list(range(8))


def test_a_full_pool_exchanges_half() -> None:
    """2,000 samples, the old ones among them within 4.5 standard deviations of a half."""
    pool, old = ReplayBuffer(40, (2,)), 0
    for turn in range(510):
        before = pool.samples[:, 0].clone()
        made = exhibits(4 * turn)
        back = pool.push_and_sample(made, seeded_rng.derive_seeds(turn, 0, 4))
        assert torch.equal(back.sample[:, 0].long(), back.label), "a sample keeps its class"
        recalled = back.label != made.label
        if turn < 10:
            assert not recalled.any()
            continue
        old += int(recalled.sum())
        assert all(value in before.tolist() for value in back.sample[recalled, 0].tolist())
        assert all(value in pool.samples[:, 0].tolist() for value in made.sample[recalled, 0].tolist())
    assert abs(old - 1_000) < 4.5 * math.sqrt(2_000 / 4)


class Constant(nn.Module):
    def forward(self, sample: Tensor) -> Tensor:
        return sample


REFUSED = {
    "generator.condition": ({"generator.condition": "concat"}, "nobody would tell"),
    "discriminator.condition": ({"discriminator.condition": "projection"}, "not told"),
    "classify without terms": (
        {"generator.condition": "concat", "discriminator.condition": "classify"}, "needs the term classify-real"),
    "terms without a guess": ({"terms.classify_real.weight": 1}, "needs a discriminator that guesses"),
    "batch norm under a slope": ({"discriminator.norm": "batch"}, "depends on its neighbours"),
    "path length without styles": ({"terms.path_length.weight": 1}, "have styles"),
    "growth of what cannot grow": ({"game.kind": "progressive"}, "grow"),
    "small pool": ({"game.replay_buffer": 8}, "at least 32"),
    "memory of parts": ({"game.replay_buffer": 64, "training.accumulate": 2}, "cannot be cut up"),
    "styles of other latents": ({"generator.kind": "stylegan2", "discriminator.kind": "stylegan2"}, "normal latents"),
    "an old fake's class": (
        {"game.replay_buffer": 64, "terms.gp.kind": "gradient-penalty", "generator.condition": "concat",
         "discriminator.condition": "projection"}, "another class"),
    "a judge that is pleased": (
        {"discriminator.kind": "projected", "evaluation.features": "lite0"}, "please these very features"),
    "two pasts": (
        {"terms.a.kind": "historical", "terms.b.kind": "historical"}, "look back on the same player's past"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_with_its_reason(case: str) -> None:
    settings, reason = REFUSED[case]
    file = RecipeFile("auto")
    file.apply_variant("nano")
    for name, value in settings.items():
        file.settings_tree.set(tuple(name.split(".")), value, f"--{name}")
    with pytest.raises(BadInput, match=reason):
        check_recipe(file.settings_tree)


def test_planes_beside_a_picture() -> None:
    torch.manual_seed(0)
    network = DCGANDiscriminatorConfig(width=4, norm="none", condition="concat", condition_size=2).build((1, 16, 16), 3)
    sample = torch.randn(2, 1, 16, 16)
    scores = [network(sample, label=torch.tensor([k, k])).score for k in range(3)]
    assert not torch.equal(scores[0], scores[1])
    planes = network.vectors(torch.tensor([1, 1]))[:, :, None, None].expand(2, 2, 16, 16)
    assert torch.equal(network.network(torch.cat([sample, planes], 1)).score, scores[1])
