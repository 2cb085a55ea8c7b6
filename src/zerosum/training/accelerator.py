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
from zerosum.game.player import Player, set_requires_grad
from zerosum.game.schedule import Progress
from zerosum.training.compile import CompileFn, eager


class Precision(NamedTuple):
    """What networks are computed in."""

    dtype: torch.dtype
    """What their convolutions and matrix products take in and give out."""
    disable_tf32: bool = False
    """float32 means all its 24 bits on GPUs too, not the 11 that TF32 keeps of each factor."""


PRECISIONS = {
    "float32": Precision(torch.float32),
    "bfloat16": Precision(torch.bfloat16),
    "strict": Precision(torch.float32, disable_tf32=True),
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


class Accelerator:
    """Where and how moves are made."""

    def __init__(
        self,
        device: torch.device | str = "cpu",
        accumulate: int = 1,
        dtype: torch.dtype = torch.float32,
        disable_tf32: bool = False,
        compile_networks: CompileFn = eager,
    ) -> None:
        """A machine of this process; its ranks are those of torch.distributed, where that is up.

        Args:
            device: where networks are.
            accumulate: parts a step's batch is cut into.
            dtype: what networks are computed in.
            disable_tf32: see `Precision`.
            compile_networks: what makes a game's networks faster: `as_it_is`, or a `Compiler`.
        """
        self.device, self.accumulate = torch.device(device), accumulate
        self.dtype, self.disable_tf32, self.compile_networks = dtype, disable_tf32, compile_networks
        together = dist.is_available() and dist.is_initialized()
        self.rank, self.world_size = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)

    def single_process(self) -> Accelerator:
        """The same machine for this process alone, a step in one part: for what the other ranks do not take part in."""
        same = Accelerator(self.device, 1, self.dtype, self.disable_tf32, self.compile_networks)
        same.rank, same.world_size = 0, 1
        return same

    def prepare(self, network: nn.Module) -> nn.Module:
        """The network on this device, its convolutions in the memory format that is fastest."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def training_player(self, game: Game, player: Player) -> Iterator[None]:
        """Freeze everything and thaw the mover: the rule about gradients. (`Player.thawed` is its one exception.)"""
        for each in game.players.values():
            set_requires_grad(each.parameters, each is player)
        player.optimizer.zero_grad(set_to_none=True)
        try:
            with self.backend_flags():
                yield
        finally:
            set_requires_grad(player.parameters, False)

    @contextmanager
    def backend_flags(self) -> Iterator[None]:
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
        torch.set_float32_matmul_precision("highest" if self.disable_tf32 else "high")
        cudnn.allow_tf32, cudnn.benchmark = not self.disable_tf32, True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(products)
            cudnn.allow_tf32, cudnn.benchmark = before

    def autocast(self) -> AbstractContextManager[None]:
        """The precision networks are run in; scores and penalties, with their slopes, stay float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def step(self, player: Player, progress: Progress) -> float:
        """Average the player's gradients over ranks and let it take its step; returns the learning rate."""
        self._average_gradients(player)
        rate = player.optimizer_config.prepare_step(player.optimizer, player.name, progress)
        player.optimizer.step()
        player.optimizer_config.clip_weights(player.name, player.parameters)
        return rate

    def _average_gradients(self, player: Player) -> None:
        if self.world_size == 1:
            return
        # which parameters have a gradient depends on the move alone, so all ranks send the same; a zero in place of
        # none would let Adam's momentum move what the move does not touch
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world_size
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def all_reduce_mean(self, values: Tensor) -> Tensor:
        """The mean over ranks."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def all_reduce_any(self, *flags: bool) -> list[bool]:
        """For each flag, whether any rank raises it; all ranks get the same answer. Waits for no device."""
        if self.world_size == 1:
            return list(flags)
        votes = torch.tensor([float(flag) for flag in flags])
        dist.all_reduce(votes)
        return [vote > 0 for vote in votes.tolist()]

    def synchronize(self) -> None:
        """Until the device has done all it was asked to."""
        if self.device.type in {"cuda", "mps"}:
            getattr(torch, self.device.type).synchronize()

    def free_memory(self) -> None:
        """Give back the memory of games that are over. They hold themselves, so they would wait for a collection."""
        if self.device.type == "cuda":
            gc.collect()

    def rng_state(self) -> Tensor:
        """The state of the device's own random numbers, (bytes,) uint8 on the CPU; empty for the CPU itself."""
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.mps.get_rng_state() if self.device.type == "mps" else torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor) -> None:
        """Put the device's own random numbers back to a state."""
        if self.device.type == "cuda" and len(state):
            torch.cuda.set_rng_state(state, self.device)
        if self.device.type == "mps" and len(state):
            torch.mps.set_rng_state(state)

    def barrier(self) -> None:
        """Until all ranks are here."""
        if self.world_size > 1:
            dist.barrier()

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """This rank's tensor beside the other ranks' (all of one shape), in order of rank."""
        if self.world_size == 1:
            return [tensor]
        parts = [torch.empty_like(tensor) for _ in range(self.world_size)]
        dist.all_gather(parts, tensor)
        return parts


@contextmanager
def process_group() -> Iterator[int]:
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
