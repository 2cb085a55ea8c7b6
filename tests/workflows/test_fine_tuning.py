"""Runs that start from the networks of another run."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from workflow_helpers import RecordingReporter, have_equal_weights, log_rows, newest_weights

import zerosum
from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.inference.start import open_start
from zerosum.run_folder import RunFolder
from zerosum.workflows.run import Run
from zerosum.workflows.settings_source import choose_settings_source

EMA = "emas.generator.0.network."


def fine_tune(data: object, start: Path, run: Path, **arguments: object) -> Run:
    return zerosum.train(data, start_from=start, run=run, **({"examples": 32, "batch_size": 16} | arguments))


def start_record(run: Path) -> dict:
    record: dict = RunFolder(run).read_json("plan.json")["start"]
    return record


def save_images(folder: Path, classes: list[str], side: int = 16, channels: int = 3) -> Path:
    """Write 24 images of noise for each class."""
    rng = np.random.default_rng(1)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(24):
            pixels = rng.integers(0, 256, (side, side, channels), dtype=np.uint8)
            Image.fromarray(pixels.squeeze()).save(folder / name / f"{number}.png")
    return folder


def test_a_run_starts_from_the_ema_and_the_discriminator(images_run: Path, image_pairs: Path, tmp_path: Path) -> None:
    reporter, run = RecordingReporter(), tmp_path / "tuned"
    settings = {"training.tick_examples": 16, "training.checkpoint_examples": 16}
    fine_tune(image_pairs / "B", images_run, run, reporter=reporter, settings=settings)
    source, started = newest_weights(images_run), load_file(run / "start.safetensors")
    for name, tensor in started.items():
        expected = source[name.replace("generator.", EMA, 1) if name.startswith("generator.") else name]
        assert torch.equal(tensor, expected), name
    record = start_record(run)
    assert (record["from"], record["examples"], record["checkpoint"]) == (str(images_run), 32, "00000032")
    for network in record["networks"].values():
        assert network["taken"] == network["weights"] > 0
        assert network["not_taken"] == {}
    recipe, former = (read_recipe(RunFolder(path)) for path in (run, images_run))
    assert (recipe.generator, recipe.discriminator, recipe.data.size) == (
        former.generator, former.discriminator, former.data.size,
    )  # fmt: skip
    assert recipe.data.source == str(image_pairs / "B")
    assert any("from" in line and "after 32 examples; all fit" in line for line in reporter.messages)
    assert [row["examples"] for row in log_rows(run)] == [16, 32]
    assert "after 32 examples; all fit" in (run / "report.html").read_text("utf8")


def test_it_is_continued_exactly_without_the_other_run(images_run: Path, image_pairs: Path, tmp_path: Path) -> None:
    """Even if it was killed before its first checkpoint, and the other run is gone."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    fine_tune(image_pairs / "B", images_run, whole, freeze={"discriminator": 1})
    shutil.copytree(whole, killed)
    for name in ("checkpoints", "samples"):
        shutil.rmtree(killed / name)
    for name in ("status.json", "log.jsonl", "report.html"):
        (killed / name).unlink()
    shutil.rmtree(images_run)
    zerosum.resume(killed)
    assert have_equal_weights(killed, whole)
    assert log_rows(killed) == log_rows(whole)
    (killed / "start.safetensors").write_bytes(b"damaged")
    shutil.rmtree(killed / "checkpoints")
    with pytest.raises(BadInput, match=r"start\.safetensors cannot be read .* restore it"):
        zerosum.resume(killed)
    (killed / "start.safetensors").unlink()
    with pytest.raises(BadInput, match=r"start\.safetensors is missing: it holds the weights"):
        zerosum.resume(killed)


def test_frozen_stages_keep_their_weights(images_run: Path, image_pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "tuned"
    fine_tune(image_pairs / "B", images_run, run, freeze={"discriminator": 1})
    former, weights = newest_weights(images_run), newest_weights(run)
    for name in former:
        if name.startswith("discriminator.") and name.endswith("weight"):
            is_frozen = name.startswith("discriminator.input_layer.")
            assert torch.equal(weights[name], former[name]) == is_frozen, name
    assert read_recipe(RunFolder(run)).training.freeze == {"discriminator": 1}
    fine_tune(image_pairs / "B", run, tmp_path / "again")
    assert read_recipe(RunFolder(tmp_path / "again")).training.freeze == {}, "it belongs to the other run alone"


def test_classes_of_the_same_name_are_kept(digits_run: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    data = save_images(tmp_path / "data", ["3", "7", "x"], side=32, channels=1)
    fine_tune(data, digits_run, tmp_path / "tuned", reporter=reporter)
    assert start_record(tmp_path / "tuned")["classes"] == {"kept": ["3", "7"], "new": ["x"]}
    assert any("2 of 3 kept" in line and "new: x" in line for line in reporter.messages)
    name = "class_embedding.embedding.weight"
    table = load_file(tmp_path / "tuned/start.safetensors")[f"generator.{name}"]
    assert torch.equal(table[:, :2], newest_weights(digits_run)[EMA + name][:, [3, 7]])
    sampled = zerosum.load(tmp_path / "tuned", "cpu")
    assert sampled.classes == ("3", "7", "x")


def test_networks_with_stages_by_resolution_get_another_size(styles_run: Path, tmp_path: Path) -> None:
    data = save_images(tmp_path / "data", ["a"], channels=1)
    fine_tune(data, styles_run, tmp_path / "tuned", examples=8, batch_size=8, settings={"data.size": 64})
    networks = start_record(tmp_path / "tuned")["networks"]
    started, former = load_file(tmp_path / "tuned/start.safetensors"), newest_weights(styles_run)
    assert torch.equal(started["generator.to_rgb.3.weight"], former[EMA + "to_rgb.3.weight"])
    assert torch.equal(started["discriminator.blocks.1.conv1.weight"], former["discriminator.blocks.0.conv1.weight"])
    not_taken = networks["generator"]["not_taken"]
    assert not_taken
    assert all(name.startswith(("synthesis_layers.7", "synthesis_layers.8", "to_rgb.4")) for name in not_taken)
    assert all(name.startswith(("blocks.0.", "from_rgb.")) for name in networks["discriminator"]["not_taken"])


def test_networks_of_one_size_are_not_carried_to_another(images_run: Path, image_pairs: Path, tmp_path: Path) -> None:
    expected = "`data.size` 32x32: .* was trained at 16x16, and a generator of kind dcgan has other layers"
    with pytest.raises(BadInput, match=expected):
        fine_tune(image_pairs / "B", images_run, tmp_path / "tuned", settings={"data.size": 32})
    assert not (tmp_path / "tuned").exists()


def test_a_progressive_game_goes_on_at_the_resolution_that_was_reached(image_pairs: Path, tmp_path: Path) -> None:
    settings = {
        "generator.widths": [8, 4], "discriminator.widths": [8, 4], "data.size": 16, "latent.size": 8,
        "evaluation.features": "none", "training.precision": "float32", "diagnostics.probe": False,
    }  # fmt: skip
    run = tmp_path / "grown"
    zerosum.train(image_pairs / "A", recipe="progan", run=run, examples=24, batch_size=8, settings=settings)
    fine_tune(image_pairs / "B", run, tmp_path / "same", examples=8, batch_size=8)
    assert dict(read_recipe(RunFolder(tmp_path / "same")).game)["growth"].start_level == 2
    growth = newest_weights(tmp_path / "same")["generator._extra_state"]
    assert float(growth) == 2, "fully grown from the beginning"


def test_other_channels_make_new_outer_layers(images_run: Path, tmp_path: Path) -> None:
    data = save_images(tmp_path / "data", ["a"], channels=1)
    settings = {"data.channels": 1, "discriminator.chroma_gain": 1}
    fine_tune(data, images_run, tmp_path / "tuned", settings=settings)
    networks = start_record(tmp_path / "tuned")["networks"]
    assert networks["generator"]["not_taken"]
    assert all("there" in reason for reason in networks["generator"]["not_taken"].values())
    assert networks["discriminator"]["taken"] < networks["discriminator"]["weights"]


def test_a_translation_is_fine_tuned_on_two_folders(trained_pairs: Path, image_pairs: Path, tmp_path: Path) -> None:
    run = zerosum.train(
        image_pairs / "B", image_pairs / "A", start_from=trained_pairs, run=tmp_path / "tuned", examples=8, batch_size=4
    )
    assert run.state == "done"
    networks = start_record(run.path)["networks"]
    assert networks["generator"]["taken"] == networks["generator"]["weights"]
    assert read_recipe(run.folder).data.sources["target_source"] == str(image_pairs / "A")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_from": "nowhere"}, "nowhere does not exist"),
        ({"start_from": ""}, "`start_from` is empty: name a run"),
        ({"recipe": "dcgan"}, "`recipe` dcgan: a run that starts from .* has its recipe"),
        ({"size": "base"}, "`size` base: a run that starts from"),
        ({"source": "ring"}, "was trained on images, and ring holds points"),
        ({"settings": {"data.kind": "points"}}, "was trained on images, and .* holds points"),
        ({"start_from": None, "freeze": {"discriminator": 1}}, "`training.freeze`: stages that are frozen keep"),
        ({"freeze": {"discriminator": 9}}, "`training.freeze.discriminator` 9: .* dcgan has 2 stages .*; give 1 to 2"),
        ({"freeze": {"generator": 1}}, "`training.freeze.generator` 1: .* has no stages that can be frozen; leave"),
        (
            {"freeze": {"discriminator": 1}, "settings": {"training.freeze.discriminator": 2}},
            "`freeze` discriminator: `training.freeze.discriminator` 2 is given too",
        ),
        ({"freeze": {"critic": 1}}, "`training.freeze.critic`: there is no such player"),
        ({"settings": {"generator.width": 64}}, "only .* weights of the generator fit"),
        ({"source": ""}, "`data.source` is missing"),
    ],
    ids=[
        "no-run",
        "no-name",
        "recipe",
        "size",
        "kind",
        "other-kind",
        "no-start",
        "count",
        "generator",
        "twice",
        "player",
        "width",
        "no-data",
    ],
)
def test_what_cannot_start_from_a_run_is_refused(
    arguments: dict, message: str, trained_images: Path, image_pairs: Path, tmp_path: Path
) -> None:
    defaults = {"source": image_pairs / "B", "start_from": trained_images, "run": tmp_path / "run", "examples": 16}
    with pytest.raises(BadInput, match=message):
        zerosum.train(**(defaults | arguments))
    assert not (tmp_path / "run").exists()


def test_the_same_command_again_knows_what_the_run_started_from(
    trained_images: Path, images_run: Path, image_pairs: Path, tmp_path: Path
) -> None:
    reporter = RecordingReporter()
    for _ in range(2):
        fine_tune(image_pairs / "B", trained_images, tmp_path / "run", or_resume=True, reporter=reporter)
    assert "nothing is trained" in reporter.messages[-1]
    with pytest.raises(BadInput, match=f"`start_from` is {trained_images} there and {images_run} here"):
        fine_tune(image_pairs / "B", images_run, tmp_path / "run", or_resume=True)


def test_the_same_command_goes_on_without_what_the_run_started_from(
    images_run: Path, image_pairs: Path, tmp_path: Path
) -> None:
    reporter, run = RecordingReporter(), tmp_path / "run"
    settings = {"training.tick_examples": 16, "training.checkpoint_examples": 16}
    fine_tune(image_pairs / "B", images_run, run, settings=settings)
    shutil.rmtree(run / "checkpoints/00000032")  # as if it was killed
    (run / "status.json").unlink()
    images_run.rename(tmp_path / "moved")
    fine_tune(image_pairs / "B", images_run, run, settings=settings, or_resume=True, reporter=reporter)
    assert any("resuming" in line and "after 16 examples" in line for line in reporter.messages)
    assert RunFolder(run).newest_checkpoint().name == "00000032"
    with pytest.raises(BadInput, match=r"`training\.seed` is 0 there and 5 here"):
        fine_tune(image_pairs / "B", images_run, run, settings=settings, seed=5, or_resume=True)
    for arguments in ({"recipe": "dcgan", "or_resume": True}, {"run": tmp_path / "other", "or_resume": True}, {}):
        with pytest.raises(BadInput, match="does not exist"):
            fine_tune(image_pairs / "B", images_run, **({"run": run, "settings": settings} | arguments))


def test_code_of_another_run_is_not_taken_over(images_run: Path, image_pairs: Path) -> None:
    plan = RunFolder(images_run).read_json("plan.json")
    plan["request"]["settings"]["evaluation"]["features"] = "os:system"
    RunFolder(images_run).write_json("plan.json", plan)
    source = {"data.source": ("`source`", str(image_pairs / "B"))}
    start = open_start(images_run)
    assert choose_settings_source("auto", "", {}, source, start).validate().evaluation.features == "auto"
    own = {"evaluation.features": "mine:network"}
    assert choose_settings_source("auto", "", own, source, start).validate().evaluation.features == "mine:network"


def test_numeric_conditions_are_matched_by_their_values(image_pairs: Path, tmp_path: Path) -> None:
    settings = {
        "data.conditions": ["species", "age"], "evaluation.features": "none", "diagnostics.probe": False,
        "generator.width": 4, "discriminator.width": 4, "data.size": 16, "training.precision": "float32",
    }  # fmt: skip

    def tell(name: str, species: list[str], first_age: int) -> Path:
        folder = shutil.copytree(image_pairs / "B", tmp_path / name)
        files = sorted(path.name for path in folder.iterdir())
        rows = [f"{file},{species[number % 2]},{first_age + number}.5" for number, file in enumerate(files)]
        (folder / "labels.csv").write_text("\n".join(["file,species,age", *rows]) + "\n", "utf8")
        return folder

    pets, reporter = tell("pets", ["cat", "dog"], 0), RecordingReporter()
    zerosum.train(pets, recipe="cgan-projection", run=tmp_path / "run", examples=8, batch_size=8, settings=settings)
    cattle = tell("cattle", ["cow", "dog"], 20)
    fine_tune(
        cattle, tmp_path / "run", tmp_path / "tuned", examples=8, batch_size=8, reporter=reporter,
        settings={"data.conditions": ["species", "age"], "evaluation.features": "none", "diagnostics.probe": False},
    )  # fmt: skip
    assert start_record(tmp_path / "tuned")["conditions"] == {"kept": ["species=dog", "age"], "new": ["species=cow"]}
    line = next(line for line in reporter.messages if "2 of 3 kept" in line)
    assert "new: species=cow; age is scaled by mean" in line
    assert not any("all fit" in line for line in reporter.messages)


def test_a_run_without_a_checkpoint_is_refused(images_run: Path, image_pairs: Path, tmp_path: Path) -> None:
    shutil.rmtree(images_run / "checkpoints")
    with pytest.raises(BadInput, match="has no checkpoint yet"):
        fine_tune(image_pairs / "B", images_run, tmp_path / "run")
