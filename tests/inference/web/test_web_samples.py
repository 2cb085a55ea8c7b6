"""Samples, edits and tiles of the page, run by Node.js: they are the package's."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from page_program import needs_node, run

from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.inference.directions import std_along, traverse

pytestmark = needs_node

SAMPLE_FILES = ("random.js", "png.js", "engine.js", "samples.js")
TILE_FILES = ("engine.js", "tiles.js")
VECTORS = np.array([[0.6, 0.8, 0.0], [0.0, 0.6, -0.8]], np.float32)
STORED_SIGMAS = [[2.0, 3.0], [4.0, 5.0]]


def make_generator(layers: int | None) -> str:
    """Return the expression of a generator of latents of 3 numbers, with styles in so many layers if not None."""
    mean = base64.b64encode(np.zeros(3, "<f4").tobytes()).decode()
    vectors = base64.b64encode(VECTORS.astype("<f4").tobytes()).decode()
    settings = {
        "classes": [], "priors": [], "latent": {"kind": "normal", "size": 3},
        "styles": None if layers is None else {"layers": layers, "size": 3, "mean": mean},
        "directions": [{"name": "sefa", "vectors": vectors, "sigmas": STORED_SIGMAS if layers else STORED_SIGMAS[:1]}],
        "direction_samples": {"count": 300, "seed": 5},
    }  # fmt: skip
    return f"new Generator({json.dumps(settings)}, null)"


def test_edited_codes_are_those_of_the_package() -> None:
    code = np.arange(12, dtype=np.float32)
    found = run(
        SAMPLE_FILES, f"[...{make_generator(4)}.edit(Float32Array.from({code.tolist()}), 0, [0, -1.5], [2, 3], [1, 3])]"
    )
    expected = traverse(
        torch.tensor(code).view(1, 4, 3), torch.tensor(VECTORS[1]), 3.0, max_sigma=1.5, steps=2, layers=slice(1, 3)
    )
    np.testing.assert_allclose(np.reshape(found, (4, 3)), expected.view(2, 4, 3)[0], atol=1e-5)


def test_mixed_codes_have_some_layers_of_another() -> None:
    codes = [np.arange(12).reshape(4, 3) * sign for sign in (1, -1)]
    first, last = (f"Float32Array.from({each.ravel().tolist()})" for each in codes)
    found = run(SAMPLE_FILES, f"[...{make_generator(4)}.mix({first}, {last}, [1, 3])]")
    expected = codes[0].copy()
    expected[1:3] = codes[1][1:3]
    assert np.array_equal(np.reshape(found, (4, 3)), expected)


@pytest.mark.parametrize("truncation", [math.inf, 0.7])
def test_sigmas_of_latents_are_measured_at_their_truncation(truncation: float) -> None:
    bound = "Infinity" if math.isinf(truncation) else truncation
    found = run(SAMPLE_FILES, f"{make_generator(None)}.sigmas(0, -1, {bound})")
    latents = Normal(size=3).sample(seeded_rng.derive_seeds(5, 0, 300), truncation)
    measured = [std_along(latents, torch.tensor(vector)) for vector in VECTORS]
    np.testing.assert_allclose(found, STORED_SIGMAS[0] if math.isinf(truncation) else measured, rtol=1e-5)


def test_sigmas_of_styles_are_those_of_the_class_and_truncated() -> None:
    assert run(SAMPLE_FILES, f"{make_generator(4)}.sigmas(0, 1, 0.5)") == [2.0, 2.5]


BLUR = """
const blur = ({data, dims: [, , height, width]}) => { // enlarges by 2 what it blurs; what is outside is 0
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : data[y * width + x]);
  const value = (y, x) => [-1, 0, 1].reduce((sum, d) => sum + at(y + d, x) + 2 * at(y, x + d), 0);
  const pixels = Float32Array.from({length: 4 * height * width}, (_, i) =>
    value(Math.floor(i / (2 * width) / 2), Math.floor((i % (2 * width)) / 2)) + (i % 2) / 8);
  return {data: pixels, dims: [1, 1, 2 * height, 2 * width]};
};
const calls = [];
const engine = {run: async (name, {image, seed}) => {
  calls.push([name, ...image.dims, Number(seed.data[0])]);
  return blur(image);
}};
const image = {data: Float32Array.from({length: 17 * 23}, (_, i) => (i * 7919) % 101), dims: [1, 17, 23]};
const settings = {factor: 2, output_channels: 1, radius: 1, multiple: 2, tile_pixels: 7, max_whole_pixels: 17 * 23 - 1};
const progress = [];
const translate = (changes, isStale = () => false) => new Translator({...settings, ...changes}, engine)
  .translate(image, 9n, (done, count) => progress.push([done, count]), isStale);
"""


def test_tiles_are_joined_to_the_translation_of_the_whole_image() -> None:
    found = run(
        TILE_FILES,
        """(async () => {
          const [whole, tiled] = [await translate({max_whole_pixels: 1e6}), await translate({})];
          return {whole: [...whole.data], tiled: [...tiled.data], dims: [whole.dims, tiled.dims], calls, progress};
        })()""",
        BLUR,
    )
    assert isinstance(found, dict)
    assert found["dims"] == [[1, 1, 34, 46]] * 2
    assert found["tiled"] == found["whole"]
    whole, *tiles = found["calls"]
    assert whole == ["translator", 1, 1, 17, 23, 9]
    assert len(tiles) == 9, "sides of 7 pixels are rounded up to 8"
    assert tiles[0] == ["translator", 1, 1, 10, 10, 9], "a radius of 1 pixel is rounded up to 2"
    assert found["progress"] == [[number, 9] for number in range(1, 10)]


def test_a_network_that_sees_the_whole_image_gets_no_tiles() -> None:
    found = run(TILE_FILES, "translate({radius: null}).then(() => calls)", BLUR)
    assert found == [["translator", 1, 1, 17, 23, 9]]


def test_tiles_end_when_they_are_not_needed_any_more() -> None:
    found = run(TILE_FILES, "translate({}, () => true).then((output) => [output, calls.length])", BLUR)
    assert found == [None, 1]


def test_only_the_newest_of_waiting_tasks_is_run() -> None:
    found = run(
        ["engine.js"],
        """(async () => {
          const log = [], newest = new Newest((error) => log.push(`failed: ${error.message}`));
          const task = (name) => async (isStale) => {
            log.push(name);
            await new Promise((resolve) => setTimeout(resolve, 5));
            log.push(`${name} ${isStale()}`);
            if (name === "third") throw new Error("third");
          };
          newest.request(task("first"));
          newest.request(task("second"));
          await newest.request(task("third"));
          await newest.request(task("fourth"));
          return log;
        })()""",
    )
    assert found == ["first", "first true", "third", "third false", "failed: third", "fourth", "fourth false"]
