"""aiSFX features of sounds: a network that was trained to recognize the categories of libraries of sound effects.

Ma and Lerch 2022, "Representation Learning for the Automatic Indexing of Sound Effects Libraries", ISMIR. Its weights
(CC BY 4.0) come with the package aisfx, which pins old versions of others: so only its file is read, and none of its
code is run. The steps before the network are those of the package with librosa.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import pickle  # its error alone, which torch.load raises: nothing is unpickled by it
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zerosum.data import cache
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.weights import deterministic_inference
from zerosum.game.mel_filters import bin_frequencies, mel_edges, triangles
from zerosum.networks.pretrained import freeze_network

RATE = 44_100
"""The rate in Hz at which the network hears."""
WINDOW, HOP, BANDS = 2048, 1024, 96
"""Length of the window, step from frame to frame, and number of mel bands."""
BLOCK, BLOCK_STEP = 100, 50
"""Frames that the network hears at a time, and frames from one block to the next: 2.3 s and 1.2 s."""
LARGEST_VALUE = 9.457798957824707
"""The largest value of spectrograms in its training, which becomes 1."""
NUM_FEATURES = 512
INSTALL = "pip install --no-deps aisfx==0.1.2"
"""The command that installs the weights; with its dependencies, the package would bring numpy 1.23."""
_WHEEL_PATTERN, _CHECKPOINT = "aisfx-*.whl", "models/checkpoint.pth"
_PREFIX = "embedding_net."
_DAMAGED = (pickle.UnpicklingError, zipfile.BadZipFile)
_SILENCE = 1024  # numbers
_CHUNK_SIZE = 16  # blocks per call of the network, whose hidden values take 2.5 MB a block


@dataclass(frozen=True, eq=False)
class AisfxFeatures:
    """Features of sounds of any rate and length: the mean over blocks of 2.3 s."""

    network: nn.Module
    version: str
    rate: int
    """The rate in Hz of the sounds."""
    name: ClassVar[str] = "aisfx"
    is_cacheable: ClassVar[bool] = True

    @property
    def resize_mode(self) -> str:
        """How sounds are prepared."""
        return f"from {self.rate} Hz to {RATE} Hz, peak 1"

    @classmethod
    def load(cls, rate: int, device: torch.device, field: str = "features") -> Self:
        """Load the network with its published weights.

        Args:
            rate: the rate of the sounds in Hz.
            device: where it computes.
            field: the argument or setting that chose this network, for messages.

        Raises:
            BadInput: the weights are not there, or cannot be read.
        """
        file = require_aisfx(field)
        network = build_aisfx().eval()
        try:
            content = _read_checkpoint(file)
            network.load_state_dict(_parse_weights(content))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, *_DAMAGED) as error:
            raise BadInput(f"{file}: these weights cannot be read; install them again: {INSTALL}") from error
        for block in network.modules():
            if isinstance(block, ConvBlock):
                block.fold_batch_norm()
        return cls(freeze_network(network, device), hashlib.sha256(content).hexdigest()[:12], rate)

    @cached_property
    def _filters(self) -> Tensor:
        return mel_filters()

    def __call__(self, sounds: Tensor) -> FeatureOutput:
        """Return features (N, 512), all >= 0, of sounds (N, T) in [-1, 1]."""
        with deterministic_inference():
            blocks = cut_blocks(self.spectrograms(sounds))
            parts = torch.split(blocks.flatten(0, 1)[:, None], _CHUNK_SIZE)
            features = torch.cat([self.network(part) for part in parts])
            return FeatureOutput(features.view(*blocks.shape[:2], NUM_FEATURES).mean(1))

    def spectrograms(self, sounds: Tensor) -> Tensor:
        """Return log-mel spectrograms (N, frames, 96), at least 0, of sounds (N, T)."""
        sounds = resample(sounds, self.rate, RATE) if self.rate != RATE else sounds
        peaks = sounds.abs().amax(1, keepdim=True)
        sounds = sounds / torch.where(peaks > 0, peaks, 1)
        window = torch.hann_window(WINDOW, device=sounds.device)
        spectrum = torch.stft(sounds, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)
        power = spectrum.abs().square().transpose(1, 2) @ self._filters.to(sounds.device).t()
        return torch.log10(power * 10_000 + 1) / LARGEST_VALUE


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU."""

    bn1: nn.Module
    bn2: nn.Module

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)

    def fold_batch_norm(self) -> None:
        """Fold the batch norms into the convolutions."""
        assert isinstance(self.bn1, nn.BatchNorm2d)
        assert isinstance(self.bn2, nn.BatchNorm2d)
        self.conv1, self.bn1 = fuse_conv_bn_eval(self.conv1, self.bn1), nn.Identity()
        self.conv2, self.bn2 = fuse_conv_bn_eval(self.conv2, self.bn2), nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W)."""
        hidden = functional.relu_(self.bn1(self.conv1(hidden)))
        return functional.relu_(self.bn2(self.conv2(hidden)))


class MeanMaxPool(nn.Module):
    """The mean over frequencies, and of these the maximum over time."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C, frames, bands) to (N, C)."""
        return hidden.mean(3).amax(2)


def build_aisfx() -> nn.Sequential:
    """Return the network with random weights; its modules are named as in the published file.

    It maps spectrograms (N, 1, frames, 96) to features (N, 512).
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 1
    for number, width in enumerate((64, 128, 256, NUM_FEATURES), 1):
        if number > 1:
            modules[f"pool{number - 1}"] = nn.MaxPool2d(2)
        modules[f"conv_block{number}"] = ConvBlock(channels, width)
        channels = width
    modules["pool"] = MeanMaxPool()
    return nn.Sequential(modules)


def mel_filters() -> Tensor:
    """Return triangular filters (96, 1025) from 0 Hz to half the rate on the mel scale, each with a sum of 1."""
    edges = mel_edges(0, 2595 * math.log10(1 + RATE / 2 / 700), BANDS)
    filters = triangles(bin_frequencies(WINDOW, RATE), edges).clamp_min(0)
    return (filters / filters.sum(1, keepdim=True)).float()


def cut_blocks(spectrograms: Tensor) -> Tensor:
    """Cut spectrograms (N, frames, 96) into blocks (N, B, 100, 96), which overlap by half.

    A shorter one is filled up with silence; of a longer one, a rest that fills no block is left out.
    """
    missing = max(0, BLOCK - spectrograms.shape[1])
    return functional.pad(spectrograms, (0, 0, 0, missing)).unfold(1, BLOCK, BLOCK_STEP).transpose(2, 3)


def require_aisfx(field: str = "features") -> Path:
    """Return the file of the weights, or the wheel that holds it.

    Raises:
        BadInput: there is none.
    """
    if (file := find_aisfx()) is None:
        raise BadInput(f"`{field}` aisfx needs the weights in the package aisfx, which is not installed: {INSTALL}")
    return file


def find_aisfx() -> Path | None:
    """Return the file of the weights in the installed package, or a wheel in the folder `weights` of the cache.

    None if there is neither. None of the package's code is imported.
    """
    package = importlib.util.find_spec("aisfx")
    folders = package.submodule_search_locations if package else None
    installed = next((Path(folder) / _CHECKPOINT for folder in folders or ()), None)
    if installed is not None and installed.is_file():
        return installed
    return max((cache.root() / "weights").glob(_WHEEL_PATTERN), default=None)


def resample(sounds: Tensor, rate: int, new_rate: int) -> Tensor:
    """Return sounds (N, T) at another rate, (N, ceil(T * new_rate / rate)): without frequencies that one of them lacks.

    Their spectra are cut or filled with zeros, with silence after each, so that its end does not reach its start.
    It works on any device; where data are read, `zerosum.data.audio` resamples them on the CPU, by filters.
    """
    up, down = new_rate // math.gcd(rate, new_rate), rate // math.gcd(rate, new_rate)
    length = sounds.shape[1]
    periods = -(-(length + _SILENCE) // down)
    spectrum = torch.fft.rfft(sounds, periods * down)
    resampled: Tensor = torch.fft.irfft(spectrum, periods * up) * (up / down)
    return resampled[:, : -(-length * up // down)]


def _read_checkpoint(file: Path) -> bytes:
    """Return the content of the file of the weights, which may be inside of a wheel."""
    if file.suffix != ".whl":
        return file.read_bytes()
    with zipfile.ZipFile(file) as wheel:
        return wheel.read(f"aisfx/{_CHECKPOINT}")


def _make_scalar(dtype: np.dtype[np.int64], content: bytes) -> np.int64:
    """Return the number that pickled scalars of numpy are made of by a function of its own."""
    number: np.int64 = np.frombuffer(content, dtype)[0]
    return number


def _parse_weights(content: bytes) -> Mapping[str, Tensor]:
    """Return the weights of the network, without the heads behind it.

    Besides tensors, the file holds numbers of classes as scalars of numpy, which are plain data and are let through.
    """
    allowed: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
        (_make_scalar, "numpy.core.multiarray.scalar"), np.dtype, type(np.dtype(np.int64)),
    ]  # fmt: skip
    with torch.serialization.safe_globals(allowed):
        weights, *_ = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return {name.removeprefix(_PREFIX): value for name, value in weights.items() if name.startswith(_PREFIX)}
