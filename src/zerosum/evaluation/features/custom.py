"""Custom feature networks, given as an import path: `features` package.module:factory."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.weights import deterministic_inference

_VERSION_HEX_DIGITS = 16
_PROBABILITY_SUM_TOLERANCE = 1e-3  # rounding may move the sum of a row of probabilities from 1 by this much


@dataclass(frozen=True, eq=False)
class CustomFeatures:
    """A module or function from images (N, C, H, W) in [-1, 1] to features, or to (features, probabilities)."""

    extract_fn: Callable[[Tensor], object]
    name: str
    """Its import path."""
    version: str
    is_cacheable: bool
    """Whether it is an `nn.Module`, whose version covers its weights; a function may keep weights anywhere."""
    field: str
    """The argument or setting that names it, for messages."""
    resize_mode: ClassVar[str] = "user-defined"

    @classmethod
    def load(cls, import_path: str, device: torch.device, field: str = "features") -> Self:
        """Import a factory and call it; modules in the current folder can be imported, too.

        The version is the hash of the factory's source file, and of the weights if it returns an `nn.Module`.

        Args:
            import_path: "package.module:factory".
            device: where an `nn.Module` is moved, and where images will be.
            field: the argument or setting that names it, for messages.

        Raises:
            BadInput: the import fails, there is no such factory, it raises, or its result is not callable.
        """
        factory, source = _import_factory(import_path, field)
        try:
            network = factory()
        except Exception as error:
            raise BadInput(f"`{field}` {import_path}: the factory raises {_describe_error(error)}: fix it") from error
        digest = hashlib.sha256(source.read_bytes())
        if isinstance(network, nn.Module):
            network = network.requires_grad_(False).eval().to(device)
            for name, value in network.state_dict().items():
                digest.update(name.encode() + _state_entry_bytes(value))
        if not callable(network):
            raise BadInput(
                f"`{field}` {import_path}: the factory returns {_describe_type(network)}: return a module or function "
                f"that can be called with images"
            )
        version = digest.hexdigest()[:_VERSION_HEX_DIGITS]
        return cls(network, import_path, version, isinstance(network, nn.Module), field)

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return the features of images (N, C, H, W) in [-1, 1].

        Raises:
            BadInput: the network raises, or its output has a wrong type, shape or value.
        """
        try:
            with deterministic_inference():
                output = self.extract_fn(images)
        except Exception as error:
            raise BadInput(
                f"`{self.field}` {self.name} raises {_describe_error(error)} for images of shape "
                f"{tuple(images.shape)}: fix it"
            ) from error
        parts = output if isinstance(output, tuple) else (output,)
        tensors = [part for part in parts if isinstance(part, Tensor)]
        if not 1 <= len(parts) <= 2 or len(tensors) < len(parts):
            raise BadInput(
                f"`{self.field}` {self.name} returns {_describe_type(output)}: return a tensor of features (N, D), or "
                "a pair (features, probabilities)"
            )
        return validate_output(FeatureOutput(*tensors), len(images), self.name)


def validate_output(output: FeatureOutput, num_images: int, network_name: str) -> FeatureOutput:
    """Return the output of a feature network as float32, after checking it.

    Args:
        output: features and class probabilities.
        num_images: number n of images in the batch.
        network_name: name of the network, for the message.

    Raises:
        BadInput: the features are not (n, D) and finite, or the probabilities are not (n, K) and valid.
    """
    for kind, rows in zip(("features", "probabilities"), output, strict=True):
        if rows is not None and (rows.dim() != 2 or len(rows) != num_images or rows.shape[1] == 0):
            raise BadInput(
                f"the {kind} of {network_name} have the shape {tuple(rows.shape)} for {num_images} images: return one "
                f"row per image"
            )
    features = output.features.float()
    if not features.isfinite().all():
        raise BadInput(
            f"the features of {network_name} are not finite (NaN or infinity): fix the network or choose another"
        )
    if output.probabilities is None:
        return FeatureOutput(features)
    probabilities = output.probabilities.float()
    # "not (valid)" instead of "invalid", so that NaN is refused, too
    if not (probabilities.amin() >= 0 and (probabilities.sum(1) - 1).abs().amax() <= _PROBABILITY_SUM_TOLERANCE):
        raise BadInput(
            f"the probabilities of {network_name} are negative or do not add up to 1: end the network with a softmax"
        )
    return FeatureOutput(features, probabilities)


def _import_factory(import_path: str, field: str) -> tuple[Callable[[], object], Path]:
    """Return the factory an import path names, and its source file."""
    module_name, _, name = import_path.partition(":")
    current_folder = str(Path.cwd())
    if current_folder not in sys.path:
        sys.path.insert(0, current_folder)  # as `python -m` does; it stays, since the module may import more later
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadInput(
            f"`{field}` {import_path}: {module_name} cannot be imported ({_describe_error(error)}): run in the folder "
            f"that holds it, or install it"
        ) from error
    file, factory = vars(module).get("__file__"), vars(module).get(name)  # no file: a folder without code
    if file is None or not callable(factory):
        raise BadInput(
            f"`{field}` {import_path}: {module_name} has no function {name!r}: name one of its functions after the "
            f"colon"
        )
    return factory, Path(file)


def _describe_error(error: Exception) -> str:
    """Return the type and the first line of an error."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def _describe_type(value: object) -> str:
    """Return the type of a value with an article: "a list"."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def _state_entry_bytes(value: object) -> bytes:
    """Return the bytes of an entry of a state dict."""
    if not isinstance(value, Tensor):
        return repr(value).encode()
    metadata = f"{value.dtype}{tuple(value.shape)}".encode()
    return metadata + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
