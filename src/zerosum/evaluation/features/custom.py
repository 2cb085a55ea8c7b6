"""Feature networks of the user's own: `--features package.module:factory`."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.weights import deterministic_inference

_VERSION_HEX_DIGITS = 16
_PROBABILITY_SUM_TOLERANCE = 1e-3  # by which rounding may move a row of chances from 1


@dataclass(frozen=True, eq=False)
class CustomFeatures:
    """A network, or any function, from images (N, C, H, W) in [-1, 1] to features, or to features and chances."""

    extract_fn: Callable[[Tensor], Any]
    name: str
    """The path it was asked for by."""
    version: str
    is_cacheable: bool
    """Whether it is an `nn.Module`, whose weights its version covers; a function's may lie anywhere."""
    resize_mode: ClassVar[str] = "user-defined"

    @classmethod
    def load(cls, import_path: str, device: torch.device) -> Self:
        """Import what `import_path` names and call it for the network; the current folder counts as installed.

        Its version is the hash of the factory's source file, and of the weights if it gives an `nn.Module`.

        Args:
            import_path: "package.module:factory".
            device: where an `nn.Module` is moved, and where images will be.

        Raises:
            BadInput: it cannot be imported, is not there, fails, or gives what cannot be called.
        """
        factory, source = _import_factory(import_path)
        try:
            made = factory()
        except Exception as error:
            raise BadInput(
                f"--features {import_path}: the factory fails ({_first_line(error)}); put it right"
            ) from error
        known = hashlib.sha256(source.read_bytes())
        if isinstance(made, nn.Module):
            made = made.requires_grad_(False).eval().to(device)
            for name, value in made.state_dict().items():
                known.update(name.encode() + _state_entry_bytes(value))
        if not callable(made):
            raise BadInput(
                f"--features {import_path}: the factory gives {_describe_type(made)}; let it return what images can be put in"
            )
        return cls(made, import_path, known.hexdigest()[:_VERSION_HEX_DIGITS], isinstance(made, nn.Module))

    def __call__(self, images: Tensor) -> FeatureOutput:
        """Look at images (N, C, H, W) in [-1, 1].

        Raises:
            BadInput: it fails, or what it gives is no such features or chances.
        """
        try:
            with deterministic_inference():
                given = self.extract_fn(images)
        except Exception as error:
            shape = tuple(images.shape)
            raise BadInput(
                f"--features {self.name} fails on images {shape} ({_first_line(error)}); put it right"
            ) from error
        parts = given if isinstance(given, tuple) else (given,)
        if not 1 <= len(parts) <= 2 or not all(isinstance(part, Tensor) for part in parts):
            raise BadInput(
                f"--features {self.name} gives {_describe_type(given)}; let it return a tensor of features (N, D), or a pair "
                f"(features, chances)"
            )
        return validate_output(FeatureOutput(*parts), len(images), self.name)


def validate_output(output: FeatureOutput, num_images: int, network_name: str) -> FeatureOutput:
    """What a network saw in n images, as float32, if it can be that.

    Args:
        output: the features and chances.
        num_images: how many images it was shown.
        network_name: the network's, for the message.

    Raises:
        BadInput: the features are not (n, D) and finite, or the chances are not (n, K) probabilities.
    """
    for what, rows in zip(("features", "probabilities"), output, strict=True):
        if rows is not None and (rows.dim() != 2 or len(rows) != num_images or rows.shape[1] == 0):
            raise BadInput(
                f"the {what} of {network_name} have the shape {tuple(rows.shape)} for {num_images} images; let it return one row of "
                f"numbers an image"
            )
    features = output.features.float()
    if not features.isfinite().all():
        raise BadInput(
            f"the features of {network_name} are not finite (NaN or infinite); put the network right or use another"
        )
    if output.probabilities is None:
        return FeatureOutput(features)
    chances = output.probabilities.float()
    if not (
        chances.amin() >= 0 and (chances.sum(1) - 1).abs().amax() <= _PROBABILITY_SUM_TOLERANCE
    ):  # said so that NaN fails, too
        raise BadInput(f"the chances of {network_name} are no probabilities that add up to 1; end it with a softmax")
    return FeatureOutput(features, chances)


def _import_factory(import_path: str) -> tuple[Callable[[], Any], Path]:
    """What the path names, and the file it is written in."""
    module_name, _, name = import_path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does; it stays, since the module may import more later
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadInput(
            f"--features {import_path}: {module_name} cannot be imported ({_first_line(error)}); start in the folder it lies "
            f"in, or install it"
        ) from error
    file = getattr(module, "__file__", None)  # none for a folder without code
    factory = getattr(module, name, None)
    if file is None or not callable(factory):
        raise BadInput(
            f"--features {import_path}: {module_name} has no function {name!r}; name one of its own after the colon"
        )
    return factory, Path(file)


def _first_line(error: Exception) -> str:
    said = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _describe_type(value: object) -> str:
    """What a value is, in words: "a list"."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def _state_entry_bytes(value: object) -> bytes:
    """The bytes of an entry of a state dict."""
    if not isinstance(value, Tensor):
        return repr(value).encode()
    about = f"{value.dtype}{tuple(value.shape)}".encode()
    return about + value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
