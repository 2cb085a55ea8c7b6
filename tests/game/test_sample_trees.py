"""Games whose samples are trees of tensors: every part of a game that handles samples, and networks that read all."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.adversarial import FAKE, REAL, AdversarialGame
from zerosum.game.augment.config import NoAugment
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.discriminator_input import DiscriminatorInputTransform
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, input_gradient_norm_sq
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.sample_spec import SampleSpec, TensorSpec, leaf_specs
from zerosum.game.sample_tree import (
    arrange,
    concat_samples,
    flatten_samples,
    leaves,
    map_with_seeds,
    mean_abs_difference,
)
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, R2, Dragan, GradientPenalty
from zerosum.game.types import Batch, DiscriminatorOutput, Sample
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

ATOMS, BONDS = 3, 4
SPEC: SampleSpec = {"atoms": TensorSpec((ATOMS,)), "bonds": TensorSpec((BONDS, BONDS), bounded=True)}


class MoleculeGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.atoms, self.bonds = nn.Linear(4, ATOMS), nn.Linear(4, BONDS * BONDS)

    def forward(self, latent: Tensor) -> dict[str, Tensor]:
        return {"atoms": self.atoms(latent), "bonds": self.bonds(latent).tanh().view(-1, BONDS, BONDS)}


class MoleculeDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.atoms, self.bonds = nn.Linear(ATOMS, 8), nn.Linear(BONDS * BONDS, 8)
        self.score = nn.Linear(8, 1)

    def forward(self, sample: dict[str, Tensor]) -> DiscriminatorOutput:
        hidden = self.atoms(sample["atoms"]) + self.bonds(sample["bonds"].flatten(1))
        return DiscriminatorOutput(self.score(hidden.tanh())[:, 0])


def random_molecules(n: int, seed: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {"atoms": torch.randn(n, ATOMS, generator=rng), "bonds": torch.rand(n, BONDS, BONDS, generator=rng)}


def make_batch(n: int = 6, seed: int = 0) -> Batch:
    return {"real": random_molecules(n, seed), "seed": seeded_rng.derive_seeds(seed, 0, n)}


def make_game(terms=None, per_sample: bool = True, **config) -> AdversarialGame:
    torch.manual_seed(0)
    parts = GameParts(
        MoleculeGenerator(), MoleculeDiscriminator(), Normal(size=4), NonSaturating(), Adam(lr=1e-2), SPEC,
        terms or {}, per_sample=per_sample,
    )  # fmt: skip
    return AdversarialGame(parts, AdversarialGameConfig(**config))


TERMS = {
    "r1": {"r1": R1()},
    "r1 and r2": {"r1": R1(), "r2": R2(every_rounds=2)},
    "gradient penalty": {"gp": GradientPenalty()},
    "dragan": {"dragan": Dragan()},
    "none": {},
}
CONFIGS = {
    "plain": {},
    "reused fakes": {"reuse_fakes": True},
    "replay buffer": {"replay_buffer": 12, "instance_noise": 0.1},
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
def test_trees_are_trained_with_every_feature(terms: dict, config: dict) -> None:
    game, meter, accelerator = make_game(terms, **config), Meter(), Accelerator()
    before = {name: weight.detach().clone() for name, weight in game.named_parameters()}
    loader = iter([make_batch(seed=n) for n in range(20)])
    for index in range(4):
        play_round(game, loader, accelerator, Progress(index, 6 * index), meter)
    for player in game.players.values():
        player.update_ema(6, Progress())
    means = meter.pop_means(accelerator)
    assert all(math.isfinite(mean) for mean in means.values())
    assert {"signals/real_mean", "signals/real_variance", "signals/fake_variance"} <= means.keys()
    assert all(not torch.equal(before[name], weight) for name, weight in game.named_parameters() if weight.dim() > 1)
    samples = game.sample(seeded_rng.derive_seeds(1, 0, 3))
    assert [tuple(leaf.shape[1:]) for leaf in leaves(samples)] == [leaf.shape for leaf in leaf_specs(SPEC)]


def test_concatenated_real_and_fake_have_the_same_scores() -> None:
    game, batch = make_game(), make_batch()
    separate, concatenated = (game.build_play(batch, Progress(), concat_real_fake=concat) for concat in (False, True))
    torch.testing.assert_close(separate.real_score, concatenated.real_score)
    torch.testing.assert_close(separate.fake_score, concatenated.fake_score)


def test_input_gradients_are_those_of_all_tensors() -> None:
    game, molecules = make_game().double(), random_molecules(2, 0)
    sample = {name: leaf.double() for name, leaf in molecules.items()}
    _, norm_sq = input_gradient_norm_sq(game.discriminate, DiscriminatorInput(sample))
    variables = {name: leaf.clone().requires_grad_(True) for name, leaf in sample.items()}
    gradients = torch.autograd.grad(game.discriminator(variables).score.sum(), list(variables.values()))
    torch.testing.assert_close(norm_sq, sum(gradient.flatten(1).square().sum(1) for gradient in gradients))


def test_tensors_get_independent_noise_and_the_first_that_of_a_single_tensor() -> None:
    transform = DiscriminatorInputTransform(NoAugment(), instance_noise=1.0)
    zeros, seed = torch.zeros(2, 50), seeded_rng.derive_seeds(0, 0, 2)
    noisy = transform({"a": zeros, "b": zeros}, seed, Progress())
    assert torch.equal(noisy["a"], transform(zeros, seed, Progress()))
    assert not torch.equal(noisy["a"], noisy["b"])
    integers = torch.arange(4)
    assert transform({"a": integers, "b": zeros[:1].expand(4, -1)}, integers, Progress())["a"] is integers


def test_a_tree_is_not_augmented() -> None:
    game, batch = make_game(), make_batch()
    for real_or_fake in (REAL, FAKE):
        prepared = game.prepare_discriminator_input(batch["real"], real_or_fake, batch, Progress())
        assert prepared.sample is batch["real"]


def test_replay_buffer_exchanges_whole_samples() -> None:
    """Every tensor of a sample holds the sample's number, so one that is torn apart shows."""
    replay_buffer = ReplayBuffer(8, SPEC)
    assert [name for name, _ in replay_buffer.named_buffers()] == ["samples_0", "samples_1", "labels", "num_stored"]
    num_exchanged = 0
    for step in range(40):
        numbers = torch.arange(4 * step, 4 * step + 4).float()
        fakes: Sample = {
            "atoms": numbers[:, None].expand(4, ATOMS),
            "bonds": numbers[:, None, None].expand(4, BONDS, BONDS),
        }
        replayed = replay_buffer.push_and_sample(DiscriminatorInput(fakes), seeded_rng.derive_seeds(step, 0, 4))
        assert torch.equal(replayed.sample["atoms"][:, 0], replayed.sample["bonds"][:, 0, 0])
        num_exchanged += int((replayed.sample["atoms"][:, 0] != numbers).sum())
    assert num_exchanged > 0


def test_helpers_of_trees() -> None:
    first, second = random_molecules(3, 0), random_molecules(3, 1)
    assert flatten_samples(first).shape == (3, ATOMS + BONDS * BONDS)
    assert torch.equal(concat_samples([first, second])["bonds"], torch.cat([first["bonds"], second["bonds"]]))
    differences = [(first[name] - second[name]).abs().flatten(1).mean(1) for name in first]
    torch.testing.assert_close(mean_abs_difference(first, second), (differences[0] + differences[1]) / 2)
    assert torch.equal(
        mean_abs_difference(first["atoms"], second["atoms"]), (first["atoms"] - second["atoms"]).abs().mean(1)
    )
    seed = seeded_rng.derive_seeds(0, 0, 3)
    seeds = map_with_seeds(lambda leaf, own_seed: own_seed, first, seed)
    assert torch.equal(seeds["atoms"], seed)
    assert not torch.equal(seeds["bonds"], seed)


def test_samples_are_brought_into_the_order_of_the_data() -> None:
    spec = {"a": TensorSpec((2,)), "b": TensorSpec((3,))}
    a, b = torch.zeros(4, 2), torch.ones(4, 3)
    assert list(arrange({"b": b, "a": a}, spec)) == ["a", "b"]
    for wrong in (a, {"a": a}, {"a": a, "c": b}):
        with pytest.raises(ValueError, match="choose another network"):
            arrange(wrong, spec)


@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_a_tensor_of_a_sample_has_an_axis_and_values(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one axis"):
        TensorSpec(shape)
