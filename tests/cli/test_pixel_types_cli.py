"""Images of 16 bits, floats and many bands on the command line: trained, resumed, sampled, translated and evaluated."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
QUICK = [
    *("--data.size", str(SIDE), "--generator.width", "4", "--discriminator.width", "4", "--evaluation.features"),
    *("none", "--training.precision", "float32", "--training.batch_size", "16"),
]


def blobs(count: int, channels: int, seed: int = 0) -> NDArray[np.float64]:
    """Return images (N, SIDE, SIDE, C) in [0, 1] of a blob, whose brightness falls from band to band."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    centers = rng.uniform(0.3, 0.7, (count, 2, 1, 1))
    blob = np.exp(-((x - centers[:, 0]) ** 2 + (y - centers[:, 1]) ** 2) / 0.04)
    return blob[..., None] * np.linspace(1, 0.2, channels)


def save_gray16(folder: Path, count: int = 48, inverted: bool = False) -> Path:
    folder.mkdir(parents=True)
    for index, image in enumerate(blobs(count, 1)[..., 0]):
        Image.fromarray(np.rint(65535 * (1 - image if inverted else image)).astype(np.uint16)).save(
            folder / f"{index:03d}.png"
        )
    return folder


def weights(run: Path) -> dict[str, str]:
    newest = sorted((run / "checkpoints").iterdir())[-1]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in newest.glob("*.safetensors")}


def test_eight_bands_of_floats_end_to_end(workdir: Path, run_cli) -> None:
    low, high = -0.5, 2.5
    (workdir / "hyper").mkdir()
    for index, image in enumerate(blobs(48, 8)):
        np.save(workdir / f"hyper/{index:03d}.npy", (image * (high - low) + low).astype(np.float32))
    train = ["train", "hyper", "--recipe", "dcgan", "--data.range", f"{low},{high}", *QUICK]
    code, out, err = run_cli(*train, "--run", "whole", "--examples", "128", "--training.checkpoint_examples", "64")
    assert code == 0, err
    assert "8 bands of float32" in out + err
    code, _, err = run_cli(*train, "--run", "parts", "--examples", "64", "--training.checkpoint_examples", "64")
    assert code == 0, err
    code, _, err = run_cli("resume", "parts", "--examples", "128")
    assert code == 0, err
    assert weights(workdir / "whole") == weights(workdir / "parts")
    code, out, err = run_cli("sample", "whole", "-n", "5", "--into", "samples")
    assert code == 0, err
    samples = [np.load(workdir / f"samples/{index:05d}.npy") for index in range(5)]
    assert all(sample.dtype == np.float32 and sample.shape == (SIDE, SIDE, 8) for sample in samples)
    assert low <= np.stack(samples).min() < np.stack(samples).max() <= high
    assert Image.open(workdir / "samples/grid.png").mode == "RGB"
    code, out, err = run_cli("evaluate", "whole", "--features", "pixels")
    assert code == 0, err
    record = json.loads((workdir / "whole/scores.jsonl").read_text().splitlines()[-1])
    assert "16x16 8 bands of float32" in record["protocol_description"]
    assert "8 bands of float32" in (workdir / "whole/report.html").read_text()
    code, _, err = run_cli("sample", "whole", "-n", "40", "--into", "fakes")
    assert code == 0, err
    code, out, err = run_cli("evaluate", "--fake", "fakes", "--real", "hyper", "--features", "pixels")
    assert code == 0, err
    assert "16x16 8 bands of float32" in out + err


def test_gray_of_16_bits_end_to_end(workdir: Path, run_cli) -> None:
    save_gray16(workdir / "gray")
    code, out, err = run_cli("train", "gray", "--recipe", "dcgan", "--run", "run", "--examples", "64", *QUICK)
    assert code == 0, err
    assert "uint16" in out + err
    code, _, err = run_cli("sample", "run", "-n", "4", "--into", "samples")
    assert code == 0, err
    samples = [Image.open(workdir / f"samples/{index:05d}.png") for index in range(4)]
    assert {sample.mode for sample in samples} == {"I;16"}
    levels = np.stack([np.asarray(sample) for sample in samples])
    assert (levels % 257 != 0).mean() > 0.9, "most levels lie between those of 8 bits"
    assert Image.open(workdir / "samples/grid.png").mode == "L"
    code, _, err = run_cli("evaluate", "run", "--features", "pixels")
    assert code == 0, err
    code, _, err = run_cli("walk", "run", "--into", "walk")
    assert code == 0, err


@pytest.fixture
def pairs16(workdir: Path, run_cli) -> Path:
    """A run that inverts gray images of 16 bits."""
    save_gray16(workdir / "d/A")
    save_gray16(workdir / "d/B", inverted=True)
    code, _, err = run_cli("train", "d", "--recipe", "pix2pix", "--run", "run", "--examples", "64", *QUICK)
    assert code == 0, err
    return workdir / "run"


def test_translations_keep_16_bits_and_all_pages(pairs16: Path, workdir: Path, run_cli) -> None:
    code, _, err = run_cli("apply", "run", "d/A/000.png", "--into", "out")
    assert code == 0, err
    output = Image.open(workdir / "out/000.png")
    assert output.mode == "I;16"
    assert (np.asarray(output) % 257 != 0).mean() > 0.9
    pages = [Image.fromarray(np.rint(65535 * image[..., 0]).astype(np.uint16)) for image in blobs(3, 1, seed=1)]
    pages[0].save(workdir / "stack.tif", save_all=True, append_images=pages[1:])
    code, _, err = run_cli("apply", "run", "stack.tif", "--into", "out")
    assert code == 0, err
    stack = Image.open(workdir / "out/stack.tif")
    assert (stack.n_frames, stack.mode) == (3, "I;16")
    (workdir / "in").mkdir()
    Image.fromarray(np.rint(255 * blobs(1, 4)[0]).astype(np.uint8)).save(workdir / "in/alpha.png")
    np.save(workdir / "bands.npy", blobs(1, 8)[0])
    code, out, err = run_cli("apply", "run", "in", "--into", "out")
    assert code == 0, err
    assert "not used: alpha, which files of outputs like these do not hold, of 1 image" in out + err
    code, _, err = run_cli("apply", "run", "bands.npy", "--into", "out")
    assert code == 2
    assert "zerosum: bands.npy: " in err
    code, _, err = run_cli("evaluate", "run", "--features", "pixels")
    assert code == 0, err
    record = json.loads((pairs16 / "scores.jsonl").read_text().splitlines()[-1])
    assert record["paired_metrics"]["psnr"]["value"] > 0


def test_translations_of_8_bits_keep_alpha_and_say_what_they_drop(workdir: Path, run_cli) -> None:
    for name in ("A", "B"):
        (workdir / f"d/{name}").mkdir(parents=True)
        for index, image in enumerate(np.rint(255 * blobs(48, 3)).astype(np.uint8)):
            Image.fromarray(image if name == "A" else 255 - image).save(workdir / f"d/{name}/{index:03d}.png")
    code, _, err = run_cli("train", "d", "--recipe", "pix2pix", "--run", "run", "--examples", "64", *QUICK)
    assert code == 0, err
    (workdir / "in").mkdir()
    rgba = np.rint(255 * blobs(1, 4)[0]).astype(np.uint8)
    Image.fromarray(rgba).save(workdir / "in/alpha.png")
    frames = [Image.fromarray(image) for image in np.rint(255 * blobs(3, 3)).astype(np.uint8)]
    frames[0].save(workdir / "in/film.gif", save_all=True, append_images=frames[1:])
    frames[0].save(workdir / "in/pages.tif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.rint(65535 * blobs(1, 1)[0, ..., 0]).astype(np.uint16)).save(workdir / "in/deep.png")
    code, out, err = run_cli("apply", "run", "in", "--into", "out")
    assert code == 0, err
    text = out + err
    assert "not used: all frames but the first of 3, of 1 image" in text
    assert "not used: what is finer than the 8 bits per value that the run was trained on, of 1 image" in text
    assert Image.open(workdir / "out/pages.tif").n_frames == 3
    output = Image.open(workdir / "out/alpha.png")
    assert output.mode == "RGBA"
    assert (np.asarray(output)[..., 3] == rgba[..., 3]).all()
    assert Image.open(workdir / "out/film.png").mode == "RGB"


def test_pages_become_arrays_of_bands(workdir: Path, run_cli) -> None:
    """One array has all pages of a file, unless they differ in size."""
    for name in ("A", "B"):
        (workdir / f"d/{name}").mkdir(parents=True)
    for index, (image, bands) in enumerate(zip(np.rint(255 * blobs(48, 1)), blobs(48, 8), strict=True)):
        Image.fromarray(image[..., 0].astype(np.uint8)).save(workdir / f"d/A/{index:03d}.png")
        np.save(workdir / f"d/B/{index:03d}.npy", bands)
    code, _, err = run_cli("train", "d", "--recipe", "pix2pix", "--run", "run", "--examples", "64", *QUICK)
    assert code == 0, err
    pages = [Image.open(workdir / f"d/A/{index:03d}.png") for index in range(3)]
    pages[0].save(workdir / "stack.tif", save_all=True, append_images=pages[1:])
    for source in ("stack.tif", "d/A/000.png", "d/A/002.png"):
        code, _, err = run_cli("apply", "run", source, "--into", "out")
        assert code == 0, err
    stack = np.load(workdir / "out/stack.npy")
    assert stack.shape == (3, 16, 16, 8)
    for index in (0, 2):
        np.testing.assert_allclose(stack[index], np.load(workdir / f"out/{index:03d}.npy"), atol=1e-5)
    pages[0].save(workdir / "sizes.tif", save_all=True, append_images=[pages[1].resize((8, 8))])
    code, _, err = run_cli("apply", "run", "sizes.tif", "--into", "out")
    assert code == 2
    assert "sizes.tif: its pages have different sizes" in err


def test_eight_bands_become_rgb(workdir: Path, run_cli) -> None:
    """Inputs and targets have types and channels of their own, and a folder may hold arrays next to one of files."""
    for name in ("A", "B"):
        (workdir / f"d/{name}").mkdir(parents=True)
    for index, (bands, image) in enumerate(zip(blobs(48, 8), blobs(48, 3), strict=True)):
        np.save(workdir / f"d/A/{index:03d}.npy", (4000 * bands).astype(np.uint16))
        Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(workdir / f"d/B/{index:03d}.png")
    code, _, err = run_cli("train", "d", "--recipe", "pix2pix", "--run", "run", "--examples", "64", *QUICK)
    assert code == 0, err
    recipe = (workdir / "run/recipe.toml").read_text()
    assert all(line in recipe for line in ("channels = 3", "input_channels = 8", 'input_dtype = "uint16"')), recipe
    code, _, err = run_cli("apply", "run", "d/A/000.npy", "--into", "out")
    assert code == 0, err
    assert Image.open(workdir / "out/000.png").mode == "RGB"
    code, _, err = run_cli("apply", "run", "d/B/000.png", "--into", "out2")
    assert code == 2
    assert "it has 3 channels, and --data.channels is 8" in err
