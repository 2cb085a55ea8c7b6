"""The stages of discriminators, and freezing them."""

import pytest
import torch
from torch import nn

from zerosum.game.optimizer import Adam
from zerosum.game.player import Player
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.networks import configs
from zerosum.networks.configs.base import DiscriminatorConfig
from zerosum.networks.cycle_pair import DiscriminatorPair
from zerosum.networks.stages import freeze_stages, join_stages, stages_from_sample

NUM_STAGES = [
    (configs.MLPDiscriminatorConfig(widths=(8, 6)), 2),
    (configs.DCGANDiscriminatorConfig(width=4), 3),
    (configs.DCGANDiscriminatorConfig(width=4, condition="concat"), 3),
    (configs.R3GANDiscriminatorConfig(widths=(8, 8, 4), group_width=0, blocks=1), 3),
    (configs.ResNetDiscriminatorConfig(), 4),
    (configs.ProGANDiscriminatorConfig(widths=(8, 6, 4)), 3),
    (configs.StyleGAN2DiscriminatorConfig(channel_base=64, channel_max=8), 3),
    (configs.FastGANDiscriminatorConfig(), 3),
    (configs.GATDiscriminatorConfig(width=64, depth=2), 2),
    (configs.PatchGANDiscriminatorConfig(width=4, layers=2, scales=2), 3),
]
"""Discriminators of images of 32 pixels, and how many stages they have."""


@pytest.mark.parametrize(("config", "count"), NUM_STAGES, ids=[config.kind for config, _ in NUM_STAGES])
def test_stages_begin_at_the_sample_and_are_distinct(config: DiscriminatorConfig, count: int) -> None:
    network = config.build(TensorSpec((3, 32, 32), bounded=True), num_classes=2)
    stages = stages_from_sample(network)
    assert len(stages) == count
    parameters = [parameter for stage in stages for module in stage for parameter in module.parameters()]
    assert len(set(parameters)) == len(parameters), "no layer is in two stages"
    assert all(any(list(module.parameters()) for module in stage) for stage in stages)
    freeze_stages(network, count)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    assert set(trained) == set(network.parameters()) - set(parameters)
    assert trained, "the output layers are always trained"


def test_a_network_without_stages_has_none() -> None:
    assert stages_from_sample(nn.Linear(2, 2)) == []
    first, second = (configs.MLPDiscriminatorConfig(widths=widths).build(TensorSpec((2,))) for widths in ((4, 4), (4,)))
    assert [len(stage) for stage in join_stages(first, second)] == [2, 1]
    assert [len(stage) for stage in stages_from_sample(DiscriminatorPair(first, second))] == [2, 1]


def test_a_player_does_not_train_frozen_stages() -> None:
    torch.manual_seed(0)
    network = configs.MLPDiscriminatorConfig(widths=(4, 4)).build(TensorSpec((2,)))
    freeze_stages(network, 1)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    player = Player("discriminator", network, Adam(lr=0.1), [100.0])
    for parameter in player.parameters:
        parameter.grad = torch.ones_like(parameter)
    player.optimizer_config.prepare_step(player.optimizer, player.name, Progress())
    player.optimizer.step()
    with player.unfrozen():
        assert [p.requires_grad for p in network.parameters()] == [False, False, True, True, True, True]
    frozen = {name for name, value in before.items() if torch.equal(value, network.state_dict()[name])}
    assert frozen == {"hidden_layers.0.0.weight", "hidden_layers.0.0.bias"}
    player.update_ema(100, Progress())
    averages = player.averages(player.emas[0])
    assert [average.shape for average in averages] == [parameter.shape for parameter in player.parameters]
    assert not any(torch.equal(average, weight) for average, weight in zip(averages, player.parameters, strict=True))
