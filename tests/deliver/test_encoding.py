from dataclasses import replace

import pytest
import torch
from test_styles import mlp, patches
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.inversion import SEARCH, encode
from zerosum.inference.latent_space import space_of

QUICK = replace(SEARCH, steps=300, tries=32)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("styled", [True, False])
def test_a_picture_of_the_generators_own_is_found_again(styled: bool) -> None:
    space = space_of(patches() if styled else mlp(), 6)
    wanted = space.paint(space.place(normal(2, 6, seed=1)))
    found = encode(space, wanted, normal(500, 6), search=QUICK)
    assert found.errors.shape == (301, 2)
    assert (found.errors[-1] * 100 < found.errors[0]).all()
    assert (found.pictures - wanted).abs().max() < 0.05
    assert torch.equal(space.paint(found.places), found.pictures)
    # one style for all layers
    assert torch.equal(found.places, found.places[:, :1].expand_as(found.places))


def test_the_error_is_the_mean_square_over_pixels_at_three_sizes() -> None:
    space = space_of(mlp(), 6)
    wanted = normal(2, 1, 8, 8, seed=1).clamp(-1, 1)
    found = encode(space, wanted, normal(50, 6), search=replace(QUICK, steps=3))
    apart = found.pictures - wanted
    sizes = [apart, apart.unflatten(3, (4, 2)).mean(4).unflatten(2, (4, 2)).mean(3), None]
    sizes[2] = sizes[1].unflatten(3, (2, 2)).mean(4).unflatten(2, (2, 2)).mean(3)
    expected = sum(size.square().mean((1, 2, 3)) for size in sizes) / 3
    torch.testing.assert_close(found.errors[-1], expected)


def test_it_depends_on_the_seed_and_not_on_its_neighbours() -> None:
    space, latents = space_of(mlp(), 6), normal(100, 6)
    wanted, search = normal(2, 1, 8, 8, seed=1).clamp(-1, 1), replace(QUICK, steps=20)
    both = encode(space, wanted, latents, search=search)
    again = encode(space, wanted, latents, search=search)
    assert torch.equal(both.places, again.places)
    assert torch.equal(both.errors, again.errors)
    for at in range(2):
        alone = encode(space, wanted[at : at + 1], latents, search=search)
        torch.testing.assert_close(alone.places, both.places[at : at + 1], atol=1e-4, rtol=1e-4)
    other = encode(space, wanted, latents, search=search, seed=1)
    assert (other.places - both.places).abs().max() > 1e-3


def test_styles_apart_reach_what_one_style_cannot() -> None:
    space = space_of(patches(), 6)
    first, second = space.place(normal(2, 6, seed=1)).split(1)
    wanted = space.paint(torch.cat([first[:, :2], second[:, 2:]], 1))
    one = encode(space, wanted, normal(500, 6), search=QUICK)
    each = encode(space, wanted, normal(500, 6), search=replace(QUICK, apart=True))
    assert each.errors[-1] * 100 < one.errors[-1]
    assert (each.places[:, :2] - first[:, :2]).abs().max() < 0.1
    assert (each.places[:, 2:] - second[:, 2:]).abs().max() < 0.1


def test_features_that_are_given_are_brought_near() -> None:
    space, wanted = space_of(mlp(), 6), normal(1, 1, 8, 8, seed=1).clamp(-1, 1)
    matrix, shapes = normal(192, 4, seed=2), set()

    def see(pictures: Tensor) -> Tensor:
        shapes.add(pictures.shape[1:])
        return pictures.flatten(1) @ matrix

    def apart(made: Tensor) -> float:
        pair = [see(each.expand(-1, 3, -1, -1)) for each in (made, wanted)]
        return 1 - float(torch.cosine_similarity(*pair))

    blind = encode(space, wanted, normal(100, 6), search=QUICK)
    seeing = encode(space, wanted, normal(100, 6), see=see, search=QUICK)
    assert shapes == {(3, 8, 8)}
    assert apart(seeing.pictures) < 0.1 * apart(blind.pictures)


def test_the_best_beginning_is_taken() -> None:
    space, latents = space_of(mlp(), 6), normal(40, 6)
    still = replace(QUICK, steps=1, rate=0.0, noise=0.0, tries=40)
    found = encode(space, space.paint(space.place(latents[17:18])), latents, search=still)
    assert torch.equal(found.places[0, 0], latents[17])
    assert float(found.errors.max()) < 1e-12


def test_a_class_is_kept() -> None:
    space, label = space_of(mlp(condition="concat"), 6), torch.tensor([2])
    wanted = space.paint(space.place(normal(2, 6, seed=1)), label)
    found = encode(space, wanted, normal(200, 6), label=label, search=QUICK)
    assert (found.errors[-1] * 100 < found.errors[0]).all()


def test_schedules_rise_and_fall_as_in_the_paper() -> None:
    search = replace(SEARCH, steps=1000)
    rates, noises = ([f(step) for step in range(1000)] for f in (search.rate_at, search.noise_at))
    assert rates[25] == pytest.approx(0.1 * 25.5 / 50)
    assert rates[50:750] == pytest.approx([0.1] * 700)
    assert rates[875] == pytest.approx(0.05, abs=1e-3)
    assert rates[999] < 1e-6
    assert noises[0] == 0.05
    assert noises[375] == pytest.approx(0.05 / 4)
    assert noises[750:] == [0] * 250


def test_what_cannot_be_searched_for_is_refused() -> None:
    space, wanted, latents = space_of(mlp(), 6), torch.zeros(1, 1, 8, 8), normal(10, 6)
    with pytest.raises(BadInput, match="is 3 x 8 x 8, and this generator makes 1 x 8 x 8"):
        encode(space, torch.zeros(1, 3, 8, 8), latents)
    with pytest.raises(BadInput, match="at least one"):
        encode(space, wanted, latents, search=replace(SEARCH, steps=0))
    with pytest.raises(BadInput, match="1,000s"):
        encode(space, wanted, latents[:1])
