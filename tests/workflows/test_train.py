"""`train`, `resume` and `profile` as Python functions."""

from pathlib import Path

import pytest
from workflow_helpers import RecordingReporter, have_equal_weights, log_rows, train_ring

import zerosum
from zerosum.errors import BadInput
from zerosum.run_folder import FORMAT_VERSION, RunFolder


def test_training_writes_a_complete_run_folder(trained_ring: Path) -> None:
    folder = RunFolder.open(trained_ring)
    status = folder.read_json("status.json")
    assert (status["state"], status["examples"], status["format"]) == ("done", 2_048, FORMAT_VERSION)
    assert folder.read_toml("recipe.toml")["metadata"]["format"] == FORMAT_VERSION
    assert [row["examples"] for row in folder.rows()] == list(range(128, 2_049, 128))
    assert int(folder.checkpoints()[-1].name) == 2_048
    assert {path.name for path in folder.sample_grids()} == {"00000000.png", "00002048.png"}
    for name in ("data.json", "plan.json", "scores.jsonl", "best", "report.html"):
        assert (trained_ring / name).exists(), name


def test_keyword_arguments_set_the_training_settings(tmp_path: Path) -> None:
    run = zerosum.train(
        "ring",
        recipe="vanilla",
        run=tmp_path / "run",
        examples="0.1k",
        batch_size=50,
        seed=3,
        device="cpu",
        budget="1h",
    )
    training = RunFolder(run.path).read_toml("recipe.toml")["training"]
    assert (training["examples"], training["batch_size"], training["seed"]) == (100, 50, 3)
    assert (training["device"], training["budget"]) == ("cpu", 3_600)


def test_a_keyword_argument_is_the_same_as_its_setting(tmp_path: Path) -> None:
    by_keyword = train_ring(tmp_path / "a", seed=5, examples=256).path
    by_setting = train_ring(tmp_path / "b", {"training.seed": 5}, examples=256).path
    other_seed = train_ring(tmp_path / "c", examples=256).path
    assert log_rows(by_keyword) == log_rows(by_setting)
    assert have_equal_weights(by_keyword, by_setting)
    assert not have_equal_weights(by_keyword, other_seed)


def test_the_default_run_folder_is_named_after_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert zerosum.train("ring", recipe="vanilla", examples=64, batch_size=64).path == Path("runs/ring")


@pytest.mark.parametrize(
    ("name", "hint"), [("epochs", "`examples`"), ("batchsize", "`batch_size`"), ("lr", "`optimizer.lr`")]
)
@pytest.mark.parametrize("function", [zerosum.train, zerosum.profile])
def test_an_unknown_argument_is_refused_with_the_nearest_known_one(
    function, name: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=f"`{name}`.*{hint}"):
        function("ring", **{name: 3})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_refused(ring_run: Path) -> None:
    before = {path: path.read_bytes() for path in ring_run.rglob("*") if path.is_file()}
    with pytest.raises(BadInput, match="ring"):
        train_ring(ring_run)
    assert {path: path.read_bytes() for path in ring_run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("", {}),
        ("no/such/folder", {}),
        ("ring", {"settings": {"data.source": "grid"}}),
        ("ring", {"settings": {"optimizer.rate": 1.0}}),
        ("ring", {"loggers": ["no-such-logger"]}),
        ("ring", {"size": "enormous"}),
        ("ring", {"recipe": "no-such-recipe"}),
        ("ring", {"batch_size": 7, "settings": {"training.accumulate": 2}}),
        ("ring", {"device": "abacus"}),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(source: str, arguments: dict, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        zerosum.train(source, run=tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_two_data_sources_are_named_in_the_message() -> None:
    with pytest.raises(BadInput, match=r"`data\.source` grid"):
        zerosum.train("ring", settings={"data.source": "grid"})


def test_an_extended_run_equals_a_longer_run(tmp_path: Path) -> None:
    shorter = train_ring(tmp_path / "shorter", examples=512).path
    reporter = RecordingReporter()
    assert zerosum.resume(shorter, examples=1_024, reporter=reporter).state == "done"
    longer = train_ring(tmp_path / "longer", examples=1_024).path
    assert log_rows(shorter) == log_rows(longer)
    assert have_equal_weights(shorter, longer)
    assert any("resuming" in message for message in reporter.messages)


def test_a_run_that_is_done_is_not_resumed(ring_run: Path) -> None:
    with pytest.raises(BadInput, match="`examples` 4096"):
        zerosum.resume(ring_run)


def test_a_run_that_stopped_early_is_not_resumed(tmp_path: Path) -> None:
    """Without learning the score never improves after the first evaluation."""
    patience = {"evaluation.features": "pixels", "evaluation.every_examples": 128, "evaluation.samples": 64}
    run = train_ring(tmp_path / "run", patience | {"evaluation.patience": 2, "optimizer.lr": 0.0}, examples=6_400)
    status = RunFolder(run.path).read_json("status.json")
    assert (run.state, status["stopped_early"], status["examples"]) == ("done", True, 384)
    with pytest.raises(BadInput, match="patience = 0"):
        zerosum.resume(run.path)


def test_profile_measures_a_round_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    profile = zerosum.profile("ring", recipe="vanilla", batch_size=64)
    assert profile.seconds > 0
    assert any(name.startswith("discriminator") for name in profile.parts)
    assert not list(tmp_path.iterdir())


def test_code_named_in_a_run_is_imported_only_if_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may be another user's: its recipe must not choose which code runs here."""
    monkeypatch.chdir(tmp_path)
    imported = tmp_path / "imported"
    (tmp_path / "foreign_code.py").write_text(
        f"open({str(imported)!r}, 'a').close()\n\ndef features():\n    return lambda samples: samples.flatten(1)\n"
    )
    settings = {"evaluation.every_examples": 512, "evaluation.samples": 64}
    run = train_ring(tmp_path / "run", settings, examples=1_024).path
    recipe = run / "recipe.toml"
    named = RunFolder(run).read_toml("recipe.toml")["evaluation"]["features"]
    recipe.write_text(recipe.read_text().replace(f'features = "{named}"', 'features = "foreign_code:features"'))
    with pytest.raises(BadInput, match=r"`evaluation.features` foreign_code:features; .*`trust_code`") as caught:
        zerosum.resume(run, examples=2_048)
    assert "\n" not in str(caught.value)
    zerosum.load(run)
    zerosum.sample(run, num_samples=4)
    zerosum.diagnose(run)
    zerosum.trace_nan(run)
    zerosum.evaluate(run, num_samples=64)
    assert not imported.exists()
    assert zerosum.resume(run, examples=2_048, trust_code=True).state == "done"
    assert imported.exists()


def test_the_same_command_again_trusts_the_code_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("def features():\n    return lambda samples: samples.flatten(1)\n")
    settings = {
        "evaluation.every_examples": 512, "evaluation.samples": 64, "evaluation.features": "own_code:features",
    }  # fmt: skip
    run = train_ring(tmp_path / "run", settings, examples=1_024).path
    RunFolder(run).write_json("status.json", {"state": "interrupted"})
    assert train_ring(run, settings, examples=1_024, or_resume=True).state == "done"
