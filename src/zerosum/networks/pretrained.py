"""Published weights that a network is looked through with: checked to be what they say, and fixed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def sha256_digest(file: Path) -> str:
    """The sha256 of a file's content, in 64 hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def freeze_network(network: Module, device: torch.device) -> Module:
    """The network as it is looked through: fixed, in evaluation mode, channels last, on the device."""
    fixed = network.requires_grad_(False).eval()
    return fixed.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
