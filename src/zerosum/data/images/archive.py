"""The members of a .zip that are images. Nothing is unpacked, so a name leads nowhere; nested archives are not read."""

from __future__ import annotations

import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zerosum.data.generated_files import MAX_RECORD_BYTES
from zerosum.data.host_memory import physical_memory_bytes
from zerosum.data.images.files import describe_sheets, describe_unread, find_images, find_sheets, is_hidden
from zerosum.data.images.folder_walk import describe_hidden_images
from zerosum.data.text import pluralize
from zerosum.errors import BadInput

DAMAGED_ARCHIVE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, OverflowError),
    *(RuntimeError, NotImplementedError),  # a password, and a method of compression that Python does not know
)
"""What reading a damaged, encrypted or foreign .zip raises."""
_MEMORY_SHARE = 1 / 8  # of the memory that one member may take
# Bytes that are unpacked at a time. Other methods than these unpack all they are given: 64 bytes of bz2 are 90 MB.
_PART_BYTES, _SMALL_PART_BYTES = {zipfile.ZIP_STORED: 2**16, zipfile.ZIP_DEFLATED: 2**16}, 64
MAX_MEMBERS = 2_000_000
"""Largest number of members of an archive: Python holds a kilobyte for each."""
_MAX_LISTING_BYTES = 256 * MAX_MEMBERS  # of the list of members, which Python reads whatever number it states
_END_BYTES, _END_MARK = 22, b"PK\x05\x06"  # of the record at the end, after which a comment may follow
_ZIP64_LOCATOR_BYTES, _ZIP64_END_BYTES, _ZIP64_END_MARK = 20, 56, b"PK\x06\x06"
_ENCRYPTED = 0x1  # in the flags of a member
_DRIVE = re.compile(r"^[A-Za-z]:/")


@dataclass(frozen=True, eq=False)
class Archive:
    """An opened .zip, which is read from several threads."""

    display_name: str
    images: dict[str, zipfile.ZipInfo] = field(repr=False)
    """The images by their path, as `member_path` returns it."""
    others: dict[str, zipfile.ZipInfo] = field(repr=False)
    hidden: tuple[str, ...]
    """The paths of hidden members."""
    notes: tuple[str, ...]
    """Sentences for the user about what is not read."""
    _zip: zipfile.ZipFile
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        """Return the content of a member, which is never more than the size that its header states.

        Raises:
            ValueError: if it is too large for the memory.
            Exception: one of `DAMAGED_ARCHIVE_ERRORS`, if it cannot be read.
        """
        if member.file_size > _MEMORY_SHARE * physical_memory_bytes():
            raise ValueError(f"too large: {member.file_size / 2**30:.1f} GiB, more than an eighth of the memory")
        with self._lock:  # the archive counts its open members without a lock of its own
            return _unpack(self._zip, member)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member, which is never more than the size that its header states."""
    part = _PART_BYTES.get(member.compress_type, _SMALL_PART_BYTES)
    with archive.open(member) as file:
        assert isinstance(file, zipfile.ZipExtFile), "a member that is read"
        # asked for all at once, it unpacks whatever there is before it looks at the stated size
        file.MIN_READ_SIZE = part
        return b"".join(iter(lambda: file.read(part), b""))


def _read_small(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a member; b"" if it is larger than a record of samples, or cannot be read."""
    try:
        return _unpack(archive, member) if member.file_size <= MAX_RECORD_BYTES else b""
    except DAMAGED_ARCHIVE_ERRORS:
        return b""


def open_archive(display_name: str, path: Path) -> Archive:
    """Open a .zip and list its members.

    Raises:
        BadInput: if it is not a zip archive, or has too many members, or they overlap, or all images are encrypted.
    """
    try:
        count, listing_bytes = measure_listing(path)
        too_many = count > MAX_MEMBERS or listing_bytes > _MAX_LISTING_BYTES
        archive = None if too_many else zipfile.ZipFile(path)
    except DAMAGED_ARCHIVE_ERRORS as error:
        raise BadInput(
            f"{display_name} cannot be opened as a zip archive ({error}): create or download it again"
        ) from error
    if archive is None:
        raise BadInput(f"{display_name} has more than {MAX_MEMBERS:,} members: unpack it, and give the folder")
    members = archive.infolist()
    # A bomb of a few MB unpacks to TB because its members share their bytes; otherwise deflate is at most 1032 : 1.
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise BadInput(f"{display_name} claims more compressed bytes than it has: create or download it again")
    return _list_members(display_name, archive, members)


def measure_listing(path: Path) -> tuple[int, int]:
    """Return the number of members that a .zip states, and the size in bytes of the list of them; 0 if it has no end.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - _END_BYTES - 0xFFFF)
        file.seek(start)
        tail = file.read()
        position = tail.rfind(_END_MARK)
        if position < 0 or len(tail) - position < _END_BYTES:
            return 0, 0
        count, listing_bytes = struct.unpack_from("<HI", tail, position + 10)
        # ZIP64, for more than these fields hold: a record before its locator, which is before the end
        file.seek(max(0, start + position - _ZIP64_LOCATOR_BYTES - _ZIP64_END_BYTES))
        record = file.read(_ZIP64_END_BYTES)
    if record.startswith(_ZIP64_END_MARK) and len(record) == _ZIP64_END_BYTES:
        count, listing_bytes = struct.unpack_from("<QQ", record, 32)
    return count, listing_bytes


def _list_members(display_name: str, archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo]) -> Archive:
    """List the members; of several with one name the last is used, as by programs that unpack."""
    files: dict[str, zipfile.ZipInfo] = {}
    repeated = links = 0
    for member in members:
        name = member_path(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not name or member.filename.endswith(("/", "\\")):
            continue
        if kind not in (0, stat.S_IFREG):
            links += 1  # or a FIFO or a device
            continue
        repeated += name in files
        files[name] = member
    visible = {name: member for name, member in files.items() if not any(map(is_hidden, name.split("/")))}
    hidden = tuple(name for name in files if name not in visible)
    sheets = find_sheets(visible, lambda name: _read_small(archive, visible[name]))
    visible = {name: member for name, member in visible.items() if name not in sheets}
    names = find_images(visible)
    images = {name: member for name, member in visible.items() if name in names}
    if images and all(member.flag_bits & _ENCRYPTED for member in images.values()):
        raise BadInput(f"the images in the archive {display_name} are encrypted: unpack it, and give the folder")
    others = {name: member for name, member in visible.items() if name not in images}
    notes = [*describe_unread(others), *describe_hidden_images(hidden), *describe_sheets(sheets)]
    if repeated:
        notes.append(f"ignored {pluralize(repeated, 'earlier member')} with the name of a later one")
    if links:
        notes.append(f"ignored {pluralize(links, 'link')}")
    return Archive(display_name, images, others, hidden, tuple(notes), archive)


def member_path(name: str) -> str:
    r"""Return the path of a member within the archive: relative, with slashes, without `.` and `..`.

    Example:
        >>> member_path(r".\cats\a.png"), member_path("C:/x/../cats/b.png")
        ('cats/a.png', 'cats/b.png')
    """
    parts: list[str] = []
    for part in _DRIVE.sub("", name.replace("\\", "/")).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
