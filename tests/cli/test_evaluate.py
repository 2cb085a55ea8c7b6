"""`zerosum evaluate` and `zerosum compare`, as a user meets them."""

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


def pictures(folder: Path, n: int, seed: int = 0, mode: str = "L", side: int = 16) -> Path:
    """Bright and dark noise, in a folder each."""
    dice = np.random.default_rng(seed)
    for kind, level in (("dark", 60), ("bright", 190)):
        (folder / kind).mkdir(parents=True)
        for number in range(n // 2):
            shape = (side, side) if mode == "L" else (side, side, 3)
            noise = dice.integers(-50, 50, shape) + level
            Image.fromarray(noise.astype(np.uint8)).save(folder / kind / f"{number:04d}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a run that was judged on its way."""
    folder = tmp_path_factory.mktemp("judged")
    pictures(folder / "noise", 400)
    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 80, "evaluation.samples": 64}
    settings |= {"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4, "data.size": 16}
    settings |= {"training.checkpoint_examples": 160}
    zerosum.train(folder / "noise", run=folder / "runs/noise", images=320, settings=settings)
    return folder


@pytest.fixture
def run(trained: Path, here: Path) -> Path:
    """A copy of it in the present folder."""
    shutil.copytree(trained, here, dirs_exist_ok=True)
    return here / "runs/noise"


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]


def test_training_judges_on_schedule_and_keeps_the_best(run: Path, say) -> None:
    judged = rows(run)
    assert [row["images"] for row in judged] == [80, 160, 240, 320]
    assert all(row["when"] == "training" and row["scores"]["kid_pixels"]["floor"] is not None for row in judged)
    best = json.loads((run / "best/score.json").read_text())
    assert best == min(judged, key=lambda row: row["distance"])
    code, _, err = say("sample", str(run), "--best", "-n", "4")
    assert code == 0, err
    newest, kept = (zerosum.load(run, best=b).sample(4) for b in (False, True))
    assert torch.equal(newest, kept) == (best["images"] == 320)


def test_evaluate_then_compare(run: Path, say) -> None:
    code, out, err = say("evaluate", str(run), *PIXELS)
    assert code == 0, err
    for word in ("kid_pixels", "fd_pixels", "precision", "coverage", "real against real", "copies", "protocol: pixels",
                 "classes: bright", "few for a Fréchet"):  # fmt: skip
        assert word in out
    (row,) = [row for row in rows(run) if row["when"] == "asked"]
    assert row["protocol"]["real"] == 64  # 10%, but at least 64
    assert row["images"] == 320
    assert all(score["floor"] is not None for name, score in row["scores"].items() if not name.startswith("is_"))
    (neighbours,) = [name for name in row["pictures"] if name.endswith("neighbours.png")]
    assert (run / neighbours).is_file()
    page = (run / "report.html").read_text()
    assert "Real against real" in page
    assert "Samples and their nearest training images" in page

    shutil.copytree(run, run.parent / "other")
    with (run.parent / "other/scores.jsonl").open("a") as file:
        other = json.loads(json.dumps(row))
        other["scores"]["kid_pixels"]["value"] += 1.0
        file.write(json.dumps(other) + "\n")
        other["protocol"]["features"] = "lite0"
        file.write(json.dumps(other) + "\n")
    code, out, err = say("compare", str(run), str(run.parent / "other"))
    assert code == 0, err
    assert out.index("runs/noise") < out.index("runs/other")
    assert "not ranked with" not in out  # both stand in the first table
    code, out, _ = say("compare", str(run), str(run.parent / "other"), "--json")
    conditioning = json.loads(out)
    assert [rank["place"] for rank in conditioning["groups"][0]["ranks"]] == [1, 2]
    assert conditioning["notes"] == []


def test_another_judgement_of_the_same_run_is_the_same(run: Path, say) -> None:
    first = zerosum.evaluate(run, features="pixels", num_samples=100)
    again = zerosum.evaluate(run, features="pixels", num_samples=100)
    assert first == again
    assert zerosum.evaluate(run, features="pixels", num_samples=100, seed=1)["scores"] != first["scores"]
    assert zerosum.evaluate(run, features="pixels", num_samples=100, truncation=0.5)["protocol"]["truncation"] == 0.5
    assert zerosum.evaluate(run, features="pixels", num_samples=100, raw_weights=True)["protocol"]["source"] == "live"
    against = zerosum.evaluate(run, features="pixels", num_samples=60, reference_split="train")
    assert against["protocol"]["real"] == 336


def test_a_resumed_run_has_the_same_scores(run: Path, say) -> None:
    """Judgements after the checkpoint that it goes on from are forgotten, and made again to the last digit."""
    before = rows(run)
    code, _, err = say("resume", str(run), "--examples", "480")
    assert code == 0, err
    after = rows(run)
    assert after[:4] == before
    assert [row["images"] for row in after[4:]] == [400, 480]


def test_a_run_killed_between_judgements_has_the_same_scores_and_the_same_best(run: Path, say) -> None:
    """As a kill leaves it: the last checkpoint is missing, and what was written since the one before is there."""
    before, best = (run / "scores.jsonl").read_bytes(), (run / "best/networks.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoints/00000320")
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "running"}))
    code, _, err = say("resume", str(run))
    assert code == 0, err
    assert (run / "scores.jsonl").read_bytes() == before
    assert (run / "best/networks.safetensors").read_bytes() == best


def test_patience_ends_a_run(here: Path) -> None:
    """A generator whose learning rate is as good as 0 gets no better."""
    pictures(here / "noise", 200)
    settings = {
        "evaluation.features": "pixels",
        "evaluation.every_examples": 32,
        "evaluation.patience": 3,
        "optimizer.lr": 1e-12,
    }
    settings |= {"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4, "evaluation.samples": 64}
    settings |= {"ema.half_life": 0}
    ended = zerosum.train("noise", run="runs/tired", images=3_200, settings=settings)
    assert ended.state == "done"
    assert json.loads((ended.path / "status.json").read_text())["images"] < 1_000
    assert len(ended.scores()) >= 4


def test_a_tired_run_is_over(here: Path, say) -> None:
    pictures(here / "noise", 200)
    words = [
        "--evaluation.features",
        "pixels",
        "--evaluation.every_examples",
        "32",
        "--evaluation.patience",
        "1",
        "--optimizer.lr",
    ]
    code, out, err = say("train", "noise", "--run", "runs/tired", *words, "1e-12", "--ema.half_life", "0", *QUICK)
    assert code == 0, err
    assert "no better score for as long as judging.patience asks" in out
    code, _, err = say("resume", "runs/tired")
    assert code == 2
    assert "set patience = 0" in err


def test_a_diverging_run_says_so_though_it_is_judged(here: Path, say) -> None:
    pictures(here / "noise", 200)
    words = ["--evaluation.features", "pixels", "--evaluation.every_examples", "32", "--optimizer.lr", "1e30"]
    code, _, _ = say("train", "noise", "--run", "runs/wild", *words, "--objective.kind", "wasserstein", *QUICK)
    assert code == 3
    assert json.loads(Path("runs/wild/status.json").read_text())["state"] == "diverged"


def test_judging_changes_no_bit_of_training(here: Path) -> None:
    """Weights, optimizers and every generator of random numbers end up the same."""
    pictures(here / "noise", 200)
    ends = []
    for features in ("none", "pixels", "labels"):
        settings = {"evaluation.features": features, "evaluation.every_examples": 80, "training.batch_size": 16}
        settings |= {"generator.width": 4, "discriminator.width": 4, "evaluation.samples": 64}
        settings |= {"training.precision": "float32"}  # "fastest" is settled by a trial, which noise may decide
        zerosum.train("noise", run=f"runs/{features}", images=160, settings=settings)
        ends.append(here / f"runs/{features}/checkpoints/00000160")
    first, *others = [torch.load(end / "training.pt", weights_only=True) for end in ends]
    for other in others:
        assert torch.equal(first["dice"][0]["torch"], other["dice"][0]["torch"])
    weights = {(end / "networks.safetensors").read_bytes() for end in ends}
    assert len(weights) == 1


def test_a_cache_without_room_costs_time_alone(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = zerosum.evaluate(run, features="pixels", num_samples=100)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "small"))
    monkeypatch.setenv("ZEROSUM_CACHE_GB", "0")
    assert zerosum.evaluate(run, features="pixels", num_samples=100)["scores"] == before["scores"]


def test_damaged_features_are_seen_anew(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    before = zerosum.evaluate(run, features="pixels", num_samples=100)
    for file in (tmp_path / "cache").glob("features-*/features.npy"):
        file.write_bytes(file.read_bytes()[:200])
    assert zerosum.evaluate(run, features="pixels", num_samples=100)["scores"] == before["scores"]


def test_points_are_compared_as_they_are(here: Path, say) -> None:
    zerosum.train("ring", run="runs/ring", images=2_560)
    code, out, err = say("evaluate", "runs/ring", "--num-samples", "200", "--copy-candidates", "400")
    assert code == 0, err
    assert "kid_pixels" in out
    for features in ("lite0", "labels"):
        code, _, err = say("evaluate", "runs/ring", "--features", features)
        assert code == 2
        assert "holds points; leave it out" in err


def test_labels_are_a_judge_too(run: Path, say) -> None:
    code, out, err = say("evaluate", str(run), "--features", "labels", "--num-samples", "100")
    assert code == 0, err
    assert "kid_labels" in out
    (row,) = [row for row in rows(run) if row["when"] == "asked"]
    assert row["classes"]["classifier"]["accuracy"] > 0.99  # bright and dark are easily told apart
    assert sum(row["classes"]["made"]) == 100
    assert row["classes"]["accuracy"] is None  # no class was asked for
    assert len(row["classes"]["coverage"]) == 2


def test_folders_of_any_origin(here: Path, say) -> None:
    pictures(here / "real", 160)
    pictures(here / "fake", 120, seed=1)
    code, out, err = say("evaluate", "--fake", "fake", "--real", "real", *PIXELS)
    assert code == 0, err
    assert "samples against 80 real (half" in out
    assert "copies" not in out
    shutil.copytree("fake", "train")
    code, out, err = say("evaluate", "--fake", "fake", "--real", "real", "--train", "train", *PIXELS)
    assert code == 0, err
    assert "120 samples are training images" in out
    assert "100.0% are of the class asked for" in out
    first, second = rows(here / "judged/fake")
    assert sum(first["classes"]["real"]) == 80
    assert all(abs(kid) < 0.01 for kid in second["classes"]["kid"])  # both are draws of the same noise
    (here / "same").mkdir()
    for number in range(40):  # a collapsed generator is judged all the same
        shutil.copy("fake/dark/0000.png", f"same/{number}.png")
    code, out, err = say("evaluate", "--fake", "same", "--real", "real", "--json", *PIXELS)
    assert code == 0, err
    row = json.loads(out)
    assert row["scores"]["recall"]["value"] == 0
    assert any("collapsed" in warning for warning in row["warnings"])


def test_renaming_and_shuffling_files_changes_no_score(here: Path) -> None:
    pictures(here / "real", 160)
    pictures(here / "fake", 120, seed=1)
    row = zerosum.evaluate_folders("fake", "real", features="pixels")
    names = sorted((here / "fake").rglob("*.png"))
    (here / "moved").mkdir()
    for number, path in enumerate(np.random.default_rng(0).permutation([str(name) for name in names])):
        shutil.copy(path, here / f"moved/{number}.png")
    assert zerosum.evaluate_folders("moved", "real", features="pixels")["scores"] == row["scores"]


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "judge what?"),
        (["runs/noise", "--fake", "noise"], "judge what?"),
        (["nowhere"], "does not exist"),
        (["noise"], "is not a run folder"),
        (["runs/noise", "--features", "lite1"], "lite0"),
        (["runs/noise", "--features", "no.such:thing"], "no.such"),
        (["runs/noise", "--split", "test"], "held-out, train"),
        (["runs/noise", "--num-samples", "3", *PIXELS], "at least 7"),
        (["runs/noise", "--neighbors", "0", *PIXELS], "choose 1 to 100"),
        (["runs/noise", "--truncation", "0", *PIXELS], "above 0"),
        (["runs/noise", "--real", "noise", *PIXELS], "--real goes with --fake"),
        (["--fake", "noise", "--real", "noise", "--best"], "--best goes with a run"),
        (["runs/noise", "--copy-candidates", "3"], "16 training images"),
        (["runs/noise", "--data", "nowhere", *PIXELS], "there is no file, folder or data set"),
        (["runs/noise", "--data", "ring", *PIXELS], "ring"),
        (["--fake", "noise", *PIXELS], "add --real"),
        (["--fake", "nowhere", "--real", "noise", *PIXELS], "there is no file, folder or data set"),
    ],
)
def test_wrong_words_are_answered_in_one_sentence(run: Path, say, arguments: list[str], words: str) -> None:
    before = (run / "scores.jsonl").read_bytes()
    code, _, err = say("evaluate", *arguments)
    assert code == 2, err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert (run / "scores.jsonl").read_bytes() == before


def test_wrong_images_are_answered_in_one_sentence(here: Path, say) -> None:
    pictures(here / "real", 120)
    pictures(here / "few", 6)
    pictures(here / "colour", 60, mode="RGB")
    pictures(here / "fake", 60, seed=1)
    (here / "constant").mkdir()
    for number in range(40):
        Image.new("L", (16, 16), 7).save(f"constant/{number}.png")
    pictures(here / "broken", 60, seed=2)
    (here / "broken/dark/0000.png").write_bytes(b"not a picture")
    (here / "junk").mkdir()
    (here / "junk/a.png").write_bytes(b"not a picture")
    mixed = pictures(here / "mixed", 20)
    Image.new("L", (9, 30)).save(mixed / "dark/9999.png")
    cases = {
        ("few", "real"): "few are only 6",
        ("fake", "few"): "too few",
        ("fake", "constant"): "one image",
        ("fake", "junk"): "junk",
        ("mixed", "real"): "--size",
    }
    for (fake, real), words in cases.items():
        code, _, err = say("evaluate", "--fake", fake, "--real", real, *PIXELS)
        assert code == 2, (fake, real)
        assert words in err, (fake, real)
        assert len(err.strip().splitlines()) == 1
    code, out, err = say("evaluate", "--fake", "broken", "--real", "real", *PIXELS)
    assert code == 0, err
    assert "dark/0000.png" in out  # named, and passed over
    code, out, err = say("evaluate", "--fake", "colour", "--real", "real", *PIXELS)
    assert code == 2, err
    assert "grey" in err
    assert "--channels" in err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return lambda images: images", "two-dimensional|shape|\\(N, D\\)"),
        ("return lambda images: images.flatten(1)[:3]", "rows|images"),
        ("return lambda images: images.flatten(1) * float('nan')", "finite"),
        ("return lambda images: 'seen'", "tensor"),
        ("raise RuntimeError('no weights today')", "no weights today"),
    ],
)
def test_a_features_module_of_the_wrong_shape(run: Path, say, body: str, words: str) -> None:
    import re

    name = f"eyes_{abs(hash(body))}"
    Path(f"{name}.py").write_text(f"def make():\n    {body}\n")
    code, _, err = say("evaluate", str(run), "--features", f"{name}:make", "--num-samples", "60")
    assert code == 2, err
    assert re.search(words, err), err
    assert len(err.strip().splitlines()) == 1


def test_a_module_of_the_users_own_sees(run: Path, say) -> None:
    Path("mine_eyes.py").write_text("def make():\n    return lambda images: images.flatten(1)[:, :20]\n")
    code, out, err = say("evaluate", str(run), "--features", "mine_eyes:make", "--num-samples", "60")
    assert code == 0, err
    assert "kid_make" in out


def test_a_generator_that_makes_no_numbers(run: Path, say) -> None:
    from safetensors.torch import load_file, save_file

    (weights,) = sorted(run.glob("checkpoints/*/networks.safetensors"))[-1:]
    broken = {k: v * float("nan") if v.is_floating_point() else v for k, v in load_file(weights).items()}
    save_file(broken, weights)
    code, _, err = say("evaluate", str(run), *PIXELS)
    assert code == 2
    assert "not finite" in err


def test_compare_says_who_was_not_judged(run: Path, say) -> None:
    (run / "scores.jsonl").unlink()
    code, _, err = say("compare", str(run))
    assert code == 2
    assert f"zerosum evaluate {run}" in err
    code, _, err = say("compare", "runs/nowhere")
    assert code == 2
    assert "does not exist" in err
