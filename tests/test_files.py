"""Files that survive a kill: temporary names, leftovers and JSON Lines."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import zerosum
from zerosum.files import (
    HOST,
    append_json_line,
    new_folder,
    read_json_lines,
    remove_leftovers,
    remove_temporary_files,
    replaced_folder,
    temporary_folder,
    write_atomically,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest):
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    write_atomically(tmp_path / "a.txt", lambda path: path.write_text("a"))
    with temporary_folder(tmp_path, ".part-") as folder:
        folder.rename(tmp_path / "folder")
    assert mode(tmp_path / "a.txt") == 0o666 & ~umask
    assert mode(tmp_path / "folder") == 0o777 & ~umask


def test_permissions_of_all_files_of_a_run_and_the_cache_follow_the_umask(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    images, run = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    for number in range(64):
        Image.new("L", (8, 8), 3 * number).save(images / f"{number}.png")
    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 64, "evaluation.samples": 64}
    settings |= {"generator.widths": [4], "discriminator.widths": [4], "diagnostics.probe": False}
    run = zerosum.train(
        tmp_path, recipe="vanilla", run=tmp_path / "run", examples=128, batch_size=32, settings=settings
    )
    assert (run.path / "best").is_dir()
    for folder in (run.path, tmp_path / "cache"):
        for path in (folder, *folder.rglob("*")):
            assert mode(path) == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_a_temporary_folder_is_removed_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with temporary_folder(tmp_path, ".part-") as folder:
            (folder / "a").touch()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not list(tmp_path.iterdir())


def test_only_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    killed, running = 2**22 + 1, os.getppid()  # above the largest process id of Linux
    (tmp_path / f".part-{killed}").mkdir()
    (tmp_path / f".part-{killed}/a").touch()
    kept = [f".part-{running}", ".part-backup", f"my.part-{killed}"]
    for name in kept:
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path, r"\.part-(\d+)")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "missing", r"(\d+)")


def test_temporary_files_are_told_from_the_files_of_users(tmp_path: Path) -> None:
    """A process that is killed while it writes leaves a file that the next command removes."""
    write_and_die = """
import os, sys
from pathlib import Path
from zerosum.files import write_atomically
write_atomically(Path(sys.argv[1]) / "00002.png", lambda path: (path.touch(), os._exit(9)))
"""
    result = subprocess.run([sys.executable, "-c", write_and_die, str(tmp_path)], check=False)
    assert result.returncode == 9
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"]
    kept = [
        ".00002.4194305.png",
        "00002.png",
        f".a.zerosum-{HOST}-{os.getppid()}.png",
        ".a.zerosum-00000000-4194305.png",
    ]
    for name in kept:
        (tmp_path / name).touch()
    remove_temporary_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    "damage",
    [b'{"examples": 3, "los', b"\xff\xfe\x00", b"null", b"[1]", b"\x00" * 40, b"[" * 100_000, b'{"a": ' + b"9" * 5000],
    ids=["half", "not UTF-8", "null", "list", "zeros", "nested", "huge number"],
)
def test_damaged_lines_are_passed_over_and_counted(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"examples": 1}\n' + damage + b"\n\n" + '{"examples": 2, "text": "a\u2028b"}\r\n'.encode())
    rows, num_damaged = read_json_lines(path)
    assert [row["examples"] for row in rows] == [1, 2]
    assert num_damaged == 1


def test_a_row_after_a_half_line_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"examples": 1}\n{"exam')
    append_json_line(path, {"examples": 2, "loss": float("nan")})
    append_json_line(path, {"examples": 3})
    rows, num_damaged = read_json_lines(path)
    assert rows == [{"examples": 1}, {"examples": 2, "loss": None}, {"examples": 3}]
    assert num_damaged == 1


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from zerosum.files import append_json_line, write_atomically
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (30, resource.RLIM_INFINITY))
for write in (
    lambda: write_atomically(folder / "a.txt", lambda path: path.write_text("x" * 100)),
    lambda: append_json_line(folder / "b.jsonl", {"text": "x" * 100}),
):
    try:
        write()
    except OSError as error:
        print(Path(error.filename).name)
"""
    result = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["a.txt", "b.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]
    assert (tmp_path / "b.jsonl").read_bytes() == b""


def test_the_longest_names_are_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".json")
    assert write_atomically(path, lambda part: part.write_text("{}")).read_text() == "{}"


def test_a_folder_is_replaced_only_by_a_complete_one(tmp_path: Path) -> None:
    target = tmp_path / "scores" / "figures"
    with replaced_folder(target):
        pass
    assert not target.parent.exists()
    for text in ("first", "second"):
        with replaced_folder(target) as folder:
            (folder / f"{text}.txt").write_text(text)
        assert [path.name for path in target.iterdir()] == [f"{text}.txt"]

    def fail() -> None:
        with replaced_folder(target) as folder:
            (folder / "third.txt").write_text("third")
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["scores", "figures", "second.txt"]


def test_a_new_folder_takes_the_place_of_no_other(tmp_path: Path) -> None:
    target = tmp_path / "outputs" / "samples"
    with new_folder(target) as folder:
        (folder / "mine.png").touch()
    with pytest.raises(FileExistsError), new_folder(target) as folder:
        (folder / "other.png").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["outputs", "samples", "mine.png"]
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new" / "samples"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


COUNT_UP = """
import sys
from pathlib import Path
from zerosum.files import file_lock
folder = Path(sys.argv[1])
for _ in range(200):
    with file_lock(folder / ".lock"):
        number = int((folder / "count").read_text())
        (folder / "count").write_text(str(number + 1))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_a_lock_keeps_processes_apart(tmp_path: Path) -> None:
    """The file of a killed process, which holds no lock any more, is no obstacle."""
    (tmp_path / ".lock").touch()
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT_UP, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "600"
    assert not (tmp_path / ".lock").exists()
