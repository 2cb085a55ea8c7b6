"""Checks of a checkpoint before it is used: checksums of its files, and names, shapes and types of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from zerosum.run_folder import Row

STATE_FILE, CHECKSUMS_FILE = "state.json", "checksums.json"
STATE_KEYS = {"round", "examples", "seconds"}
"""Keys of state.json besides the checksums, which checkpoints of earlier releases do not have."""


def add_checksums(state: Row, folder: Path) -> Row:
    """Return the content of state.json with the SHA-256 of every file in the folder, and of `state` itself."""
    checksums = {path.name: _file_checksum(path) for path in sorted(folder.iterdir())}
    return state | {"checksums": checksums | {STATE_FILE: _state_checksum(state)}}


def read_state(folder: Path) -> Row:
    """Return the content of a checkpoint's state.json without the checksums, after all files were compared with them.

    Raises:
        ValueError: a file is not as it was written.
        OSError: a file cannot be read.
    """
    state, checksums = _read_state(folder)
    for name in checksums or {}:
        _compare(folder, name, checksums)
    return state


def check_file(folder: Path, name: str) -> None:
    """Compare a file of a checkpoint, or of the best networks, with its checksum, if that was written.

    Raises:
        ValueError: the file, or the checksum itself, is not as it was written.
        OSError: a file cannot be read.
    """
    checksums: Row | None = None
    if (folder / STATE_FILE).exists():
        checksums = _read_state(folder)[1]
    elif (folder / CHECKSUMS_FILE).exists():
        checksums = json.loads((folder / CHECKSUMS_FILE).read_text("utf8"))
    if checksums is not None:
        _compare(folder, name, checksums)


def _read_state(folder: Path) -> tuple[Row, Row | None]:
    """Return the content of state.json, and the checksums; None if it has none, as of earlier releases.

    Raises:
        ValueError: it is not as it was written.
    """
    state = json.loads((folder / STATE_FILE).read_text("utf8"))
    if not isinstance(state, dict) or state.keys() - {"checksums"} != STATE_KEYS:
        raise ValueError(f"{STATE_FILE} does not have the keys {', '.join(sorted(STATE_KEYS))}")
    checksums = state.pop("checksums", None)
    if checksums is not None and checksums.pop(STATE_FILE, None) != _state_checksum(state):
        raise ValueError(_describe_damage(STATE_FILE))
    return state, checksums


def _compare(folder: Path, name: str, checksums: object) -> None:
    """Raise ValueError if a file is not as it was written."""
    if not isinstance(checksums, dict) or checksums.get(name) != _file_checksum(folder / name):
        raise ValueError(_describe_damage(name))


def _describe_damage(name: str) -> str:
    return f"{name} was damaged or changed after it was written: its checksum is another"


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file in a folder that has no state.json, such as the best networks."""
    checksums = {path.name: _file_checksum(path) for path in sorted(folder.iterdir())}
    (folder / CHECKSUMS_FILE).write_text(json.dumps(checksums) + "\n", "utf8")


def _file_checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state_checksum(state: Row) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def check_tensors(saved: Mapping[str, Tensor], expected: Mapping[str, Tensor], strict: bool) -> None:
    """Check the names, shapes and types of saved tensors; names of one side only are accepted if not `strict`.

    Raises:
        ValueError: the tensors do not fit.
    """
    different = sorted(saved.keys() ^ expected.keys())
    if strict and different:
        side = "missing" if different[0] in expected else "unknown"
        raise ValueError(f"the tensor {different[0]} is {side}")
    for name in saved.keys() & expected.keys():
        _check_tensor(name, saved[name], expected[name].shape, expected[name].dtype)


def _check_tensor(name: str, saved: object, shape: torch.Size, dtype: torch.dtype) -> None:
    if not isinstance(saved, Tensor):
        raise TypeError(f"{name} is no tensor")
    if saved.shape != shape or saved.dtype != dtype:
        raise ValueError(
            f"{name} has shape {tuple(saved.shape)} and type {saved.dtype}, and {tuple(shape)} and {dtype} are needed"
        )


def check_optimizer_state(saved: Row, optimizer: torch.optim.Optimizer, player: str) -> None:
    """Check the saved state of a player's optimizer: a fused optimizer of wrong shapes would crash the process.

    Raises:
        ValueError: parameters, names, shapes or types do not fit the optimizer.
        KeyError: the state has no parameters or groups.
        TypeError: a value has another type.
    """
    own = optimizer.state_dict()
    where = f"the optimizer of {player}"
    if [group["params"] for group in saved["param_groups"]] != [group["params"] for group in own["param_groups"]]:
        raise ValueError(f"{where} has other parameters")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = _state_names(optimizer)
    for index, values in saved["state"].items():
        if index not in range(len(parameters)) or values.keys() != names.keys():
            raise ValueError(f"{where} has other values for parameter {index} than {', '.join(names)}")
        for name, value in values.items():
            is_like_parameter = names[name]
            shape = parameters[index].shape if is_like_parameter else torch.Size()
            dtype = parameters[index].dtype if is_like_parameter else torch.float32
            _check_tensor(f"{name} of parameter {index} in {where}", value, shape, dtype)


def _state_names(optimizer: torch.optim.Optimizer) -> dict[str, bool]:
    """Return the values that such an optimizer keeps per parameter: by name, whether it is shaped like the parameter.

    They are those of another optimizer of this type after a step.
    """
    parameter = torch.zeros(2, requires_grad=True)
    parameter.grad = torch.zeros(2)
    other = type(optimizer)([parameter], **optimizer.defaults)
    other.step()
    return {name: value.shape == parameter.shape for name, value in other.state[parameter].items()}
