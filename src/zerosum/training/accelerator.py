"""The machine a game is played on: device, precision, memory format, ranks. Only the machine steps."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.game import Game
from zerosum.game.player import Player, require
from zerosum.game.schedule import Now
from zerosum.training.compile import Hasten, as_it_is


class Precision(NamedTuple):
    """What networks are computed in."""

    networks: torch.dtype
    """What their convolutions and matrix products take in and give out."""
    strict: bool = False
    """float32 means all its 24 bits on GPUs too, not the 11 that TF32 keeps of each factor."""


PRECISIONS = {
    "float32": Precision(torch.float32),
    "bfloat16": Precision(torch.bfloat16),
    "strict": Precision(torch.float32, strict=True),
}


def choose_device(name: str) -> torch.device:
    """The device of that name, or the best one here for "auto".

    Raises:
        BadInput: there is no such device here.
    """
    here = ["cpu"]
    if torch.cuda.is_available():
        here.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        here.insert(0, "mps")
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if here[0] == "cuda" else here[0]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in here or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise BadInput(f"--device {name}: this machine has {', '.join(here)}; choose one of these or leave it out")
    return device


class Machine:
    """Where and how moves are made."""

    def __init__(
        self,
        device: torch.device | str = "cpu",
        accumulate: int = 1,
        precision: torch.dtype = torch.float32,
        strict: bool = False,
        hasten: Hasten = as_it_is,
    ) -> None:
        """A machine of this process; its ranks are those of torch.distributed, where that is up.

        Args:
            device: where networks are.
            accumulate: parts a step's batch is cut into.
            precision: what networks are computed in.
            strict: see `Precision`.
            hasten: what makes a game's networks faster: `as_it_is`, or a `Compiler`.
        """
        self.device, self.accumulate = torch.device(device), accumulate
        self.precision, self.strict, self.hasten = precision, strict, hasten
        together = dist.is_available() and dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)

    def alone(self) -> Machine:
        """The same machine for this process alone, a step in one part: for what the other ranks do not take part in."""
        same = Machine(self.device, 1, self.precision, self.strict, self.hasten)
        same.rank, same.world = 0, 1
        return same

    def place(self, network: nn.Module) -> nn.Module:
        """The network on this device, its convolutions in the memory format that is fastest."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def turn(self, game: Game, player: Player) -> Iterator[None]:
        """Freeze everything and thaw the mover: the rule about gradients. (`Player.thawed` is its one exception.)"""
        for each in game.players.values():
            require(each.parameters, each is player)
        player.optimizer.zero_grad(set_to_none=True)
        try:
            with self.rounding():
                yield
        finally:
            require(player.parameters, False)

    @contextmanager
    def rounding(self) -> Iterator[None]:
        """What a GPU may do with float32 while moves are made: the policy stands here and nowhere else.

        The factors of convolutions and matrix products may be rounded to TF32 (11 bits of 24; sums stay float32),
        unless the machine is strict, and cuDNN tries its algorithms and keeps the fastest for each shape. Nothing of
        it outlasts the move, so scores are computed as PyTorch does by itself.
        """
        if self.device.type != "cuda":
            yield
            return
        cudnn, products = torch.backends.cudnn, torch.get_float32_matmul_precision()
        before = cudnn.allow_tf32, cudnn.benchmark
        torch.set_float32_matmul_precision("highest" if self.strict else "high")
        cudnn.allow_tf32, cudnn.benchmark = not self.strict, True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(products)
            cudnn.allow_tf32, cudnn.benchmark = before

    def autocast(self) -> AbstractContextManager[None]:
        """The precision networks are run in; scores and penalties, with their slopes, stay float32."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def step(self, player: Player, now: Now) -> float:
        """Average the player's gradients over ranks and let it take its step; returns the learning rate."""
        self._average_gradients(player)
        rate = player.rule.adjust(player.optimizer, player.name, now)
        player.optimizer.step()
        player.rule.settle(player.name, player.parameters)
        return rate

    def _average_gradients(self, player: Player) -> None:
        if self.world == 1:
            return
        # which parameters have a gradient depends on the move alone, so all ranks send the same; a zero in place of
        # none would let Adam's momentum move what the move does not touch
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over ranks."""
        if self.world > 1:
            dist.all_reduce(values)
            values /= self.world
        return values

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether any rank raises it; all ranks get the same answer. Waits for no device."""
        if self.world == 1:
            return list(flags)
        votes = torch.tensor([float(flag) for flag in flags])
        dist.all_reduce(votes)
        return [vote > 0 for vote in votes.tolist()]

    def finish(self) -> None:
        """Until the device has done all it was asked to."""
        if self.device.type in {"cuda", "mps"}:
            getattr(torch, self.device.type).synchronize()

    def sweep(self) -> None:
        """Give back the memory of games that are over. They hold themselves, so they would wait for a collection."""
        if self.device.type == "cuda":
            gc.collect()

    def dice(self) -> Tensor:
        """The state of the device's own random numbers, (bytes,) uint8 on the CPU; empty for the CPU itself."""
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.mps.get_rng_state() if self.device.type == "mps" else torch.empty(0, dtype=torch.uint8)

    def throw(self, dice: Tensor) -> None:
        """Put the device's own random numbers back to a state."""
        if self.device.type == "cuda" and len(dice):
            torch.cuda.set_rng_state(dice, self.device)
        if self.device.type == "mps" and len(dice):
            torch.mps.set_rng_state(dice)

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.world > 1:
            dist.barrier()

    def everyone(self, mine: Tensor) -> list[Tensor]:
        """This rank's tensor beside the other ranks' (all of one shape), in order of rank."""
        if self.world == 1:
            return [mine]
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(parts, mine)
        return parts


@contextmanager
def ranks() -> Iterator[int]:
    """Join the other processes that torchrun (or Slurm through it) has started; gives this one's number, alone 0."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0
        return
    here = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        if here >= torch.cuda.device_count():
            count = torch.cuda.device_count()
            raise BadInput(f"process {here} of this machine has no GPU: start at most {count} with --nproc-per-node")
        torch.cuda.set_device(here)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()
