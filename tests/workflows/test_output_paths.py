"""Default names of output files."""

from pathlib import Path

import pytest

from zerosum.errors import BadInput
from zerosum.workflows.output_paths import MAX_NAME_LENGTH, complete_folder, first_free, join_numbers, make_name


def test_a_long_name_is_cut_and_still_distinct() -> None:
    names = [make_name("edit", join_numbers([*range(500), last])) for last in (7, 8)]
    assert names[0] != names[1]
    assert all(len(name.encode()) <= MAX_NAME_LENGTH for name in names)


def test_characters_that_a_file_system_may_refuse_are_replaced() -> None:
    assert make_name("a/b:c\n\udcff", "", "0+1") == "a_b_c_-0+1"


def test_a_name_is_free_if_none_of_its_files_is_there(tmp_path: Path) -> None:
    def files_of(path: Path) -> list[Path]:
        return [Path(f"{path}.png"), Path(f"{path}.npy")]

    (tmp_path / "x.npy").touch()
    (tmp_path / "x-2.png").symlink_to(tmp_path / "missing")
    assert first_free(tmp_path / "x", files_of) == tmp_path / "x-3"
    (tmp_path / "folder").mkdir()
    assert first_free(tmp_path / "folder", lambda path: [path]) == tmp_path / "folder"


def test_a_folder_that_is_filled_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    """By another process, before this one writes, or while it does."""
    folder = tmp_path / "samples"

    def fill() -> None:
        with complete_folder(folder) as new:
            folder.mkdir()
            (folder / "other.png").touch()
            (new / "mine.png").touch()

    with pytest.raises(BadInput, match="filled by another process"):
        fill()
    with pytest.raises(BadInput, match="filled by another process"), complete_folder(folder):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["samples", "other.png"]
