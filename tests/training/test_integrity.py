"""A checkpoint that was damaged or does not fit is refused before anything of it is used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from zerosum import BadInput, api
from zerosum.run_folder import RunFolder

SETTINGS = {
    "training.checkpoint_examples": 64, "generator.widths": [8], "discriminator.widths": [8], "diagnostics.samples": 64,
}  # fmt: skip
REFUSED = "cannot be read .*delete it to resume from the one before"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("shared") / "run"
    return api.train("ring", recipe="vanilla", run=run, examples=256, batch_size=32, settings=SETTINGS).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def newest(run: Path) -> Path:
    return RunFolder(run).checkpoints()[-1]


def remove_checksums(checkpoint: Path) -> None:
    """Make it a checkpoint of an earlier release."""
    state = json.loads((checkpoint / "state.json").read_text())
    del state["checksums"]
    (checkpoint / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize("name", ["networks.safetensors", "training.pt", "state.json"])
@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_a_flipped_bit_anywhere_is_noticed(run: Path, name: str, place: float) -> None:
    path = newest(run) / name
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 3))] ^= 1
    path.write_bytes(content)
    log = (run / "log.jsonl").read_bytes()
    with pytest.raises(BadInput, match=REFUSED):
        api.resume(run, examples=512)
    assert (run / "log.jsonl").read_bytes() == log
    shutil.rmtree(newest(run))
    assert api.resume(run, examples=512).state == "done"


def test_a_checkpoint_without_checksums_is_accepted(run: Path) -> None:
    remove_checksums(newest(run))
    assert api.resume(run, examples=512).state == "done"


def widen(values: dict) -> None:
    values["exp_avg"] = torch.zeros(3, 5)


def change_type(values: dict) -> None:
    values["exp_avg_sq"] = values["exp_avg_sq"].double()


def remove(values: dict) -> None:
    del values["exp_avg"]


def replace_by_number(values: dict) -> None:
    values["exp_avg"] = 1.0


@pytest.mark.parametrize("change", [widen, change_type, remove, replace_by_number])
def test_a_wrong_optimizer_state_never_reaches_the_optimizer(run: Path, change: Callable[[dict], None]) -> None:
    checkpoint = newest(run)
    remove_checksums(checkpoint)
    training = torch.load(checkpoint / "training.pt", weights_only=True)
    change(training["optimizers"]["discriminator"]["state"][0])
    torch.save(training, checkpoint / "training.pt")
    with pytest.raises(BadInput, match=f"parameter 0.*{REFUSED.removeprefix('cannot be read ')}"):
        api.resume(run, examples=512)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights, name: weights.pop(name), "is missing"),
        (lambda weights, name: weights.update({"other": torch.zeros(1)}), "other is unknown"),
        (lambda weights, name: weights.update({name: torch.zeros(3)}), r"shape \(3,\)"),
        (lambda weights, name: weights.update({name: weights[name].half()}), "torch.float16"),
    ],
)
def test_wrong_weights_never_reach_the_game(run: Path, change: Callable[[dict, str], None], message: str) -> None:
    checkpoint = newest(run)
    remove_checksums(checkpoint)
    weights = load_file(checkpoint / "networks.safetensors")
    change(weights, sorted(weights)[0])
    save_file(weights, checkpoint / "networks.safetensors")
    with pytest.raises(BadInput, match=message):
        api.resume(run, examples=512)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has best networks."""
    settings = SETTINGS | {
        "evaluation.features": "pixels", "evaluation.every_examples": 128, "evaluation.samples": 64,
    }  # fmt: skip
    run = tmp_path_factory.mktemp("evaluated") / "run"
    return api.train("ring", recipe="vanilla", run=run, examples=256, batch_size=32, settings=settings).path


@pytest.mark.parametrize("best", [False, True], ids=["newest", "best"])
@pytest.mark.parametrize("place", [0.02, 0.5, 1.0])
def test_flipped_bits_of_networks_are_noticed_wherever_they_are_used(
    evaluated: Path, tmp_path: Path, best: bool, place: float
) -> None:
    run = Path(shutil.copytree(evaluated, tmp_path / "run"))
    api.sample(run, num_samples=4, best=best)
    folder = run / "best" if best else newest(run)
    path = folder / "networks.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 3))] ^= 1
    path.write_bytes(content)
    instead = "leave `best` out to use the newest" if best else f"delete {folder} to use the checkpoint before"
    for use in (
        lambda: api.load(run, best=best),
        lambda: api.sample(run, num_samples=4, seed=1, best=best),
        lambda: api.evaluate(run, features="pixels", num_samples=64, best=best),
    ):
        with pytest.raises(BadInput, match=f"{path} cannot be read .*; {instead}"):
            use()
    if not best:
        shutil.rmtree(folder)
    api.sample(run, num_samples=4, seed=1)


@pytest.mark.parametrize("name", ["checksums.json", "state.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"round": 1}'], ids=["empty", "list", "no text", "lacks"])
def test_damaged_checksums_of_networks_are_one_sentence(
    evaluated: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    run = Path(shutil.copytree(evaluated, tmp_path / "run"))
    best = name == "checksums.json"
    folder = run / "best" if best else newest(run)
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match=r"networks.safetensors cannot be read"):
        api.load(run, best=best)
    if best:
        (folder / name).unlink()  # as of earlier releases
        api.load(run, best=best)
