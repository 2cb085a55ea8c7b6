"""The format version of run folders."""

from pathlib import Path

import pytest

from zerosum.errors import BadInput
from zerosum.files import HOST
from zerosum.run_folder import FORMAT_VERSION, RunFolder


def write_run(path: Path, recipe: dict, status: dict | None = None) -> Path:
    folder = RunFolder.create(path, {"recipe.toml": recipe})
    if status is not None:
        folder.write_json("status.json", status)
    return path


@pytest.mark.parametrize(
    "status", [None, {"state": "done"}, {"state": "done", "format": FORMAT_VERSION}], ids=["none", "without", "with"]
)
def test_a_run_of_this_version_is_opened(tmp_path: Path, status: dict | None) -> None:
    run = write_run(tmp_path / "run", {"metadata": {"format": FORMAT_VERSION}}, status)
    assert RunFolder.open(run).path == run


@pytest.mark.parametrize(
    ("recipe", "status", "version", "release"),
    [
        ({"made": {"zerosum": "0.1.0"}}, {"state": "done", "images": 5}, "format 1", "an older release"),
        ({"metadata": {"format": FORMAT_VERSION - 1}}, None, "format 2", "an older release"),
        ({"metadata": {"format": FORMAT_VERSION + 1}}, None, "format 4", "a newer release"),
        ({"metadata": {"format": FORMAT_VERSION}}, {"format": FORMAT_VERSION + 1}, "format 4", "a newer release"),
    ],
    ids=["table [made]", "older", "newer", "newer status"],
)
def test_a_run_of_another_version_is_refused(
    tmp_path: Path, recipe: dict, status: dict | None, version: str, release: str
) -> None:
    run = write_run(tmp_path / "run", recipe, status)
    with pytest.raises(BadInput, match=f"{version}, .*reads format 3 only: use {release} .*train it again"):
        RunFolder.open(run)


def test_files_of_other_formats_come_with_the_first_rename(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def write(folder: Path) -> None:
        assert not path.exists()
        assert (folder / "plan.json").is_file()
        (folder / "codec.safetensors").write_bytes(b"tensors")

    RunFolder.create(path, {"plan.json": {}}, write)
    assert sorted(file.name for file in path.iterdir()) == ["codec.safetensors", "plan.json"]


def test_a_run_whose_files_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        raise BadInput("no")

    with pytest.raises(BadInput, match="no"):
        RunFolder.create(tmp_path / "run", {"plan.json": {}}, write)
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_read_are_reported_by_their_reader(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"metadata": {"format": FORMAT_VERSION}})
    (run / "recipe.toml").write_text("not toml")
    (run / "status.json").write_text("not json")
    folder = RunFolder.open(run)
    for read in (lambda: folder.read_toml("recipe.toml"), lambda: folder.read_json("status.json")):
        with pytest.raises(BadInput, match="cannot be read"):
            read()


def test_resume_is_offered_only_for_a_folder_that_holds_a_run(tmp_path: Path) -> None:
    run, other, file = tmp_path / "run", tmp_path / "other", tmp_path / "file"
    write_run(run, {})
    other.mkdir()
    (other / "notes.txt").touch()
    file.touch()
    for path, problem, is_resumable in (
        (run, "already holds a run", True),
        (other, "exists and is not empty", False),
        (file, "is a file", False),
    ):
        with pytest.raises(BadInput, match=f"{problem}, and nothing is overwritten") as caught:
            RunFolder.check_new(path)
        assert ("zerosum resume" in str(caught.value)) == is_resumable


def test_a_new_or_an_empty_folder_can_hold_a_run(tmp_path: Path) -> None:
    RunFolder.check_new(tmp_path)
    RunFolder.check_new(tmp_path / "new" / "run")


FILES = {"recipe.toml": {"metadata": {"format": FORMAT_VERSION}}, "plan.json": {"decisions": []}}


@pytest.mark.parametrize("others", [[], ["lost+found"], [".DS_Store", "Thumbs.db", "desktop.ini"]], ids=str)
def test_an_existing_empty_folder_gets_the_run_in_place(tmp_path: Path, others: list[str]) -> None:
    """A mount point cannot be removed or renamed, and its parent may not be writable."""
    for name in others:
        (tmp_path / name).touch()
    before = tmp_path.stat().st_ino
    RunFolder.create(tmp_path, FILES)
    assert tmp_path.stat().st_ino == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, *others])


def test_a_start_that_was_killed_in_a_mount_point_is_done_again(tmp_path: Path) -> None:
    killed = tmp_path / f".starting-{2**22 + 1}"
    killed.mkdir()
    (killed / "recipe.toml").touch()
    (tmp_path / "plan.json").write_text("{}")
    RunFolder.create(tmp_path, FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_start_removes_no_hidden_file_of_the_user(tmp_path: Path) -> None:
    """Not even one whose name begins with that of the run, and ends with a number that is no process."""
    names = [f".photos.{2**22 + 1}", ".photos.2019", f".photos.zerosum-{HOST}-{2**22 + 1}"]
    for name in names:
        (tmp_path / name).mkdir()
    RunFolder.create(tmp_path / "photos", FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[:2], "photos"])


def test_files_of_a_start_are_the_users_where_no_start_was_killed(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(BadInput, match="not empty"):
        RunFolder.create(tmp_path, FILES)


def test_files_of_others_in_a_run_are_ignored_and_kept(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", FILES)
    for examples in (480, 1600):
        folder.save_checkpoint(examples, lambda path: (path / "state.json").write_text("{}"))
    samples = folder.path / "samples"
    samples.mkdir()
    (samples / "00000480.png").touch()
    others = ["checkpoints/00001600-backup", "checkpoints/00001600 copy", "checkpoints/\u0663"]  # an Arabic digit
    for name in others:
        (folder.path / name).mkdir()
        (folder.path / name / "state.json").touch()
    system = [".DS_Store", "Thumbs.db", "desktop.ini", "._00000480.png", "00000480 copy.png", ".part-backup"]
    for place in ("", "samples", "checkpoints"):
        for name in system:
            (folder.path / place / name).touch()
    folder.rewind(2000)
    folder.save_checkpoint(3200, lambda path: (path / "state.json").write_text("{}"))
    assert [path.name for path in folder.checkpoints()] == ["00001600", "00003200"]
    assert folder.sample_grids() == [samples / "00000480.png"]
    assert all((folder.path / name).exists() for name in others)
    assert all((folder.path / place / name).exists() for place in ("", "samples", "checkpoints") for name in system)


def test_leftovers_of_a_killed_process_are_removed_at_the_next_start(tmp_path: Path) -> None:
    folder, killed = RunFolder.create(tmp_path / "run", FILES), 2**22 + 1
    ours = [f".best-{killed}", f"checkpoints/.part-{killed}", f"samples/.00000480.zerosum-{HOST}-{killed}.png"]
    names = (("status", "json"), ("log", "jsonl"), ("recipe", "toml"), ("report", "html"))
    ours += [f".{name}.zerosum-{HOST}-{killed}.{suffix}" for name, suffix in names]
    for name in ours:
        (folder.path / name).mkdir(parents=True)
    folder.rewind(0)
    assert [name for name in ours if (folder.path / name).exists()] == []


def test_the_best_networks_survive_a_kill_between_two_renames(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", FILES)
    folder.save_best({"examples": 64}, lambda path: (path / "networks.safetensors").touch())
    (folder.path / "best").rename(folder.path / ".best-previous")
    folder.rewind(64)
    assert folder.best_scores() == {"examples": 64}
    assert not (folder.path / ".best-previous").exists()


def test_damaged_lines_are_described_once_for_all_logs(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", FILES)
    folder.path.joinpath("log.jsonl").write_bytes(
        b'{"examples": 1}\n{"exa\n\xff\n{"examples": "2"}\n{"examples": true}\n'
    )
    (folder.path / "scores.jsonl").write_bytes(b"?")
    assert folder.describe_damage() == "", "nothing is read yet"
    folder.rewind(1)
    expected = "passed over 2 damaged lines in log.jsonl, 1 damaged line in scores.jsonl, which cannot be read"
    assert folder.describe_damage() == f"{folder.path}: {expected}"
    assert list(folder.rows()) == [{"examples": 1}]
    assert list(folder.rows("scores.jsonl")) == []
    assert folder.describe_damage() == "", "the damaged lines are gone"


def test_an_incomplete_newest_checkpoint_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(BadInput, match="has no checkpoint yet"):
        folder.newest_checkpoint()
    for examples in (100, 20):
        (tmp_path / "checkpoints" / str(examples)).mkdir(parents=True)
        (tmp_path / "checkpoints" / str(examples) / "state.json").touch()
    assert folder.newest_checkpoint().name == "100"
    (tmp_path / "checkpoints" / "100" / "state.json").unlink()
    with pytest.raises(BadInput, match=r"100 has no state\.json; delete it to use the one before"):
        folder.newest_checkpoint()
    assert [path.name for path in folder.checkpoints()] == ["20"]
