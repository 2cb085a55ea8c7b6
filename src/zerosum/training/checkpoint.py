"""Checkpoints: everything a run is made of at one instant, and how to go on from it to the last bit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from zerosum.data.loader import BatchLoader
from zerosum.errors import BadInput
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.training.accelerator import Accelerator
from zerosum.training.meter import Meter

FORMAT_VERSION = 1


def _rng_state(accelerator: Accelerator) -> dict[str, Any]:
    """The state of every generator of random numbers that a network might use."""
    version, internal, gauss = random.getstate()
    numpy: dict[str, Any] = dict(np.random.get_state(legacy=False))
    inner = numpy["state"]
    return {
        "torch": torch.get_rng_state(),
        "device": accelerator.rng_state(),
        "numpy": numpy | {"state": {"key": torch.from_numpy(inner["key"].astype(np.int64)), "pos": int(inner["pos"])}},
        "python": [version, list(internal), gauss],
    }


def _set_rng_state(state: dict[str, Any], accelerator: Accelerator) -> None:
    torch.set_rng_state(state["torch"])
    accelerator.set_rng_state(state["device"])
    inner = state["numpy"]["state"]
    np.random.set_state(state["numpy"] | {"state": inner | {"key": inner["key"].numpy().astype(np.uint32)}})
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def save(
    folder: Path,
    game: Game,
    loader: BatchLoader,
    meter: Meter,
    progress: Progress,
    seconds: float,
    rng_states: list[Any],
) -> None:
    """Fill `folder` with a checkpoint; `rng_states` holds each rank's random states."""
    save_networks(folder, game)
    training = {
        "optimizers": {name: player.optimizer.state_dict() for name, player in game.players.items()},
        "meter": meter.state_dict(),
        "position": loader.position,
        "rng_states": rng_states,
    }
    torch.save(training, folder / "training.pt")
    state = {"format": FORMAT_VERSION, "round": progress.round, "examples": progress.examples, "seconds": seconds}
    (folder / "state.json").write_text(json.dumps(state) + "\n", "utf8")


def save_networks(folder: Path, game: Game) -> None:
    """Write the networks, their averages and the game's memory into `folder`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in game.state_dict().items()}
    save_file(weights, folder / "networks.safetensors")


def load(
    folder: Path,
    game: Game,
    loader: BatchLoader,
    meter: Meter,
    accelerator: Accelerator,
    *,
    settings_changed: bool = False,
) -> tuple[Progress, float]:
    """Put everything where the checkpoint left it; returns when that was and the seconds trained by then.

    Where settings have `settings_changed` since, the game may hold more than the checkpoint or less: the rest is put back.

    Raises:
        BadInput: the checkpoint is damaged or belongs to other networks.
    """
    try:
        game.load_state_dict(load_file(folder / "networks.safetensors"), strict=not settings_changed)
        # onto the CPU: random states live there, and optimizers move their own to their parameters
        training = torch.load(folder / "training.pt", map_location="cpu", weights_only=True)
        state = json.loads((folder / "state.json").read_text("utf8"))
        progress, seconds = Progress(state["round"], state["examples"]), float(state["seconds"])
        for name, player in game.players.items():
            if name in training["optimizers"] or not settings_changed:
                player.optimizer.load_state_dict(training["optimizers"][name])
        meter.load_state_dict(training["meter"], accelerator)
        loader.position = training["position"]
        dice = training["rng_states"]
    except (
        OSError,
        RuntimeError,
        SafetensorError,
        UnpicklingError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadInput(f"{folder} cannot be read ({reason}); delete it to go on from the one before") from error
    if len(dice) != accelerator.world_size:
        raise BadInput(
            f"{folder} was written by {len(dice)} ranks and this is {accelerator.world_size}: "
            f"resume with the same number of processes"
        )
    _set_rng_state(dice[accelerator.rank], accelerator)
    return progress, seconds


def has_finite_weights(game: Game) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(t.isfinite().all()) for t in game.state_dict().values() if t.is_floating_point())


def gather_rng_states(accelerator: Accelerator) -> list[Any]:
    """Every rank's random states; called by all ranks together."""
    mine = _rng_state(accelerator)
    if accelerator.world_size == 1:
        return [mine]
    each = {name: accelerator.all_gather(mine[name]) for name in ("torch", "device")}
    # Python's and numpy's own dice are thrown by no network of ours: each rank keeps rank 0's
    return [mine | {name: states[rank] for name, states in each.items()} for rank in range(accelerator.world_size)]
