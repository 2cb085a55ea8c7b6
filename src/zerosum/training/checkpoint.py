"""Checkpoints: the complete state of a run, from which training resumes to the last bit."""

from __future__ import annotations

import json
import random
from io import FileIO
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from zerosum.data.loader import BatchLoader
from zerosum.data.tensor_files import save_tensors
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.training.accelerator import Accelerator
from zerosum.training.integrity import STATE_FILE, add_checksums, check_optimizer_state, check_tensors, read_state
from zerosum.training.meter import Meter

if TYPE_CHECKING:
    from typing_extensions import Buffer


class NumpyKey(TypedDict):
    """The state of numpy's Mersenne Twister."""

    key: Tensor
    """(624,) int64."""
    pos: int


class NumpyState(TypedDict):
    """The state of numpy's global random number generator."""

    bit_generator: str
    state: NumpyKey
    has_gauss: int
    gauss: float


class RngState(TypedDict):
    """The states of all random number generators of a rank, as a checkpoint holds them: tensors and plain values."""

    torch: Tensor
    device: Tensor
    numpy: NumpyState
    python: tuple[int, list[int], float | None]


def _rng_state(accelerator: Accelerator) -> RngState:
    """Return the state of every random number generator that a network might use."""
    version, internal, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    key = NumpyKey(key=torch.from_numpy(numpy["state"]["key"].astype(np.int64)), pos=int(numpy["state"]["pos"]))
    return RngState(
        torch=torch.get_rng_state(),
        device=accelerator.rng_state(),
        numpy=NumpyState(
            bit_generator=numpy["bit_generator"], state=key, has_gauss=numpy["has_gauss"], gauss=numpy["gauss"]
        ),
        python=(version, list(internal), gauss),
    )


def _set_rng_state(state: RngState, accelerator: Accelerator) -> None:
    torch.set_rng_state(state["torch"])
    accelerator.set_rng_state(state["device"])
    inner = state["numpy"]["state"]
    key = inner["key"].numpy().astype(np.uint32)
    np.random.set_state({**state["numpy"], "state": {"key": key, "pos": inner["pos"]}})
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def save(
    folder: Path,
    game: Game,
    loader: BatchLoader,
    meter: Meter,
    progress: Progress,
    seconds: float,
    rng_states: list[RngState],
    rank_sums: list[dict[str, Tensor]],
) -> None:
    """Write a checkpoint into `folder`.

    Args:
        folder: an existing folder.
        game: networks, EMAs, buffers and optimizers to save.
        loader: the data loader, of which the position is saved.
        meter: running means since the last tick, of this rank.
        progress: rounds and examples so far.
        seconds: seconds of training so far.
        rng_states: states of the random number generators of each rank, from `gather_rng_states`.
        rank_sums: the sums of the meter of each rank, from `Meter.gather_sums`.
    """
    save_networks(folder, game)
    training = {
        "optimizers": {name: player.optimizer.state_dict() for name, player in game.players.items()},
        "meter": meter.state_dict(),
        "position": loader.position,
        "rng_states": rng_states,
        "rank_sums": rank_sums,
    }
    _save_pickle(training, folder / "training.pt")
    state = {"round": progress.round, "examples": progress.examples, "seconds": seconds}
    (folder / STATE_FILE).write_text(json.dumps(add_checksums(state, folder)) + "\n", "utf8")


def save_networks(folder: Path, game: Game) -> None:
    """Write the networks, their EMAs and the buffers of the game to networks.safetensors in `folder`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in game.state_dict().items()}
    save_tensors(weights, folder / "networks.safetensors")


def _save_pickle(content: object, path: Path) -> None:
    """Write tensors and plain values with `torch.save`.

    Raises:
        OSError: the file cannot be written; `torch.save` itself raises a RuntimeError that does not say why.
    """
    with _ErrorKeepingFile(path, "w") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            raise file.error or error from error


class _ErrorKeepingFile(FileIO):
    """A file that remembers why it could not be written, and writes everything or raises."""

    error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all bytes, and return their number."""
        view, written = memoryview(data), 0
        try:
            while written < len(view):
                written += super().write(view[written:])
        except OSError as error:
            self.error = OSError(error.errno, error.strerror, str(self.name))
            raise
        return written


_DAMAGE_ERRORS = (
    OSError, RuntimeError, SafetensorError, UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError,
)  # fmt: skip
"""What reading a damaged or foreign checkpoint may raise."""


def load(
    folder: Path,
    game: Game,
    loader: BatchLoader,
    meter: Meter,
    accelerator: Accelerator,
    *,
    settings_changed: bool = False,
) -> tuple[Progress, float]:
    """Restore the state of a checkpoint, and return its progress and the seconds of training until then.

    Weights, optimizers, data order and latents are the same on any number of ranks. Random numbers inside networks,
    such as dropout masks, continue on each rank that the checkpoint has a state of; further ranks start a stream of
    their own, which depends on the seed of the run, the position and the rank.

    With `settings_changed`, tensors and optimizers that only the game or only the checkpoint has are skipped.

    Raises:
        BadInput: if the checkpoint is damaged or belongs to other networks.
    """
    try:
        state = read_state(folder)
        weights = load_file(folder / "networks.safetensors")
        # to the CPU: random states live there, and optimizers move their own state to the device of their parameters
        training = torch.load(folder / "training.pt", map_location="cpu", weights_only=True)
        progress, seconds = Progress(state["round"], state["examples"]), float(state["seconds"])
        optimizers = {
            name: (training["optimizers"][name], player.optimizer)
            for name, player in game.players.items()
            if name in training["optimizers"] or not settings_changed
        }
        check_tensors(weights, game.state_dict(), strict=not settings_changed)
        for name, (saved, optimizer) in optimizers.items():
            check_optimizer_state(saved, optimizer, name)
        game.load_state_dict(weights, strict=not settings_changed)
        for saved, optimizer in optimizers.values():
            optimizer.load_state_dict(saved)
        meter.load_state_dict(training["meter"], training.get("rank_sums", []), accelerator)
        loader.position = training["position"]
        _set_rank_rng_state(training["rng_states"], loader, accelerator)
    except _DAMAGE_ERRORS as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadInput(
            f"checkpoint {folder} cannot be read ({reason}); delete it to resume from the one before"
        ) from error
    return progress, seconds


def _set_rank_rng_state(states: list[RngState], loader: BatchLoader, accelerator: Accelerator) -> None:
    """Restore the random state of this rank, or start a new stream if the checkpoint was written by fewer ranks."""
    if accelerator.rank < len(states):
        _set_rng_state(states[accelerator.rank], accelerator)
        return
    _set_rng_state(states[0], accelerator)  # of Python and numpy, which are the same on all ranks
    seeds = seeded_rng.derive_seeds(loader.seed, loader.position, accelerator.rank + 1, seeded_rng.SeedSeries.TRAINING)
    torch.manual_seed(int(seeds[accelerator.rank]))


def has_finite_weights(game: Game) -> bool:
    """Return whether every weight and buffer is finite."""
    return all(bool(t.isfinite().all()) for t in game.state_dict().values() if t.is_floating_point())


def gather_rng_states(accelerator: Accelerator) -> list[RngState]:
    """Return the random states of every rank. All ranks call it together."""
    own = _rng_state(accelerator)
    if accelerator.world_size == 1:
        return [own]
    gathered = zip(accelerator.all_gather(own["torch"]), accelerator.all_gather(own["device"]), strict=True)
    # no network of ours uses the generators of Python and numpy, so each rank keeps the states of rank 0
    return [{**own, "torch": of_torch, "device": of_device} for of_torch, of_device in gathered]
