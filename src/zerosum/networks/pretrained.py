"""Pretrained weights of feature networks: checked against their hash, and frozen."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def sha256_digest(file: Path) -> str:
    """Return the sha256 of a file's content as 64 hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def freeze_network(network: Module, device: torch.device) -> Module:
    """Return the network without gradients, in evaluation mode, in channels_last, on the device."""
    frozen = network.requires_grad_(False).eval()
    return frozen.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
