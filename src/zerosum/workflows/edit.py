"""Edit samples in latent space: style mixing, semantic directions, and inversion of real images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput
from zerosum.inference.load import open_model, read_recipe
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporter import Reporter, SilentReporter, TimedProgress
from zerosum.run_folder import RunFolder
from zerosum.workflows.bounds import check_memory, check_number, check_seed, check_whole_number
from zerosum.workflows.editing_session import EditingSession
from zerosum.workflows.encode_text import DEFAULT_NEIGHBORS, encode_text
from zerosum.workflows.output_paths import files_removed_on_error, join_numbers, optional_part

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zerosum.inference.directions import Directions
    from zerosum.inference.latent_space import FeatureFn

MAX_INDEX = 2**31 - 1
"""The largest index of a sample of a seed."""
MAX_INDICES = 1_000
"""Samples that one command moves or mixes."""
MAX_STEPS = 1_000
"""Images in a row of edits."""
MAX_SIGMA = 100.0
"""Largest distance of an edit in standard deviations; beyond 5, images are rarely recognizable."""
MAX_INVERSION_STEPS = 10_000
"""Optimization steps; Karras et al. 2019, arXiv:1912.04958, take 1,000."""
MAX_DIGITS = 9
"""Digits of the index of a component."""
DIRECTION_FORMATS = "sefa:K, pca:K (K = 0, 1, 2, ...) or class:NAME"


def mix(
    run: str | Path,
    rows: Sequence[int],
    columns: Sequence[int],
    *,
    layers: str = "coarse",
    seed: int = 0,
    truncation: float | None = None,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> Path:
    """Mix styles: draw samples (rows) with the styles of other samples (columns) in some layers.

    Args:
        run: the run folder, a model folder or hf:user/name; its generator must have styles (StyleGAN2).
        rows: indices of the samples that keep all other layers.
        columns: indices of the samples whose styles are used in `layers`.
        layers: coarse, middle, fine, or a range of layers such as 2:5.
        seed: the seed of the samples.
        truncation: styles are interpolated from the mean style (near 0) to themselves (1, the default).
        label: the class of all samples, by name or index; by default the first one.
        into: the path of the image, ending in .png; by default inside `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The path of a grid: rows and columns alone at its edges, their mixtures inside.

    Raises:
        BadInput: the folder is not a run, its generator has no styles, or an index is out of range.

    Example:
        >>> path = zerosum.mix("runs/faces", rows=[0, 1], columns=[2, 3, 4])  # doctest: +SKIP
    """
    _require_valid_indices("rows", rows)
    _require_valid_indices("columns", columns)
    check_seed(seed)
    session = EditingSession.from_run(run, device, best, label, truncation)
    check_memory("rows", (len(rows) + 1) * (len(columns) + 1), session.generator)
    from zerosum.inference.latent_space import parse_layers
    from zerosum.inference.style_mixing import style_mixing_grid
    from zerosum.inference.writers import draw_frames
    from zerosum.media.raster import make_grid, save_image

    layer_range = parse_layers(layers, session.space.num_layers)
    path = session.prepare_output_path(
        ("mix", join_numbers(rows), "with", join_numbers(columns), layers, f"seed{seed}"), into
    )
    grid = style_mixing_grid(
        session.space, session.compute_codes(rows, seed), session.compute_codes(columns, seed), layer_range,
        partial(draw_frames, session.generator),
    )  # fmt: skip
    save_image(make_grid(grid, columns=len(columns) + 1), path)
    return path


def edit(
    run: str | Path,
    direction: str,
    *,
    sample_indices: Sequence[int] = (0, 1, 2, 3),
    max_sigma: float = 3.0,
    steps: int = 7,
    layers: str = "all",
    seed: int = 0,
    truncation: float | None = None,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Move samples along a direction of the latent space.

    Args:
        run: the run folder, a model folder or hf:user/name; its generator must generate images.
        direction: sefa:K, the K-th closed-form direction (SeFa); pca:K, the K-th principal component (GANSpace); or
            class:NAME, towards a class of the data, learned from a classifier's scores of samples (InterFaceGAN).
        sample_indices: indices of the samples.
        max_sigma: the distance to move in both directions, in standard deviations.
        steps: the number of images in a row.
        layers: the layers whose styles are moved: all, coarse, middle, fine, or a range such as 2:5.
        seed: the seed of the samples.
        truncation: of the styles, or of the latents of a generator without styles; by default neither is truncated.
        label: the class of all samples, by name or index; by default the first one.
        into: the path of the image, ending in .png; by default inside `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives how much the direction explains; by default nothing is reported.

    Returns:
        The path of a grid with a row for each sample.

    Raises:
        BadInput: the folder is not a run, or there is no such direction.

    Example:
        >>> path = zerosum.edit("runs/digits", "pca:0", sample_indices=[0, 1], steps=5)
    """
    _require_valid_indices("sample_indices", sample_indices)
    kind, name = _parse_direction(direction)
    check_whole_number("steps", steps, 2, MAX_STEPS)
    check_number("max_sigma", max_sigma, 0, MAX_SIGMA)
    check_seed(seed)
    session = EditingSession.from_run(run, device, best, label, truncation)
    check_memory("steps", len(sample_indices) * steps, session.generator)
    from zerosum.inference.directions import std_along, traverse
    from zerosum.inference.latent_space import parse_layers
    from zerosum.inference.writers import draw_frames
    from zerosum.media.raster import make_grid, save_image

    reporter = reporter or SilentReporter()
    layer_range = parse_layers(layers, session.space.num_layers)
    samples = "" if list(sample_indices) == [0, 1, 2, 3] else f"samples{join_numbers(sample_indices)}"
    options = (samples, optional_part("sigma", max_sigma, 3), optional_part("steps", steps, 7))
    path = session.prepare_output_path(("edit", direction, layers, f"seed{seed}", *options), into)
    index, directions = _find_directions(kind, name, session, reporter)
    vector, strength = directions.vectors[index], float(directions.strengths[index])
    meaning = {
        "sefa": "of the squared norm of the first weights", "pca": "of the variance",
        "class": "of the samples are classified correctly",
    }  # fmt: skip
    reporter.message(f"{direction}: {strength:.1%} {meaning[kind]}")
    std = std_along(session.space.to_vectors(session.draw_latents(), session.label), vector)
    codes = traverse(session.compute_codes(sample_indices, seed), vector, std, max_sigma, steps, layer_range)
    images = draw_frames(session.generator, session.space.generate(codes.flatten(0, 1), session.label))
    save_image(make_grid(images, columns=steps), path)
    return path


def encode(
    run: str | Path,
    item: str | Path,
    *,
    steps: int = 500,
    per_layer: bool = False,
    neighbors: int = DEFAULT_NEIGHBORS,
    seed: int = 0,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Find the latent code of an image, by gradient descent, or of a molecule, by the encoder of its run.

    Args:
        run: the run folder, a model folder or hf:user/name, of images or of molecules.
        item: the image file, or the SMILES text of the molecule.
        steps: of images, the number of optimization steps.
        per_layer: of images, optimize a style for each layer (W+): closer to the image, but harder to edit.
        neighbors: of molecules, how many others are shown that the decoder draws around the code.
        seed: the seed of the noise of the optimization.
        label: the class of the image, by name or index; by default the first one.
        into: the path of the output image, ending in .png, or the folder of molecules; by default inside `outputs/` of
            the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the error, or the reconstruction and neighbors; by default nothing is reported.

    Returns:
        The path of an image that shows the target and its reconstruction, with the code next to it as an .npy file of
        shape (layers, W). Of a molecule, a folder of the files of `sample`, of the molecule, its reconstruction and its
        neighbors, with code.npy (C,).

    Raises:
        BadInput: the folder is not a run, the file is not an image, or the text is no molecule that the run can encode.

    Example:
        >>> path = zerosum.encode("runs/digits", "three.png", steps=100)  # doctest: +SKIP
    """
    check_whole_number("steps", steps, 1, MAX_INVERSION_STEPS)
    check_seed(seed)
    if not MEDIA_KINDS.find(open_model(run, best=best).recipe.data.kind).has_frames:
        return encode_text(
            run, str(item), neighbors=neighbors, seed=seed, into=into, best=best, device=device, reporter=reporter
        )
    session = EditingSession.from_run(run, device, best, label, None)
    options = (optional_part("steps", steps, 500), "per-layer" if per_layer else "")
    path = session.prepare_output_path(("encode", Path(item).stem, f"seed{seed}", *options), into, (".png", ".npy"))
    from zerosum.game.sample_tree import single_tensor

    data = open_model(run, best=best).recipe.data
    target = single_tensor(DATA_KINDS.find(data.kind).load_file(data, Path(item), session.generator.codec))
    import numpy as np
    import torch

    from zerosum.files import write_atomically
    from zerosum.inference.inversion import InversionOptions, invert_images
    from zerosum.inference.writers import draw_frames
    from zerosum.media.raster import make_grid, save_image

    inversion = invert_images(
        session.space, target, session.draw_latents(), label=session.label,
        feature_fn=_load_feature_fn(session.space.device),
        options=InversionOptions(steps=steps, per_layer=per_layer), seed=seed,
        progress=TimedProgress(reporter or SilentReporter(), "optimizing the latent code"),
    )  # fmt: skip
    first, last = float(inversion.errors[0, 0]), float(inversion.errors[-1, 0])
    (reporter or SilentReporter()).message(f"{item}: error {first:.4f} at the first step, {last:.4f} at the last")
    code = inversion.codes[0].numpy()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a path, numpy would append a suffix
            np.save(file, code)

    with files_removed_on_error([path, path.with_suffix(".npy")]):
        save_image(make_grid(draw_frames(session.generator, torch.cat([target, inversion.images])), columns=2), path)
        write_atomically(path.with_suffix(".npy"), write)
    return path


def _require_valid_indices(argument: str, sample_indices: Sequence[int]) -> None:
    if not 1 <= len(sample_indices) <= MAX_INDICES:
        raise BadInput(f"`{argument}`: {len(sample_indices):,} sample indices; give 1 to {MAX_INDICES:,}")
    for index in (min(sample_indices), max(sample_indices)):
        check_whole_number(argument, index, 0, MAX_INDEX)


def _parse_direction(direction: str) -> tuple[str, str]:
    """Return the kind of a direction, and its index or class name; raise BadInput if it has another form."""
    kind, _, rest = direction.partition(":")
    is_index = rest.isdecimal() and len(rest) <= MAX_DIGITS
    if kind not in ("sefa", "pca", "class") or not rest or (kind != "class" and not is_index):
        raise BadInput(f"`direction` {direction}: choose {DIRECTION_FORMATS}")
    return kind, rest


def _find_directions(kind: str, name: str, session: EditingSession, reporter: Reporter) -> tuple[int, Directions]:
    """Return the index of the requested direction, and the directions of its kind."""
    from zerosum.inference import directions

    if kind == "sefa":
        index = _component_index(kind, name, directions.num_sefa_directions(session.space))
        return index, directions.sefa(session.space, index + 1)
    latents = session.draw_latents()
    if kind == "pca":
        num_components = directions.num_ganspace_directions(session.space, latents, session.label)
        index = _component_index(kind, name, num_components)
        return index, directions.ganspace(session.space, latents, session.label, index + 1)
    probability_fn, names = _load_class_probability_fn(name, session, reporter)
    # samples of all classes of a conditional generator: samples of one class hold no direction to another
    vectors, probabilities = directions.score_samples(session.space, latents, probability_fn, session.draw_labels())
    return 0, directions.interfacegan(vectors, probabilities, names.index(name), name)


def _component_index(kind: str, name: str, num_components: int) -> int:
    """Return the index of a component; raise BadInput if there are not that many."""
    index = int(name)
    if index >= num_components:
        raise BadInput(
            f"`direction` {kind}:{name}: there are {num_components} components, 0 to {num_components - 1}; name one of "
            "them"
        )
    return index


def _load_class_probability_fn(
    class_name: str, session: EditingSession, reporter: Reporter
) -> tuple[FeatureFn, tuple[str, ...]]:
    """Train a classifier of the run's data, and return a function to its class probabilities, and the class names.

    Raises:
        BadInput: the data have no class of that name.
    """
    from zerosum.evaluation.evaluator import train_classifier
    from zerosum.workflows.run_data import read_run_data

    folder = RunFolder.open(Path(session.run))
    dataset = read_run_data(folder, read_recipe(folder), reporter)
    if not dataset.classes:
        raise BadInput(f"{session.run} was trained on data without classes: choose `direction` sefa:0 or pca:0")
    if class_name not in dataset.classes:
        classes = ", ".join(dataset.classes[:20])
        raise BadInput(f"`direction` class:{class_name}: there is no such class; choose one of {classes}")
    classifier = train_classifier(dataset, session.space.device, reporter)
    if classifier is None:
        raise BadInput(f"{session.run} was trained on data without a classifier: choose `direction` sefa:0 or pca:0")

    def compute_probabilities(images: Tensor) -> Tensor:
        probabilities = classifier(images.to(session.space.device)).probabilities
        assert probabilities is not None, "a classifier returns probabilities"
        return probabilities.cpu()

    return compute_probabilities, dataset.classes


def _load_feature_fn(device: torch.device) -> FeatureFn:
    """Return the features that inversion compares in addition to pixels: EfficientNet-Lite0, if it is installed."""
    import torch

    from zerosum.inference.inversion import no_features
    from zerosum.networks import efficientnet_lite0, projected

    if efficientnet_lite0.find_weights() is None:
        return no_features
    network = projected.FrozenEfficientNet(64).to(device)

    def compute_features(images: Tensor) -> Tensor:
        return torch.cat([feature_map.mean((2, 3)) for feature_map in network(images)], 1)

    return compute_features
