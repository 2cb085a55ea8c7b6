from dataclasses import replace

import pytest
import torch
from tiny_generators import mlp, normal, style_rows
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.inversion import DEFAULT_OPTIONS, invert_images
from zerosum.inference.latent_space import make_edit_space

FAST = replace(DEFAULT_OPTIONS, steps=300, start_candidates=32)


@pytest.mark.parametrize("has_styles", [True, False])
def test_images_of_the_generator_are_inverted(has_styles: bool) -> None:
    space = make_edit_space(style_rows() if has_styles else mlp(), 6)
    targets = space.generate(space.to_codes(normal(2, 6, seed=1)))
    result = invert_images(space, targets, normal(500, 6), options=FAST)
    assert result.errors.shape == (301, 2)
    assert (result.errors[-1] * 100 < result.errors[0]).all()
    assert (result.images - targets).abs().max() < 0.05
    assert torch.equal(space.generate(result.codes), result.images)
    # one style for all layers
    assert torch.equal(result.codes, result.codes[:, :1].expand_as(result.codes))


def test_the_error_is_the_mean_squared_difference_at_three_scales() -> None:
    space = make_edit_space(mlp(), 6)
    targets = normal(2, 1, 8, 8, seed=1).clamp(-1, 1)
    result = invert_images(space, targets, normal(50, 6), options=replace(FAST, steps=3))
    difference = result.images - targets
    scaled = [difference, difference.unflatten(3, (4, 2)).mean(4).unflatten(2, (4, 2)).mean(3), None]
    scaled[2] = scaled[1].unflatten(3, (2, 2)).mean(4).unflatten(2, (2, 2)).mean(3)
    expected = sum(values.square().mean((1, 2, 3)) for values in scaled) / 3
    torch.testing.assert_close(result.errors[-1], expected)


def test_the_result_depends_on_the_seed_and_not_on_other_images() -> None:
    space, latents = make_edit_space(mlp(), 6), normal(100, 6)
    targets, options = normal(2, 1, 8, 8, seed=1).clamp(-1, 1), replace(FAST, steps=20)
    batch = invert_images(space, targets, latents, options=options)
    again = invert_images(space, targets, latents, options=options)
    assert torch.equal(batch.codes, again.codes)
    assert torch.equal(batch.errors, again.errors)
    for i in range(2):
        single = invert_images(space, targets[i : i + 1], latents, options=options)
        torch.testing.assert_close(single.codes, batch.codes[i : i + 1], atol=1e-4, rtol=1e-4)
    other_seed = invert_images(space, targets, latents, options=options, seed=1)
    assert (other_seed.codes - batch.codes).abs().max() > 1e-3


def test_a_style_per_layer_reaches_images_that_one_style_cannot() -> None:
    space = make_edit_space(style_rows(), 6)
    first, second = space.to_codes(normal(2, 6, seed=1)).split(1)
    targets = space.generate(torch.cat([first[:, :2], second[:, 2:]], 1))
    shared_style = invert_images(space, targets, normal(500, 6), options=FAST)
    per_layer = invert_images(space, targets, normal(500, 6), options=replace(FAST, per_layer=True))
    assert per_layer.errors[-1] * 100 < shared_style.errors[-1]
    assert (per_layer.codes[:, :2] - first[:, :2]).abs().max() < 0.1
    assert (per_layer.codes[:, 2:] - second[:, 2:]).abs().max() < 0.1


def test_feature_distance_is_minimized() -> None:
    space, target = make_edit_space(mlp(), 6), normal(1, 1, 8, 8, seed=1).clamp(-1, 1)
    matrix, shapes = normal(192, 4, seed=2), set()

    def features(images: Tensor) -> Tensor:
        shapes.add(images.shape[1:])
        return images.flatten(1) @ matrix

    def feature_distance(images: Tensor) -> float:
        pair = [features(batch.expand(-1, 3, -1, -1)) for batch in (images, target)]
        return 1 - float(torch.cosine_similarity(*pair))

    pixels_only = invert_images(space, target, normal(100, 6), options=FAST)
    with_features = invert_images(space, target, normal(100, 6), feature_fn=features, options=FAST)
    assert shapes == {(3, 8, 8)}
    assert feature_distance(with_features.images) < 0.1 * feature_distance(pixels_only.images)


def test_the_optimization_starts_from_the_best_candidate() -> None:
    space, latents = make_edit_space(mlp(), 6), normal(40, 6)
    no_steps = replace(FAST, steps=1, lr=0.0, initial_noise_factor=0.0, start_candidates=40)
    result = invert_images(space, space.generate(space.to_codes(latents[17:18])), latents, options=no_steps)
    assert torch.equal(result.codes[0, 0], latents[17])
    assert float(result.errors.max()) < 1e-12


def test_inversion_with_a_class_label() -> None:
    space, label = make_edit_space(mlp(condition="concat"), 6), torch.tensor([2])
    targets = space.generate(space.to_codes(normal(2, 6, seed=1)), label)
    result = invert_images(space, targets, normal(200, 6), label=label, options=FAST)
    assert (result.errors[-1] * 100 < result.errors[0]).all()


def test_learning_rate_and_noise_follow_the_schedules_of_the_paper() -> None:
    options = replace(DEFAULT_OPTIONS, steps=1000)
    rates, noises = ([schedule(step) for step in range(1000)] for schedule in (options.lr_at, options.noise_at))
    assert rates[25] == pytest.approx(0.1 * 25.5 / 50)
    assert rates[50:750] == pytest.approx([0.1] * 700)
    assert rates[875] == pytest.approx(0.05, abs=1e-3)
    assert rates[999] < 1e-6
    assert noises[0] == 0.05
    assert noises[375] == pytest.approx(0.05 / 4)
    assert noises[750:] == [0] * 250


def test_wrong_arguments_are_refused() -> None:
    space, targets, latents = make_edit_space(mlp(), 6), torch.zeros(1, 1, 8, 8), normal(10, 6)
    with pytest.raises(BadInput, match="3 x 8 x 8 and the generator makes 1 x 8 x 8"):
        invert_images(space, torch.zeros(1, 3, 8, 8), latents)
    with pytest.raises(BadInput, match="`steps`"):
        invert_images(space, targets, latents, options=replace(DEFAULT_OPTIONS, steps=0))
    with pytest.raises(BadInput, match="latents"):
        invert_images(space, targets, latents[:1])
