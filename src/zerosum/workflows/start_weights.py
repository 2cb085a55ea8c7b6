"""The weights that a run starts from: matched with its networks, told to the user, and kept in the run folder.

The run folder holds what was taken over, so that the run is continued exactly, and without the other run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.tensor_files import save_tensors
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.game.sample_spec import leaf_specs
from zerosum.networks.transfer import ClassNames, NetworkTransfer, match_weights
from zerosum.run_folder import START_FILE, Row, RunFolder
from zerosum.settings import Decision
from zerosum.units import format_count
from zerosum.workflows.tuning import PROVISIONAL_EXAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.codec import Codec
    from zerosum.data.dataset import Dataset
    from zerosum.game.game import Game
    from zerosum.game.sample_spec import SampleSpec
    from zerosum.inference.start import StartingPoint
    from zerosum.recipes.recipe import Recipe
    from zerosum.workflows.setup import TrainingSetup

MAX_NAMED = 4
"""Maximum number of tensors that a decision names; the plan has all of them."""


MAX_BLOCKS = 20
"""Maximum number of blocks that a message names."""
MIN_TAKEN = 0.1
"""Least part of the generator's weights that must be taken over."""


@dataclass(frozen=True)
class StartWeights:
    """What the networks of a new run take over."""

    tensors: Mapping[str, Tensor]
    """The new values, by their names in the game."""
    record: Row
    """From what they are, and what was not taken over, for plan.json."""
    decisions: list[Decision]
    """The same for the user."""

    def save(self, folder: Path) -> None:
        """Write the weights into a new run folder; nothing if there are none.

        Raises:
            OSError: the file cannot be written.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        if tensors:
            save_tensors(tensors, folder / START_FILE)


NO_START_WEIGHTS = StartWeights({}, {}, [])
"""What a run with newly initialized networks takes over."""


def take_over_weights(start: StartingPoint, setup: TrainingSetup, dataset: Dataset) -> StartWeights:
    """Match the weights of another run with the networks of a new one.

    Args:
        start: the other run.
        setup: the new run.
        dataset: its data.

    Raises:
        BadInput: hardly anything of the generator fits, the networks cannot be carried to another size, or the weights
            cannot be read.
    """
    recipe = setup.recipe
    saved_codec = start.read_codec()
    _check_sizes(start, recipe, saved_codec.codec.spec, dataset.spec)
    _check_blocks(start, saved_codec.codec, dataset.codec)
    weights = start.read_weights()
    game = setup.new_game(recipe.resolve_schedules(recipe.training.examples or PROVISIONAL_EXAMPLES), dataset)
    classes = ClassNames(
        start.classes,
        dataset.classes if recipe.is_conditional else (),
        saved_codec.codec.condition_entries,
        dataset.codec.condition_entries,
    )
    tensors: dict[str, Tensor] = {}
    transfers: dict[str, NetworkTransfer] = {}
    for player, part in game.starting_networks().items():
        prefix = next((p for p in part.saved_prefixes if any(name.startswith(p) for name in weights)), None)
        saved = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)} if prefix else {}
        transfers[player] = match_weights(part.network, saved, classes)
        tensors |= {part.prefix + name: tensor for name, tensor in transfers[player].tensors.items()}
    _require_enough(start, transfers["generator"])
    scales = saved_codec.codec.condition_scales, dataset.codec.condition_scales
    decisions = _describe(start, transfers) + _describe_classes(classes, *scales)
    return StartWeights(tensors, _build_record(start, transfers, classes), decisions + _describe_frozen(recipe))


def load_start_weights(game: Game, folder: RunFolder) -> None:
    """Give a newly initialized game the weights that its run starts from; unchanged if it starts from none.

    Raises:
        BadInput: the file in the run folder is damaged, or it is missing and there is no checkpoint.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder.path / START_FILE
    if not file.exists():
        if folder.read_intact_json("plan.json").get("start") and not folder.checkpoints():
            raise BadInput(f"{file} is missing: it holds the weights that this run starts from, so restore it")
        return
    try:
        game.load_state_dict(load_file(file), strict=False)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"{file} cannot be read ({reason}); it was written at the start of the run, so restore it"
        ) from error
    game.reset_emas()


def _require_enough(start: StartingPoint, transfer: NetworkTransfer) -> None:
    """Raise BadInput if hardly anything of the generator is taken over."""
    if transfer.num_taken < MIN_TAKEN * transfer.num_weights:
        raise BadInput(
            f"`start_from` {quote_path(start.name)}: only {transfer.num_taken:,} of {transfer.num_weights:,} weights of"
            " the generator fit those there; leave out the settings of the generator that you changed, or train from"
            " scratch"
        )


def _check_sizes(start: StartingPoint, recipe: Recipe, saved: SampleSpec, new: SampleSpec) -> None:
    """Raise BadInput if samples have another size, and the networks have other layers then."""
    sizes = [[leaf.shape[1:] for leaf in leaf_specs(spec)] for spec in (saved, new)]
    networks = {"generator": recipe.generator, "discriminator": recipe.discriminator}
    fixed = [name for name, network in networks.items() if not network.keeps_weights_across_sizes]
    if sizes[0] == sizes[1] or not fixed:
        return
    there, here = ("x".join(map(str, shapes[0][::-1])) for shapes in sizes)
    raise BadInput(
        f"`data.size` {here}: {quote_path(start.name)} was trained at {there}, and a {fixed[0]} of kind"
        f" {networks[fixed[0]].kind} has other layers at another size; leave it out, so that the images get that size"
    )


def _check_blocks(start: StartingPoint, saved: Codec, new: Codec) -> None:
    """Raise if the blocks of samples, such as columns, or their categories mean something else in the other run.

    Raises:
        BadInput: they do.
    """
    there, here = _list_blocks(saved), _list_blocks(new)
    if there == here:
        return
    names = [[name for name, _ in blocks] for blocks in (there, here)]
    if names[0] != names[1]:
        what = " and these data have ".join(printable(", ".join(own[:MAX_BLOCKS])) for own in names)
        what = f"was trained on {what}"
    else:
        name, values = next((name, (old, new)) for (name, old), (_, new) in zip(there, here, strict=True) if old != new)
        pairs = enumerate(zip_longest(*values, fillvalue="none"), 1)
        number, old, other = next((number, *pair) for number, pair in pairs if pair[0] != pair[1])
        what = f"category {number} of {printable(name)} is {old or 'a number'} there and {other or 'a number'} here"
    raise BadInput(
        f"`start_from` {quote_path(start.name)}: {what}, so its networks would mean something else; continue that run "
        "with the new data, which keeps its encoding, or train from scratch"
    )


def _list_blocks(codec: Codec) -> list[tuple[str, list[str]]]:
    """Return the name of each block of a sample, and those of its categories."""
    blocks = leaf_specs(codec.spec)[0].blocks if codec.block_names else ()
    return [
        (name, [codec.category_name(index, category) for category in range(block.categories)])
        for index, (name, block) in enumerate(zip(codec.block_names, blocks, strict=True))
    ]


def _build_record(start: StartingPoint, transfers: Mapping[str, NetworkTransfer], classes: ClassNames) -> Row:
    """Return what plan.json holds under "start"."""
    networks = {
        player: {
            "weights": transfer.num_weights,
            "taken": transfer.num_taken,
            "not_taken": dict(transfer.not_taken),
            "unused": list(transfer.unused),
        }
        for player, transfer in transfers.items()
    }
    new = [name for name in classes.new if name not in classes.kept]
    return {
        "start": {
            "from": start.address,
            "checkpoint": start.model.checkpoint,
            "examples": start.examples,
            "networks": networks,
            "classes": {"kept": list(classes.kept), "new": new},
            "conditions": {"kept": list(classes.kept_numbers), "new": _list_new_numbers(classes)},
        }
    }


def _list_new_numbers(classes: ClassNames) -> list[str]:
    return [name for name in classes.new_numbers if name not in classes.kept_numbers]


def _describe(start: StartingPoint, transfers: Mapping[str, NetworkTransfer]) -> list[Decision]:
    """Return what was taken over, one decision for each network."""
    where = f"from {start.name} after {format_count(start.examples)} examples"
    return [
        Decision(
            player.replace("_", " "),
            f"{format_count(transfer.num_taken)} of {format_count(transfer.num_weights)} weights",
            f"{where}; {_describe_rest(transfer.not_taken)}",
        )
        for player, transfer in transfers.items()
    ]


def _describe_classes(
    classes: ClassNames, former_scales: Mapping[str, tuple[float, float]], scales: Mapping[str, tuple[float, float]]
) -> list[Decision]:
    """Return which classes and numeric conditions were taken over, and which numbers are scaled in another way."""
    decisions = []
    if classes.new:
        new = [name for name in classes.new if name not in classes.kept]
        reason = f"new: {_enumerate(new)}" if new else "all of them are there"
        decisions.append(Decision("classes", f"{len(classes.kept)} of {len(classes.new)} kept", reason))
    if classes.new_numbers:
        numbers = _list_new_numbers(classes)
        anew = [
            "{} is scaled by mean {:.4g} and deviation {:.4g}, there by {:.4g} and {:.4g}".format(
                name, *scales[name], *former_scales[name]
            )
            for name in classes.kept_numbers
            if name in scales.keys() & former_scales.keys() and scales[name] != former_scales[name]
        ]
        reason = "; ".join(([f"new: {_enumerate(numbers)}"] if numbers else []) + anew) or "all of them are there"
        count = len(classes.new_numbers)
        decisions.append(Decision("conditions", f"{len(classes.kept_numbers)} of {count} kept", reason))
    return decisions


def _describe_frozen(recipe: Recipe) -> list[Decision]:
    """Return which stages are frozen, if any are."""
    frozen = [
        f"{pluralize(count, 'stage')} of the {player}, from the sample on"
        for player, count in recipe.training.freeze.items()
    ]
    return [Decision("frozen", " and ".join(frozen), "`training.freeze`")] if frozen else []


def _describe_rest(not_taken: Mapping[str, str]) -> str:
    if not not_taken:
        return "all fit"
    return f"not taken over: {_enumerate([f'{name} ({reason})' for name, reason in not_taken.items()])}"


def _enumerate(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
