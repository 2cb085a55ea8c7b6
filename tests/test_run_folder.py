"""The format version of run folders."""

from pathlib import Path

import pytest

from zerosum.errors import BadInput
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
