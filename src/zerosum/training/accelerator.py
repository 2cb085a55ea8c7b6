"""The accelerator: device, precision, memory format and ranks of a process. Only the accelerator steps optimizers."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.game import Game
from zerosum.game.player import Player, set_requires_grad
from zerosum.game.schedule import Progress
from zerosum.game.shared_batch import WHOLE_BATCH, BatchShares, shared_batch
from zerosum.training.compile import CompileFn, eager

T = TypeVar("T")


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Compute with 0 in place of numbers below 1.2e-38, in this thread and those that it starts."""
    was_flushing = sys.float_info.min / 2 == 0  # half of the smallest normal number is a denormal one
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushing)


class Precision(NamedTuple):
    """The numerical precision of the networks."""

    dtype: torch.dtype
    """Autocast type: the dtype of the inputs and outputs of convolutions and matrix products."""
    disable_tf32: bool = False
    """Compute float32 with all 24 bits on GPUs too. TF32 would keep 11 bits of each factor."""


PRECISIONS = {
    "float32": Precision(torch.float32),
    "bfloat16": Precision(torch.bfloat16),
    "strict": Precision(torch.float32, disable_tf32=True),
}


def choose_device(name: str) -> torch.device:
    """Return the device of this name, or the best available device for "auto".

    Raises:
        BadInput: if there is no such device on this machine.
    """
    available = ["cpu"]
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        available.insert(0, "mps")
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if available[0] == "cuda" else available[0]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in available or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise BadInput(f"`device` {name}: no such device on this machine; choose one of auto, {', '.join(available)}")
    return device


class _SumOverRanks(torch.autograd.Function):
    """The sum of a tensor over ranks. Its derivative is the same sum again, so it can be differentiated repeatedly."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor) -> Tensor:
        """Return the sum over ranks of `values`, which have the same shape on every rank."""
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        """Return the gradient of the sum of all ranks' losses."""
        total: Tensor = _sum_over_ranks(gradient)
        return total


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _sum_over_ranks(values: Tensor) -> Tensor:
    total: Tensor = _SumOverRanks.apply(values)  # type: ignore[no-untyped-call]
    return total


class Accelerator:
    """Where and how training steps are computed."""

    def __init__(
        self,
        device: torch.device | str = "cpu",
        accumulate: int = 1,
        dtype: torch.dtype = torch.float32,
        disable_tf32: bool = False,
        compile_networks: CompileFn = eager,
    ) -> None:
        """Create the accelerator of this process. Its ranks are those of torch.distributed, if that is initialized.

        Args:
            device: device of the networks.
            accumulate: number of micro-batches in the batch of one step.
            dtype: autocast type of the networks.
            disable_tf32: see `Precision`.
            compile_networks: function that compiles a game's networks: `eager` (no compilation) or a `Compiler`.
        """
        self.device, self.accumulate = torch.device(device), accumulate
        self.dtype, self.disable_tf32, self.compile_networks = dtype, disable_tf32, compile_networks
        distributed = dist.is_available() and dist.is_initialized()
        self.rank, self.world_size = (dist.get_rank(), dist.get_world_size()) if distributed else (0, 1)

    def single_process(self) -> Accelerator:
        """Return this accelerator as rank 0 of 1 without micro-batches, for work that other ranks take no part in."""
        single = Accelerator(self.device, 1, self.dtype, self.disable_tf32, self.compile_networks)
        single.rank, single.world_size = 0, 1
        return single

    def prepare(self, network: nn.Module) -> nn.Module:
        """Move the network to the device, in channels_last memory format, which is fastest for convolutions."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def training_player(self, game: Game, player: Player) -> Iterator[None]:
        """Require gradients of this player's parameters only, zero them, and set the backend flags.

        Statistics of a batch, as of batch norm, are those of all ranks together: all of them make this move.

        All parameters are frozen again at the end. `Player.unfrozen` is the only exception to this rule.
        """
        for other in game.players.values():
            set_requires_grad(other.parameters, other is player)
        player.optimizer.zero_grad(set_to_none=True)
        try:
            with self.backend_flags(), shared_batch(self._batch_shares()):
                yield
        finally:
            set_requires_grad(player.parameters, False)

    def _batch_shares(self) -> BatchShares:
        """Return how the ranks share a batch."""
        if self.world_size == 1:
            return WHOLE_BATCH
        return BatchShares(self.world_size, lambda values: _sum_over_ranks(values) / self.world_size)

    @contextmanager
    def backend_flags(self) -> Iterator[None]:
        """Set how float32 is computed during a move. No other code sets these flags.

        On a processor, numbers below 1.2e-38 become 0: many processors compute with them a hundred times slower, and
        the optimizer's averages of gradients that have become 0 decay to such numbers.

        On a GPU, factors of convolutions and matrix products may be rounded to TF32 (11 of 24 bits; sums stay float32)
        unless `disable_tf32` is set, and cuDNN benchmarks its algorithms to keep the fastest for each shape. The former
        flags are restored after the move, so evaluation runs under PyTorch's defaults.
        """
        if self.device.type != "cuda":
            with flush_denormals():
                yield
            return
        cudnn, matmul_precision = torch.backends.cudnn, torch.get_float32_matmul_precision()
        former = cudnn.allow_tf32, cudnn.benchmark
        torch.set_float32_matmul_precision("highest" if self.disable_tf32 else "high")
        cudnn.allow_tf32, cudnn.benchmark = not self.disable_tf32, True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(matmul_precision)
            cudnn.allow_tf32, cudnn.benchmark = former

    def autocast(self) -> AbstractContextManager[None]:
        """Return the autocast context of the networks. Losses, penalties and input gradients stay float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def step(self, player: Player, progress: Progress) -> float:
        """Average the player's gradients over ranks, step its optimizer and return the learning rate."""
        self._average_gradients(player)
        lr = player.optimizer_config.prepare_step(player.optimizer, player.name, progress)
        player.optimizer.step()
        player.optimizer_config.clip_weights(player.name, player.parameters)
        return lr

    def _average_gradients(self, player: Player) -> None:
        if self.world_size == 1:
            return
        # The move alone decides which parameters have a gradient, so all ranks reduce the same ones. A zero gradient
        # instead of None would let Adam's momentum change parameters that the move does not use.
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world_size
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def all_reduce_mean(self, values: Tensor) -> Tensor:
        """Return the mean of `values` over ranks."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def all_reduce_any(self, *flags: bool) -> list[bool]:
        """Return for each flag whether it is True on any rank. Does not synchronize with the device."""
        if self.world_size == 1:
            return list(flags)
        counts = torch.tensor([float(flag) for flag in flags])
        dist.all_reduce(counts)
        return [count > 0 for count in counts.tolist()]

    def synchronize(self) -> None:
        """Wait until the device has finished all queued work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def free_memory(self) -> None:
        """Free the GPU memory of games that are no longer used.

        A game contains reference cycles, so its memory is held until the garbage collector runs.
        """
        if self.device.type == "cuda":
            gc.collect()

    def rng_state(self) -> Tensor:
        """Return the state of the device's random number generator, (bytes,) uint8 on the CPU; empty for the CPU."""
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.mps.get_rng_state() if self.device.type == "mps" else torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor) -> None:
        """Restore a state returned by `rng_state`."""
        if self.device.type == "cuda" and len(state):
            torch.cuda.set_rng_state(state, self.device)
        if self.device.type == "mps" and len(state):
            torch.mps.set_rng_state(state)

    def barrier(self) -> None:
        """Wait until all ranks have reached this point."""
        if self.world_size > 1:
            dist.barrier()

    def broadcast(self, value: T) -> T:
        """Return the first rank's value on every rank; it is pickled between the processes of this run."""
        if self.world_size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all ranks, which have one shape, in order of rank."""
        if self.world_size == 1:
            return [tensor]
        gathered = [torch.empty_like(tensor) for _ in range(self.world_size)]
        dist.all_gather(gathered, tensor)
        return gathered


_group_numbers = itertools.count()
"""Counts the process groups that this process has joined; the other ranks join the same ones in the same order."""


@cache
def _rendezvous() -> tuple[object, int, int]:
    """Return the store of this run, the rank and the number of ranks; one connection serves all groups."""
    store, rank, world_size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    return store, rank, world_size


@contextmanager
def process_group() -> Iterator[int]:
    """Join the process group of torchrun or Slurm, and yield this process's rank; 0 without one.

    A process group that exists already (of Ray Train, of Lightning Fabric) is used, and is not destroyed.

    Raises:
        BadInput: if more processes were started on this machine than it has GPUs.
    """
    if dist.is_available() and dist.is_initialized():
        yield dist.get_rank()
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            count = torch.cuda.device_count()
            raise BadInput(
                f"local rank {local_rank} has no GPU: this machine has {count}, so start at most {count} processes "
                "on it (torchrun's nproc-per-node)"
            )
        torch.cuda.set_device(local_rank)
    # the store still holds the addresses of processes killed before a restart by torchrun, and of groups that this
    # process has left: a prefix hides them
    store, rank, world_size = _rendezvous()
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt_{attempt}/group_{next(_group_numbers)}", store)  # type: ignore[attr-defined,arg-type]
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()
