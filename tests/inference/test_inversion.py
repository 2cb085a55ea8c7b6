from dataclasses import replace

import pytest
import torch
from test_styles import mlp, patches
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.inversion import DEFAULT_OPTIONS, invert_images
from zerosum.inference.latent_space import make_edit_space

QUICK = replace(DEFAULT_OPTIONS, steps=300, tries=32)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("styled", [True, False])
def test_a_picture_of_the_generators_own_is_found_again(styled: bool) -> None:
    space = make_edit_space(patches() if styled else mlp(), 6)
    wanted = space.generate(space.to_codes(normal(2, 6, seed=1)))
    found = invert_images(space, wanted, normal(500, 6), options=QUICK)
    assert found.errors.shape == (301, 2)
    assert (found.errors[-1] * 100 < found.errors[0]).all()
    assert (found.images - wanted).abs().max() < 0.05
    assert torch.equal(space.generate(found.codes), found.images)
    # one style for all layers
    assert torch.equal(found.codes, found.codes[:, :1].expand_as(found.codes))


def test_the_error_is_the_mean_square_over_pixels_at_three_sizes() -> None:
    space = make_edit_space(mlp(), 6)
    wanted = normal(2, 1, 8, 8, seed=1).clamp(-1, 1)
    found = invert_images(space, wanted, normal(50, 6), options=replace(QUICK, steps=3))
    apart = found.images - wanted
    sizes = [apart, apart.unflatten(3, (4, 2)).mean(4).unflatten(2, (4, 2)).mean(3), None]
    sizes[2] = sizes[1].unflatten(3, (2, 2)).mean(4).unflatten(2, (2, 2)).mean(3)
    expected = sum(size.square().mean((1, 2, 3)) for size in sizes) / 3
    torch.testing.assert_close(found.errors[-1], expected)


def test_it_depends_on_the_seed_and_not_on_its_neighbours() -> None:
    space, latents = make_edit_space(mlp(), 6), normal(100, 6)
    wanted, search = normal(2, 1, 8, 8, seed=1).clamp(-1, 1), replace(QUICK, steps=20)
    both = invert_images(space, wanted, latents, options=search)
    again = invert_images(space, wanted, latents, options=search)
    assert torch.equal(both.codes, again.codes)
    assert torch.equal(both.errors, again.errors)
    for at in range(2):
        alone = invert_images(space, wanted[at : at + 1], latents, options=search)
        torch.testing.assert_close(alone.codes, both.codes[at : at + 1], atol=1e-4, rtol=1e-4)
    other = invert_images(space, wanted, latents, options=search, seed=1)
    assert (other.codes - both.codes).abs().max() > 1e-3


def test_styles_apart_reach_what_one_style_cannot() -> None:
    space = make_edit_space(patches(), 6)
    first, second = space.to_codes(normal(2, 6, seed=1)).split(1)
    wanted = space.generate(torch.cat([first[:, :2], second[:, 2:]], 1))
    one = invert_images(space, wanted, normal(500, 6), options=QUICK)
    each = invert_images(space, wanted, normal(500, 6), options=replace(QUICK, apart=True))
    assert each.errors[-1] * 100 < one.errors[-1]
    assert (each.codes[:, :2] - first[:, :2]).abs().max() < 0.1
    assert (each.codes[:, 2:] - second[:, 2:]).abs().max() < 0.1


def test_features_that_are_given_are_brought_near() -> None:
    space, wanted = make_edit_space(mlp(), 6), normal(1, 1, 8, 8, seed=1).clamp(-1, 1)
    matrix, shapes = normal(192, 4, seed=2), set()

    def see(pictures: Tensor) -> Tensor:
        shapes.add(pictures.shape[1:])
        return pictures.flatten(1) @ matrix

    def apart(made: Tensor) -> float:
        pair = [see(each.expand(-1, 3, -1, -1)) for each in (made, wanted)]
        return 1 - float(torch.cosine_similarity(*pair))

    blind = invert_images(space, wanted, normal(100, 6), options=QUICK)
    seeing = invert_images(space, wanted, normal(100, 6), feature_fn=see, options=QUICK)
    assert shapes == {(3, 8, 8)}
    assert apart(seeing.images) < 0.1 * apart(blind.images)


def test_the_best_beginning_is_taken() -> None:
    space, latents = make_edit_space(mlp(), 6), normal(40, 6)
    still = replace(QUICK, steps=1, rate=0.0, noise=0.0, tries=40)
    found = invert_images(space, space.generate(space.to_codes(latents[17:18])), latents, options=still)
    assert torch.equal(found.codes[0, 0], latents[17])
    assert float(found.errors.max()) < 1e-12


def test_a_class_is_kept() -> None:
    space, label = make_edit_space(mlp(condition="concat"), 6), torch.tensor([2])
    wanted = space.generate(space.to_codes(normal(2, 6, seed=1)), label)
    found = invert_images(space, wanted, normal(200, 6), label=label, options=QUICK)
    assert (found.errors[-1] * 100 < found.errors[0]).all()


def test_schedules_rise_and_fall_as_in_the_paper() -> None:
    search = replace(DEFAULT_OPTIONS, steps=1000)
    rates, noises = ([f(step) for step in range(1000)] for f in (search.lr_at, search.noise_at))
    assert rates[25] == pytest.approx(0.1 * 25.5 / 50)
    assert rates[50:750] == pytest.approx([0.1] * 700)
    assert rates[875] == pytest.approx(0.05, abs=1e-3)
    assert rates[999] < 1e-6
    assert noises[0] == 0.05
    assert noises[375] == pytest.approx(0.05 / 4)
    assert noises[750:] == [0] * 250


def test_what_cannot_be_searched_for_is_refused() -> None:
    space, wanted, latents = make_edit_space(mlp(), 6), torch.zeros(1, 1, 8, 8), normal(10, 6)
    with pytest.raises(BadInput, match="is 3 x 8 x 8, and this generator makes 1 x 8 x 8"):
        invert_images(space, torch.zeros(1, 3, 8, 8), latents)
    with pytest.raises(BadInput, match="at least one"):
        invert_images(space, wanted, latents, options=replace(DEFAULT_OPTIONS, steps=0))
    with pytest.raises(BadInput, match="1,000s"):
        invert_images(space, wanted, latents[:1])
