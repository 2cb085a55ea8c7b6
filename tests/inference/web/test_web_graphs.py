"""Graphs and settings of pages: what the page computes with them is what the generator computes."""

import base64
from functools import partial

import numpy as np
import pytest
import torch
from tiny_generators import mlp, normal, style_rows
from torch import Tensor, nn

from zerosum.data.images.codec import ImageCodec
from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.inference.directions import std_along
from zerosum.inference.generator import Generator
from zerosum.inference.latent_space import make_edit_space
from zerosum.inference.web.graphs import generator_graphs
from zerosum.inference.web.page_settings import find_methods, generator_settings

CLASSES = ("ant", "bee", "cat")


class Noisy(nn.Module):
    """An image of the latent's sum, and noise of the seeds where there are seeds."""

    condition_inputs = ("seed",)

    def __init__(self, fixed_seed: Tensor | None) -> None:
        super().__init__()
        self.scale, self.fixed_seed = nn.Parameter(torch.ones(())), fixed_seed

    def forward(self, latent: Tensor, seed: Tensor | None = None) -> Tensor:
        image = self.scale * latent.sum(1)[:, None, None, None].expand(-1, 1, 8, 8) / 9
        seed = seed if seed is not None or self.fixed_seed is None else self.fixed_seed.expand(len(latent))
        if seed is None:
            return image
        noise = seeded_rng.normal(seed, 64, seeded_rng.RandomStream.LAYER_NOISE)
        return image + noise.view(-1, 1, 8, 8)


def generator(network: nn.Module, classes: tuple[str, ...] = ()) -> Generator:
    priors = (0.0, 0.25, 0.75) if classes else ()
    return Generator(network, Normal(size=6), "images", ImageCodec((1, 8, 8)), "00000001", classes, priors)


def unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def settings_of(subject: Generator) -> dict:
    latents = subject.draw_latents(100, 5)
    methods = find_methods(subject, make_edit_space(subject.network, 6), latents)
    return generator_settings(subject, subject.codec.shown_bands, methods, {"count": 100, "seed": 5})


def test_class_weights_of_one_class_are_that_class() -> None:
    subject = generator(mlp(condition="concat"), CLASSES)
    graph = generator_graphs(subject)["generator"]
    assert [each.axes for each in graph.inputs] == [("batch", 6), ("batch", 3)]
    (images,) = graph((normal(4, 6), torch.eye(3)[[1, 1, 2, 0]]))
    expected = subject.generate(normal(4, 6), torch.tensor([1, 1, 2, 0]))
    torch.testing.assert_close(images, expected)


def test_styles_are_two_graphs_that_compose() -> None:
    subject = generator(style_rows())
    graphs = generator_graphs(subject)
    latents, settings = normal(4, 6), settings_of(subject)["styles"]
    (style,) = graphs["mapping"]((latents,))
    mean = torch.tensor(unpack(settings["mean"]))
    truncated = (mean + 0.6 * (style - mean))[:, None].expand(-1, settings["layers"], -1)
    (images,) = graphs["synthesis"]((truncated,))
    torch.testing.assert_close(images, subject.generate(latents, truncation=0.6))
    assert settings["ranges"] == {"all": [0, 4], "coarse": [0, 1], "middle": [1, 2], "fine": [2, 4]}
    assert (settings["size"], list(mean)) == (5, [0.25] * 5)


@pytest.mark.parametrize(("network", "classes"), [(partial(mlp, condition="concat"), CLASSES), (style_rows, ())])
def test_directions_are_those_of_edit(network: object, classes: tuple[str, ...]) -> None:
    subject = generator(network(), classes)
    space, latents = make_edit_space(subject.network, 6), subject.draw_latents(100, 5)
    found = settings_of(subject)["directions"]
    assert [method["name"] for method in found] == ["sefa", "pca"]
    label = torch.tensor([1]) if classes else None
    for method in found:
        vectors = torch.tensor(unpack(method["vectors"])).view(len(method["strengths"]), -1)
        codes = space.to_vectors(latents, label)
        expected = [std_along(codes, vector) for vector in vectors]
        np.testing.assert_allclose(method["sigmas"], [expected], rtol=1e-6)


def test_a_network_without_latent_layers_has_no_directions() -> None:
    assert settings_of(generator(Noisy(None)))["directions"] == []


def test_the_seed_of_images_without_noise_of_their_own() -> None:
    fixed = seeded_rng.derive_seeds(0, 0, 1)
    assert settings_of(generator(Noisy(fixed)))["still_seed"] == str(int(fixed))
    assert settings_of(generator(Noisy(None)))["still_seed"] is None, "no seed gives the image without noise"
    assert settings_of(generator(mlp(condition="concat"), CLASSES))["still_seed"] is None, "it takes no seed"


def test_facts_of_the_generator() -> None:
    found = settings_of(generator(mlp(condition="concat"), CLASSES))
    assert (found["width"], found["height"], found["shown"]) == (8, 8, [0])
    assert (found["classes"], found["priors"]) == (list(CLASSES), [0.0, 0.25, 0.75])
    assert found["latent"] == {"kind": "normal", "size": 6}
    assert found["styles"] is None
