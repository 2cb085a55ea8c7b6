"""The commands `zerosum evaluate` and `zerosum compare`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum

QUICK = ["--training.batch_size", "16", "--generator.width", "4", "--discriminator.width", "4", "--examples", "320"]
PIXELS = ["--features", "pixels"]


def make_images(folder: Path, count: int, seed: int = 0, mode: str = "L", side: int = 16) -> Path:
    """Write images of noise, one half of class dark and one of class bright, and return the folder."""
    rng = np.random.default_rng(seed)
    for name, brightness in (("dark", 60), ("bright", 190)):
        (folder / name).mkdir(parents=True)
        for number in range(count // 2):
            shape = (side, side) if mode == "L" else (side, side, 3)
            noise = rng.integers(-50, 50, shape) + brightness
            Image.fromarray(noise.astype(np.uint8)).save(folder / name / f"{number:04d}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a run that was evaluated during training."""
    folder = tmp_path_factory.mktemp("evaluated")
    make_images(folder / "noise", 400)
    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 80, "evaluation.samples": 64}
    settings |= {"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4, "data.size": 16}
    settings |= {"training.checkpoint_examples": 160}
    zerosum.train(folder / "noise", run=folder / "runs/noise", examples=320, settings=settings)
    return folder


@pytest.fixture
def run(trained: Path, workdir: Path) -> Path:
    """A run, in a copy of the folder `trained` that is the working directory."""
    shutil.copytree(trained, workdir, dirs_exist_ok=True)
    return workdir / "runs/noise"


def score_rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]


def test_training_evaluates_on_schedule_and_keeps_the_best_networks(run: Path, run_cli) -> None:
    rows = score_rows(run)
    assert [row["examples"] for row in rows] == [80, 160, 240, 320]
    assert all(row["mode"] == "online" and row["scores"]["kid_pixels"]["floor"] is not None for row in rows)
    best = json.loads((run / "best/score.json").read_text())
    assert best == min(rows, key=lambda row: row["distance"])
    code, _, err = run_cli("sample", str(run), "--best", "-n", "4")
    assert code == 0, err
    newest_samples, best_samples = (zerosum.load(run, best=use_best).sample(4) for use_best in (False, True))
    assert torch.equal(newest_samples, best_samples) == (best["examples"] == 320)


def test_evaluate_then_compare(run: Path, run_cli) -> None:
    code, out, err = run_cli("evaluate", str(run), *PIXELS)
    assert code == 0, err
    for word in ("kid_pixels", "fd_pixels", "precision", "coverage", "memorization", "bright", "Fréchet"):
        assert word in out
    (row,) = [row for row in score_rows(run) if row["mode"] == "offline"]
    assert row["protocol"]["num_real"] == 64  # 10%, but at least 64
    assert row["examples"] == 320
    assert all(score["floor"] is not None for name, score in row["scores"].items() if not name.startswith("is_"))
    (neighbors,) = [name for name in row["image_files"] if name.endswith("neighbors.png")]
    assert (run / neighbors).is_file()
    assert "kid_pixels" in (run / "report.html").read_text()

    shutil.copytree(run, run.parent / "other")
    with (run.parent / "other/scores.jsonl").open("a") as file:
        other = json.loads(json.dumps(row))
        other["scores"]["kid_pixels"]["value"] += 1.0
        file.write(json.dumps(other) + "\n")
        other["protocol"]["features"] = "lite0"
        file.write(json.dumps(other) + "\n")
    code, out, err = run_cli("compare", str(run), str(run.parent / "other"))
    assert code == 0, err
    assert out.index("runs/noise") < out.index("runs/other")
    code, out, _ = run_cli("compare", str(run), str(run.parent / "other"), "--json")
    comparison = json.loads(out)
    assert [entry["rank"] for entry in comparison["groups"][0]["entries"]] == [1, 2]
    assert comparison["notes"] == []


def test_repeated_evaluations_give_the_same_scores(run: Path, run_cli) -> None:
    first = zerosum.evaluate(run, features="pixels", num_samples=100)
    again = zerosum.evaluate(run, features="pixels", num_samples=100)
    assert first == again
    assert zerosum.evaluate(run, features="pixels", num_samples=100, seed=1)["scores"] != first["scores"]
    assert zerosum.evaluate(run, features="pixels", num_samples=100, truncation=0.5)["protocol"]["truncation"] == 0.5
    assert (
        zerosum.evaluate(run, features="pixels", num_samples=100, raw_weights=True)["protocol"]["sample_source"]
        == "raw"
    )
    train_row = zerosum.evaluate(run, features="pixels", num_samples=60, reference_split="train")
    assert train_row["protocol"]["num_real"] == 336


def test_a_resumed_run_has_the_same_scores(run: Path, run_cli) -> None:
    """Evaluations after the checkpoint are removed, and repeated with the same result to the last digit."""
    before = score_rows(run)
    code, _, err = run_cli("resume", str(run), "--examples", "480")
    assert code == 0, err
    after = score_rows(run)
    assert after[:4] == before
    assert [row["examples"] for row in after[4:]] == [400, 480]


def test_a_run_killed_between_evaluations_has_the_same_scores_and_best_networks(run: Path, run_cli) -> None:
    """The kill is simulated: the last checkpoint is deleted, and what was logged after the one before is kept."""
    before, best = (run / "scores.jsonl").read_bytes(), (run / "best/networks.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoints/00000320")
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "running"}))
    code, _, err = run_cli("resume", str(run))
    assert code == 0, err
    assert (run / "scores.jsonl").read_bytes() == before
    assert (run / "best/networks.safetensors").read_bytes() == best


def test_patience_stops_a_run_that_does_not_improve(workdir: Path) -> None:
    make_images(workdir / "noise", 200)
    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 32, "evaluation.patience": 3}
    settings |= {"optimizer.lr": 1e-12}
    settings |= {"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4, "evaluation.samples": 64}
    settings |= {"ema.half_life": 0}
    trained = zerosum.train("noise", run="runs/still", examples=3_200, settings=settings)
    assert trained.state == "done"
    assert json.loads((trained.path / "status.json").read_text())["examples"] < 1_000
    assert len(trained.scores()) >= 4


def test_a_run_that_stopped_early_is_not_resumed(workdir: Path, run_cli) -> None:
    make_images(workdir / "noise", 200)
    settings = ["--evaluation.features", "pixels", "--evaluation.every_examples", "32", "--evaluation.patience", "1"]
    settings += ["--optimizer.lr", "1e-12", "--ema.half_life", "0"]
    code, out, err = run_cli("train", "noise", "--run", "runs/still", *settings, *QUICK)
    assert code == 0, err
    assert "--evaluation.patience" in out
    code, _, err = run_cli("resume", "runs/still")
    assert code == 2
    assert "patience = 0" in err


def test_an_evaluated_run_that_diverges_exits_with_code_3(workdir: Path, run_cli) -> None:
    make_images(workdir / "noise", 200)
    settings = ["--evaluation.features", "pixels", "--evaluation.every_examples", "32", "--optimizer.lr", "1e30"]
    settings += ["--objective.kind", "wasserstein"]
    code, _, _ = run_cli("train", "noise", "--run", "runs/diverged", *settings, *QUICK)
    assert code == 3
    assert json.loads(Path("runs/diverged/status.json").read_text())["state"] == "diverged"


def test_evaluation_does_not_change_training(workdir: Path) -> None:
    """Weights and random number generators end up the same, to the last bit."""
    make_images(workdir / "noise", 200)
    checkpoints = []
    for features in ("none", "pixels", "classifier"):
        settings = {"evaluation.features": features, "training.batch_size": 16}
        settings |= {"generator.width": 4, "discriminator.width": 4}
        if features != "none":
            settings |= {"evaluation.every_examples": 80, "evaluation.samples": 64}
        settings |= {"training.precision": "float32"}  # "fastest" depends on a measurement
        zerosum.train("noise", run=f"runs/{features}", examples=160, settings=settings)
        checkpoints.append(workdir / f"runs/{features}/checkpoints/00000160")
    first, *others = [torch.load(checkpoint / "training.pt", weights_only=True) for checkpoint in checkpoints]
    for other in others:
        assert torch.equal(first["rng_states"][0]["torch"], other["rng_states"][0]["torch"])
    weights = {(checkpoint / "networks.safetensors").read_bytes() for checkpoint in checkpoints}
    assert len(weights) == 1


def test_scores_do_not_depend_on_the_feature_cache(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = zerosum.evaluate(run, features="pixels", num_samples=100)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "small"))
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    assert zerosum.evaluate(run, features="pixels", num_samples=100)["scores"] == before["scores"]


def test_damaged_cached_features_are_extracted_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    before = zerosum.evaluate(run, features="pixels", num_samples=100)
    for file in (tmp_path / "cache").glob("features-*/features.npy"):
        file.write_bytes(file.read_bytes()[:200])
    assert zerosum.evaluate(run, features="pixels", num_samples=100)["scores"] == before["scores"]


def test_points_are_compared_by_their_coordinates(workdir: Path, run_cli) -> None:
    zerosum.train("ring", run="runs/ring", examples=2_560)
    code, out, err = run_cli("evaluate", "runs/ring", "--num-samples", "200", "--copy-candidates", "400")
    assert code == 0, err
    assert "kid_pixels" in out
    for features in ("lite0", "classifier"):
        code, _, err = run_cli("evaluate", "runs/ring", "--features", features)
        assert code == 2
        assert f"--features {features}" in err


def test_evaluation_by_a_classifier_of_the_classes(run: Path, run_cli) -> None:
    code, out, err = run_cli("evaluate", str(run), "--features", "classifier", "--num-samples", "100")
    assert code == 0, err
    assert "kid_classifier" in out
    (row,) = [row for row in score_rows(run) if row["mode"] == "offline"]
    per_class = row["per_class"]
    assert per_class["classifier"]["accuracy"] > 0.99  # bright and dark are easy to classify
    assert sum(per_class["generated_counts"]) == 100
    assert per_class["accuracy"] is None  # an unconditional run
    assert len(per_class["coverage"]) == 2


def test_evaluate_folders_of_images(workdir: Path, run_cli) -> None:
    make_images(workdir / "real", 160)
    make_images(workdir / "fake", 120, seed=1)
    code, out, err = run_cli("evaluate", "--fake", "fake", "--real", "real", *PIXELS)
    assert code == 0, err
    assert "memorization" not in out
    shutil.copytree("fake", "train")
    code, out, err = run_cli("evaluate", "--fake", "fake", "--real", "real", "--train", "train", *PIXELS)
    assert code == 0, err
    first, second = score_rows(workdir / "evaluations/fake")
    assert first["protocol"]["num_real"] == 80
    assert first["protocol"]["reference_split"] == "half"
    assert sum(first["per_class"]["real_counts"]) == 80
    assert second["memorization"]["exact_copies"] == 120
    assert second["per_class"]["accuracy"] == 1.0
    assert all(abs(kid) < 0.01 for kid in second["per_class"]["kid"])  # both are draws of the same noise
    (workdir / "same").mkdir()
    for number in range(40):  # a collapsed generator can be evaluated too
        shutil.copy("fake/dark/0000.png", f"same/{number}.png")
    code, out, err = run_cli("evaluate", "--fake", "same", "--real", "real", "--json", *PIXELS)
    assert code == 0, err
    row = json.loads(out)
    assert row["scores"]["recall"]["value"] == 0
    assert any("mode collapse" in warning for warning in row["warnings"])


def test_renaming_and_shuffling_files_changes_no_score(workdir: Path) -> None:
    make_images(workdir / "real", 160)
    make_images(workdir / "fake", 120, seed=1)
    row = zerosum.evaluate_folders("fake", "real", features="pixels")
    names = sorted((workdir / "fake").rglob("*.png"))
    (workdir / "moved").mkdir()
    for number, path in enumerate(np.random.default_rng(0).permutation([str(name) for name in names])):
        shutil.copy(path, workdir / f"moved/{number}.png")
    assert zerosum.evaluate_folders("moved", "real", features="pixels")["scores"] == row["scores"]


# ---------------------------------------------------------------------- invalid input


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "needs either a run, or two folders"),
        (["runs/noise", "--fake", "noise"], "--fake"),
        (["nowhere"], "does not exist"),
        (["noise"], "noise is not a run"),
        (["runs/noise", "--features", "lite1"], "lite0"),
        (["runs/noise", "--features", "no.such:thing"], "no.such"),
        (["runs/noise", "--split", "test"], "--split test"),
        (["runs/noise", "--num-samples", "3", *PIXELS], "--num-samples 3"),
        (["runs/noise", "--neighbors", "0", *PIXELS], "--neighbors 0"),
        (["runs/noise", "--truncation", "0", *PIXELS], "--truncation 0"),
        (["runs/noise", "--real", "noise", *PIXELS], "--real can only be used with --fake"),
        (["--fake", "noise", "--real", "noise", "--best"], "--best can only be used with a run"),
        (["runs/noise", "--data.target", "age"], "--target can only be used with --fake"),
        (["runs/noise", "--copy-candidates", "3"], "--copy-candidates 3"),
        (["runs/noise", "--data", "nowhere", *PIXELS], "nowhere"),
        (["runs/noise", "--data", "ring", *PIXELS], "ring"),
        (["--fake", "noise", *PIXELS], "add --real"),
        (["--fake", "nowhere", "--real", "noise", *PIXELS], "nowhere"),
    ],
)
def test_invalid_arguments_print_one_line_and_write_nothing(
    run: Path, run_cli, arguments: list[str], expected: str
) -> None:
    before = (run / "scores.jsonl").read_bytes()
    code, _, err = run_cli("evaluate", *arguments)
    assert code == 2, err
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert (run / "scores.jsonl").read_bytes() == before


def test_images_that_cannot_be_evaluated_print_one_line(workdir: Path, run_cli) -> None:
    make_images(workdir / "real", 120)
    make_images(workdir / "few", 6)
    make_images(workdir / "color", 60, mode="RGB")
    make_images(workdir / "fake", 60, seed=1)
    (workdir / "constant").mkdir()
    for number in range(40):
        Image.new("L", (16, 16), 7).save(f"constant/{number}.png")
    make_images(workdir / "broken", 60, seed=2)
    (workdir / "broken/dark/0000.png").write_bytes(b"not an image")
    (workdir / "junk").mkdir()
    (workdir / "junk/a.png").write_bytes(b"not an image")
    mixed = make_images(workdir / "mixed", 20)
    Image.new("L", (9, 30)).save(mixed / "dark/9999.png")
    cases = {
        ("few", "real"): "are only 6",
        ("fake", "few"): "are only 3",
        ("fake", "constant"): "constant",
        ("fake", "junk"): "junk",
        ("mixed", "real"): "--size",
    }
    for (fake, real), expected in cases.items():
        code, _, err = run_cli("evaluate", "--fake", fake, "--real", real, *PIXELS)
        assert code == 2, (fake, real)
        assert expected in err, (fake, real)
        assert len(err.strip().splitlines()) == 1
    code, out, err = run_cli("evaluate", "--fake", "broken", "--real", "real", *PIXELS)
    assert code == 0, err
    assert "dark/0000.png" in out  # reported and skipped
    code, out, err = run_cli("evaluate", "--fake", "color", "--real", "real", *PIXELS)
    assert code == 2, err
    assert "--channels" in err


@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        ("return lambda images: images", "two-dimensional|shape|\\(N, D\\)"),
        ("return lambda images: images.flatten(1)[:3]", "rows|images"),
        ("return lambda images: images.flatten(1) * float('nan')", "finite"),
        ("return lambda images: 'features'", "tensor"),
        ("raise RuntimeError('no weights today')", "no weights today"),
    ],
)
def test_a_custom_feature_network_that_fails(run: Path, run_cli, body: str, pattern: str) -> None:
    import re

    name = f"network_{abs(hash(body))}"
    Path(f"{name}.py").write_text(f"def make():\n    {body}\n")
    code, _, err = run_cli("evaluate", str(run), "--features", f"{name}:make", "--num-samples", "60")
    assert code == 2, err
    assert re.search(pattern, err), err
    assert len(err.strip().splitlines()) == 1


def test_a_custom_feature_network(run: Path, run_cli) -> None:
    Path("custom_network.py").write_text("def make():\n    return lambda images: images.flatten(1)[:, :20]\n")
    code, out, err = run_cli("evaluate", str(run), "--features", "custom_network:make", "--num-samples", "60")
    assert code == 0, err
    assert "kid_make" in out


def test_a_generator_with_nan_weights(run: Path, run_cli) -> None:
    from safetensors.torch import load_file, save_file

    (weights,) = sorted(run.glob("checkpoints/*/networks.safetensors"))[-1:]
    broken = {k: v * float("nan") if v.is_floating_point() else v for k, v in load_file(weights).items()}
    save_file(broken, weights)
    state = json.loads((weights.parent / "state.json").read_text())
    del state["checksums"]
    (weights.parent / "state.json").write_text(json.dumps(state))
    code, _, err = run_cli("evaluate", str(run), *PIXELS)
    assert code == 2
    assert "not finite" in err


def test_compare_names_runs_that_were_not_evaluated(run: Path, run_cli) -> None:
    (run / "scores.jsonl").unlink()
    code, _, err = run_cli("compare", str(run))
    assert code == 2
    assert f"zerosum evaluate {run}" in err
    code, _, err = run_cli("compare", "runs/nowhere")
    assert code == 2
    assert "does not exist" in err
