"""The program of the page, run by Node.js where it is installed: random numbers and PNG files are the package's."""

import io
import json
import math

import numpy as np
import pytest
import torch
from page_program import needs_node, run
from PIL import Image

from zerosum.game import seeded_rng
from zerosum.game.latent import BinaryNormal, Latent, Normal, Uniform
from zerosum.inference.interpolation import slerp
from zerosum.media.raster import make_grid

pytestmark = needs_node


def test_random_numbers_are_those_of_the_package() -> None:
    latents: list[tuple[Latent, float]] = [
        (Normal(size=40), math.inf), (Normal(size=40), 0.7), (Normal(size=40), 3.0), (Uniform(size=9), 0.5),
        (BinaryNormal(size=9, binary_dims=4), 1.5),
    ]  # fmt: skip
    priors, seeds = [0.1, 0.3, 0.0, 0.6], seeded_rng.derive_seeds(-7, 0, 100)
    drawn = ",".join(
        f"draw({latent.model_dump_json()}, {'Infinity' if math.isinf(bound) else bound})" for latent, bound in latents
    )
    found = run(
        ["random.js"],
        f"""(() => {{
          const seeds = Array.from({{length: 100}}, (_, index) => deriveSeed(-7n, index));
          const draw = (prior, bound) => seeds.map((seed) => [...drawLatent(prior, seed, bound)]);
          const classes = seeds.map((seed) => drawClass({priors}, seed));
          const [first, last] = draw({{kind: "normal", size: 40}}, Infinity).map((row) => Float32Array.from(row));
          const between = [0, 0.3, 1].map((fraction) => [...slerp(first, last, fraction)]);
          return {{seeds: seeds.map((seed) => String(toInt64(seed))), drawn: [{drawn}], classes, between}};
        }})()""",
    )
    assert isinstance(found, dict)
    assert [int(seed) for seed in found["seeds"]] == seeds.tolist()
    for (latent, bound), rows in zip(latents, found["drawn"], strict=True):
        np.testing.assert_allclose(rows, latent.sample(seeds, bound).numpy(), atol=1e-6)
    assert found["classes"] == seeded_rng.sample_classes(seeds, torch.tensor(priors, dtype=torch.float64)).tolist()
    ends = Normal(size=40).sample(seeds[:2])
    np.testing.assert_allclose(found["between"], slerp(ends[0], ends[1], torch.tensor([0, 0.3, 1])), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_files_and_grids_are_those_of_the_package(channels: int) -> None:
    rng = np.random.default_rng(channels)
    values = rng.uniform(-1.1, 1.1, (5, channels, 6, 9)).astype(np.float32)
    found = run(
        ["png.js"],
        f"""(async () => {{
          const batch = {{data: Float32Array.from({json.dumps(values.ravel().tolist())}), dims: [5, {channels}, 6, 9]}};
          const rasters = Array.from({{length: 5}}, (_, index) => toRaster(batch, index, {list(range(channels))}));
          const files = [await encodePng(rasters[1]), await encodePng(makeGrid(rasters))];
          return Promise.all(files.map(async (file) => [...new Uint8Array(await file.arrayBuffer())]));
        }})()""",
    )
    assert isinstance(found, list)
    images = np.round((values.clip(-1, 1) + 1) * np.float32(127.5)).astype(np.uint8).transpose(0, 2, 3, 1)
    single, grid = (np.asarray(Image.open(io.BytesIO(bytes(file)))) for file in found)
    assert np.array_equal(single, images[1, ..., 0] if channels == 1 else images[1])
    assert np.array_equal(grid, np.asarray(make_grid(images)))


def test_levels_are_rounded_as_the_package_rounds_them() -> None:
    """Halves go to the even level, and NaN becomes mid-gray."""
    steps = [(level + 0.5) / 127.5 - 1 for level in range(254)]
    gray = "toRaster({data: [NaN], dims: [1, 1, 1, 1]}, 0, [0]).data[0]"
    found = run(["png.js"], f"[...Float32Array.from({steps}).map(toLevel), {gray}]")
    expected = torch.tensor(steps).add(1).mul(127.5).round().tolist()
    assert found == [*expected, 128]


def test_alpha_is_enlarged_as_the_package_enlarges_it() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.choice(np.array([0, 90, 255], np.uint8), (7, 11))
    rgba = np.dstack([np.zeros((7, 11, 3), np.uint8), alpha]).ravel().tolist()
    raster = "{width: 44, height: 28, channels: 1, data: new Uint8Array(44 * 28)}"
    found = run(["pixels.js"], f"[...addAlpha({raster}, {{width: 11, height: 7, data: {rgba}}}, 4).data]")
    expected = np.asarray(Image.fromarray(alpha).resize((44, 28), Image.Resampling.LANCZOS))
    assert np.abs(np.array(found).reshape(28, 44, 2)[..., 1] - expected.astype(int)).max() <= 1
