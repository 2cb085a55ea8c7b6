"""Image-to-image translation on the command line: train, apply, evaluate, and their errors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import zerosum
from zerosum.data.images.pixels import unit_to_bytes
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.inference.load import read_recipe
from zerosum.inference.translator import subsample_evenly
from zerosum.reporting.scores_section import IMAGE_CAPTIONS
from zerosum.run_folder import RunFolder

PIXELS = ["--features", "pixels"]
QUICK = {
    "data.size": 32, "generator.width": 4, "discriminator.width": 4, "evaluation.features": "none",
    "training.precision": "float32",
}  # fmt: skip


def make_pairs(folder: Path, count: int, side: int = 32, seed: int = 0) -> Path:
    """Write pairs of equal names, a disc on a background (A) and the same in inverted colors (B); return the folder."""
    rng = np.random.default_rng(seed)
    for name in ("A", "B"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image = Image.new("RGB", (side, side), tuple(int(value) for value in rng.integers(100, 255, 3)))
        x, y, r = rng.integers(4, side - 4, 3)
        ImageDraw.Draw(image).ellipse((x - r // 2, y - r // 2, x + r // 2, y + r // 2), fill=(20, 40, 160))
        image.save(folder / "A" / f"{number:03d}.png")
        Image.fromarray(255 - np.asarray(image)).save(folder / "B" / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs, and runs on them: pix2pix, cyclegan on two folders, and inpaint."""
    folder = tmp_path_factory.mktemp("translation")
    make_pairs(folder / "pairs", 96)
    intervals = {"training.preview_examples": 64, "training.checkpoint_examples": 64}
    zerosum.train(
        folder / "pairs", recipe="pix2pix", run=folder / "runs/pairs", examples=192, settings=QUICK | intervals
    )
    zerosum.train(
        folder / "pairs/A", folder / "pairs/B", recipe="cyclegan", run=folder / "runs/unpaired", examples=24,
        settings=QUICK,
    )  # fmt: skip
    zerosum.train(folder / "pairs/A", recipe="inpaint", run=folder / "runs/holes", examples=32, settings=QUICK)
    return folder


def test_sample_grid_evaluation_and_apply_use_the_same_images(trained: Path, tmp_path: Path) -> None:
    run = trained / "runs/pairs"
    dataset = load_dataset(read_recipe(RunFolder(run)).data, LoadOptions())
    indices = subsample_evenly(dataset.input_indices(True), 12)
    translator = zerosum.load_translator(run)
    translated = unit_to_bytes(translator(dataset.inputs(indices)))
    for number, image in enumerate(unit_to_bytes(dataset.inputs(indices))):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"in/{number:02d}.png")
    files = zerosum.apply(run, tmp_path / "in", into=tmp_path / "out")
    assert [file.name for file in files] == [f"{number:02d}.png" for number in range(12)]
    applied = np.stack([np.asarray(Image.open(file)) for file in files])
    assert np.abs(applied.astype(int) - translated).max() <= 1  # another batch size may round differently
    grid = np.asarray(Image.open(RunFolder(run).sample_grids()[-1]))
    first = grid[:64, 2 * 33 : 2 * 33 + 64][::2, ::2]  # the second image of the first row, whose pixels are doubled
    assert np.abs(first.astype(int) - translated[0]).max() <= 1


def test_pix2pix_learns_to_invert_colors(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    faster = {"optimizer.lr": 3e-3, "ema.half_life": 0, "generator.width": 8}
    run = zerosum.train(trained / "pairs", recipe="pix2pix", run="run", examples=1600, settings=QUICK | faster)
    metrics = zerosum.evaluate(run.path, features="pixels")["paired_metrics"]
    assert metrics["l1"]["value"] < metrics["l1"]["input"] / 3
    assert metrics["psnr"]["value"] > metrics["psnr"]["input"]


def test_rotate90_changes_training(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [
        zerosum.train(trained / "pairs", recipe="pix2pix", run=f"rotate90-{rotate90}", examples=32, settings=QUICK | {
            "data.rotate90": rotate90, "diagnostics.probe": False,
        })
        for rotate90 in (False, True)
    ]  # fmt: skip
    losses = [run.log()[-1]["generator/l1"] for run in runs]
    assert losses[0] != losses[1]


def test_evaluation_of_pairs_reports_metrics_of_outputs_and_inputs(trained: Path, run_cli) -> None:
    code, out, err = run_cli("evaluate", str(trained / "runs/pairs"), *PIXELS, "--json")
    assert code == 0, err
    row = json.loads(out)
    assert set(row["paired_metrics"]) >= {"l1", "psnr", "ssim"}
    assert row["paired_metrics"]["l1"]["input"] > 0
    assert row["protocol"]["is_paired"] is True
    assert "pair" in row["protocol_description"]
    assert row["scores"]["fd_pixels"]["floor"] is None
    assert row["scores"]["recall"]["floor"] is not None
    assert row["checkpoint"] == "00000192"
    code, out, _ = run_cli("evaluate", str(trained / "runs/pairs"), *PIXELS)
    assert code == 0
    assert "psnr" in out
    assert "translations.png" in out
    html = (trained / "runs/pairs/report.html").read_text()
    assert "ssim" in html
    assert all(text in html for text in IMAGE_CAPTIONS["translations"])


def test_unpaired_runs_are_evaluated_as_sets_or_on_pairs_of_other_data(trained: Path, run_cli) -> None:
    run = str(trained / "runs/unpaired")
    code, out, err = run_cli("evaluate", run, *PIXELS, "--json")
    assert code == 0, err
    assert "paired_metrics" not in json.loads(out)
    assert json.loads(out)["protocol"]["is_paired"] is False
    code, out, err = run_cli("evaluate", run, *PIXELS, "--json", "--data", str(trained / "pairs"), "--paired")
    assert code == 0, err
    forward = json.loads(out)
    code, out, err = run_cli(
        "evaluate", run, *PIXELS, "--json", "--data", str(trained / "pairs"), "--paired", "--reverse"
    )
    assert code == 0, err
    reverse = json.loads(out)
    assert (forward["direction"], reverse["direction"]) == ("forward", "reverse")
    assert forward["protocol"]["is_paired"] is reverse["protocol"]["is_paired"] is True
    assert forward["paired_metrics"]["l1"]["value"] != reverse["paired_metrics"]["l1"]["value"]
    # the floor compares images of the same domain, so it is near 0, though the domains are far apart
    for row in (forward, reverse):
        kid = row["scores"]["kid_pixels"]
        assert abs(kid["floor"]) < 3 * kid["floor_error"] + 0.05
    assert any("among the training images" in overlap["text"] for overlap in reverse["overlaps"])


@pytest.mark.parametrize("size", [(32, 32), (50, 37), (9, 64)])
def test_apply_keeps_size_and_name(trained: Path, tmp_path: Path, run_cli, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (200, 30, 60)).save(tmp_path / "odd.jpg")
    code, out, err = run_cli(
        "apply", str(trained / "runs/pairs"), str(tmp_path / "odd.jpg"), "--into", str(tmp_path / "x")
    )
    assert code == 0, err
    assert out.strip().endswith("odd.png")
    assert Image.open(tmp_path / "x/odd.png").size == size


def test_apply_to_a_folder_skips_existing_files_on_request(trained: Path, tmp_path: Path, run_cli) -> None:
    frames, out_folder = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    for number in range(5):
        Image.new("RGB", (40, 32), (10 * number, 30, 60)).save(frames / f"frame{number}.png")
    Image.new("L", (40, 32), 90).save(frames / "frame0.jpg")  # gray, with the stem of another file
    (frames / "broken.png").write_bytes(b"not an image")
    arguments = ["apply", str(trained / "runs/pairs"), str(frames), "--into", str(out_folder)]
    code, out, err = run_cli(*arguments)
    assert code == 0, err
    assert "broken.png" in out
    names = sorted(path.name for path in out_folder.iterdir())
    assert names == ["frame0.jpg.png", "frame0.png.png", *(f"frame{number}.png" for number in range(1, 5))]
    code, _, err = run_cli(*arguments)
    assert code == 2
    assert "--skip-existing" in err
    kept = (out_folder / "frame1.png").read_bytes()
    (out_folder / "frame2.png").unlink()
    code, _, err = run_cli(*arguments, "--skip-existing")
    assert code == 0, err
    assert (out_folder / "frame2.png").exists()
    assert (out_folder / "frame1.png").read_bytes() == kept


def test_inpainting_changes_only_the_hole(trained: Path, tmp_path: Path, run_cli) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (40, 48, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "p.png")
    mask = np.zeros((40, 48), np.uint8)
    mask[10:20, 12:30] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    run = str(trained / "runs/holes")
    code, _, err = run_cli(
        "apply", run, str(tmp_path / "p.png"), "--mask", str(tmp_path / "m.png"), "--into", str(tmp_path / "a")
    )
    assert code == 0, err
    filled = np.asarray(Image.open(tmp_path / "a/p.png"))
    assert np.array_equal(filled[mask == 0], image[mask == 0])
    assert not np.array_equal(filled[mask > 0], image[mask > 0])
    # a transparent image is its own mask
    Image.fromarray(np.dstack([image, 255 - mask])).save(tmp_path / "q.png")
    code, _, err = run_cli("apply", run, str(tmp_path / "q.png"), "--into", str(tmp_path / "b"))
    assert code == 0, err
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b/q.png")), filled)
    # in folders, images and masks have equal names
    for folder in ("images/one", "images/two", "masks/one", "masks/two"):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(image if folder.startswith("images") else mask).save(tmp_path / folder / "7.png")
    Image.fromarray(np.roll(mask, 8, 0)).save(tmp_path / "masks/two/7.png")
    code, _, err = run_cli(
        "apply", run, str(tmp_path / "images"), "--mask", str(tmp_path / "masks"), "--into", str(tmp_path / "d")
    )
    assert code == 0, err
    one, two = (np.asarray(Image.open(tmp_path / f"d/{name}/7.png")) for name in ("one", "two"))
    assert np.array_equal(one, filled)
    assert np.array_equal(two[np.roll(mask, 8, 0) == 0], image[np.roll(mask, 8, 0) == 0])
    # with --degrade, the hole is random
    code, _, err = run_cli("apply", run, str(tmp_path / "p.png"), "--degrade", "--into", str(tmp_path / "c"))
    assert code == 0, err


def test_invalid_arguments_of_apply_print_one_line(trained: Path, tmp_path: Path, run_cli) -> None:
    pairs, holes = str(trained / "runs/pairs"), str(trained / "runs/holes")
    Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
    Image.new("L", (30, 32)).save(tmp_path / "small.png")
    (tmp_path / "empty").mkdir()
    image = str(tmp_path / "p.png")
    for arguments, expected in {
        (pairs, str(tmp_path / "nothing.png")): "nothing.png",
        (pairs, str(tmp_path / "empty")): "empty",
        (pairs, image, "--mask", image): "--mask",
        (pairs, image, "--reverse"): "--reverse",
        (pairs, str(trained / "pairs/A"), "--into", str(tmp_path / "x.png")): "--into",
        (holes, image): "--mask",
        (holes, image, "--mask", str(tmp_path / "small.png")): "small.png",
        (holes, str(trained / "pairs/A"), "--mask", str(tmp_path / "empty")): "mask",
        (pairs, str(trained / "pairs/A"), "--into", str(trained / "pairs/A/made")): "--into",
        (pairs, image, "--into", str(tmp_path / "x.jpg")): "PNG",
        (pairs, image, "--network-interpolation", "0.5"): "--network-interpolation",
    }.items():
        code, _, err = run_cli("apply", *arguments)
        assert (code, expected in err, err.count("\n")) == (2, True, 1), (arguments, err)
    code, _, err = run_cli("sample", pairs)
    assert code == 2
    assert "zerosum apply" in err


def test_invalid_translation_settings_print_a_message_and_write_nothing(trained: Path, tmp_path: Path, run_cli) -> None:
    """Mismatched names, counts or sizes, missing folders, settings that do not fit the recipe."""
    names = shutil.copytree(trained / "pairs", tmp_path / "names")
    (names / "B/003.png").rename(names / "B/x3.png")
    sizes = shutil.copytree(trained / "pairs", tmp_path / "sizes")
    Image.new("RGB", (20, 32)).save(sizes / "B/005.png")
    only = shutil.copytree(trained / "pairs/A", tmp_path / "only")
    shutil.copytree(trained / "pairs/A", tmp_path / "half/A")
    pairs = str(trained / "pairs")
    for arguments, expected in {
        (str(names), "--recipe", "pix2pix"): "003",
        (str(sizes), "--recipe", "pix2pix"): "005",
        (str(only), "--recipe", "pix2pix"): "A",
        (str(tmp_path / "half"), "--recipe", "cyclegan"): "B",
        (pairs, "--recipe", "pix2pix", "--data.target", "C"): "C",
        (pairs, pairs): "hold the same images",
        (pairs, "--recipe", "dcgan", "--data.degrade", "gray"): "leave out --data.pairs, --data.degrade",
        (pairs, "--recipe", "pix2pix", "--data.degrade", "graay"): "gray",
        (str(only), "--recipe", "cyclegan", "--data.degrade", "gray"): "--data.degrade",
        (pairs, "--recipe", "pix2pix", "--terms.cycle.weight", "1"): "--game.kind cycle",
        (pairs, "--recipe", "cyclegan", "--terms.l1.weight", "1"): "--terms.l1",
        (
            pairs,
            "--recipe",
            "cyclegan",
            "--discriminator.concat_input",
            "true",
        ): "set --discriminator.concat_input false",
        (pairs, "--recipe", "pix2pix", "--game.replay_buffer", "50"): "--game.replay_buffer",
        (pairs, "--recipe", "pix2pix", "--generator.kind", "dcgan"): "unet",
        (pairs, "--recipe", "dcgan", "--generator.kind", "unet"): "--game.kind translation",
        (pairs, "--recipe", "pix2pix", "--augment.kind", "ada"): "--augment.kind none",
        (str(only), "--recipe", "esrgan", "--data.degrade", "down2"): "factor",
        (str(only), "--recipe", "dcgan", "--game.kind", "cycle"): "--generator.kind",
        (pairs, "--recipe", "cyclegan", "--data.pairs", "paired"): "--data.pairs unpaired",
        (pairs, "--recipe", "cyclegan", "--objective.kind", "relativistic-average"): "least-squares",
        (str(only), "--recipe", "esrgan", "--training.accumulate", "2"): "--objective.kind relativistic-average",
        (
            pairs,
            "--recipe",
            "pix2pix",
            "--game.adversarial_weight",
            "0",
            "--terms.l1.every_rounds",
            "2",
        ): "--game.adversarial_weight",
        (
            pairs + "/A",
            pairs + "/B",
            "--recipe",
            "pix2pix",
            "--data.input",
            "B",
            "--data.target",
            "A",
        ): "--data.input and --data.target",
    }.items():
        code, _, err = run_cli("train", *arguments, "--examples", "16", "--run", str(tmp_path / "run"))
        assert code == 2, (arguments, err)
        assert expected in err, (arguments, err)
        assert "Traceback" not in err
        assert not (tmp_path / "run").exists()


def test_the_replay_buffer_is_resumed_bit_for_bit(trained: Path, tmp_path: Path) -> None:
    settings = QUICK | {"game.replay_buffer": 8, "training.checkpoint_examples": 16}
    complete = zerosum.train(
        trained / "pairs", recipe="cyclegan", run=tmp_path / "complete", examples=32, settings=settings
    )
    interrupted = shutil.copytree(complete.path, tmp_path / "interrupted")
    shutil.rmtree(interrupted / "checkpoints/00000032")
    (interrupted / "status.json").write_text(json.dumps({"state": "interrupted"}))
    zerosum.resume(interrupted)
    from safetensors.torch import load_file

    first, second = (
        load_file(run / "checkpoints/00000032/networks.safetensors") for run in (complete.path, interrupted)
    )
    for direction in (0, 1):
        assert bool(first[f"replay_buffer.samples_{direction}"].abs().sum() > 0)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_super_resolution_in_tiles_has_no_seams(trained: Path, tmp_path: Path) -> None:
    settings = QUICK | {"generator.blocks": 1, "generator.growth_channels": 4, "terms.perceptual.weight": 0}
    run = zerosum.train(trained / "pairs/A", recipe="esrgan", run=tmp_path / "large", examples=16, settings=settings)
    translator = zerosum.load_translator(run.path)
    image = torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(1)) * 2 - 1
    untiled, tiled = translator(image), translator(image, tile_pixels=24, max_whole_pixels=0)
    assert untiled.shape == (1, 3, 280, 360)
    torch.testing.assert_close(tiled, untiled, atol=1e-4, rtol=0)
    # network interpolation is linear between the weights before adversarial training and those after
    before_adversarial = zerosum.load_translator(run.path, network_interpolation=0)(image)
    assert not torch.equal(before_adversarial, untiled)
    weights, before, after = (
        zerosum.load_translator(run.path, network_interpolation=fraction).network.state_dict()
        for fraction in (0.25, 0, 1)
    )
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, 0.75 * before[name] + 0.25 * after[name])


@pytest.mark.parametrize(("recipe", "settings"), [
    ("inpaint", {}), ("pix2pix", {"generator.norm": "none"}),
    ("cut", {"generator.norm": "none", "generator.blocks": 1}),
    ("srgan", {"generator.blocks": 1, "terms.perceptual.weight": 0}),
])  # fmt: skip
def test_translation_in_tiles_has_no_seams(
    trained: Path, tmp_path: Path, recipe: str, settings: dict[str, object]
) -> None:
    """Tiles must begin at multiples of the network's total stride, and overlap by its receptive field."""
    data = trained / ("pairs" if recipe in ("pix2pix", "cut") else "pairs/A")
    run = zerosum.train(data, recipe=recipe, run=tmp_path / "run", examples=16, settings=QUICK | settings)
    translator = zerosum.load_translator(run.path)
    assert translator.receptive_radius
    # with random weights, distant pixels have an influence, so a tile at a wrong offset changes the output
    torch.manual_seed(0)
    for parameter in translator.network.parameters():
        parameter.copy_(torch.randn_like(parameter) * parameter[0].numel() ** -0.5)
    image = torch.rand(1, translator.input_shape[0], 270, 301, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(
        translator(image, tile_pixels=30, max_whole_pixels=0), translator(image), atol=2e-4, rtol=0
    )
