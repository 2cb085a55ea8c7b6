"""Export the generator of a run in a form that runs elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.inference.load import open_model
from zerosum.reporter import Reporter, SilentReporter
from zerosum.workflows.export_request import EXPORT_TARGETS, ExportRequest, ExportTarget
from zerosum.workflows.output_paths import complete_folder, first_free, make_name, outputs_folder


def export(
    run: str | Path,
    to: str = "onnx",
    *,
    into: str | Path | None = None,
    half: bool = False,
    best: bool = False,
    reverse: bool = False,
    ort: str | Path | None = None,
    push: str = "",
    reporter: Reporter | None = None,
) -> Path:
    """Export the generator or translator of a run in a form that runs elsewhere.

    Args:
        run: the run folder; of forms other than hub also a model folder, or hf:user/name.
        to: the form: onnx, pt2 (a program of `torch.export`), web (a page) or hub (a model folder).
        into: the folder or the file that is written, which must be new; by default inside `outputs/` of the run.
        half: store the weights of an ONNX model in half precision: half the size, with arithmetic in full precision.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        reverse: for runs that translate in both directions: from target to input.
        ort: for a web page: the package of ONNX Runtime Web, as `npm pack onnxruntime-web` downloads it, or its folder.
        push: for the hub: the name user/name of a new private model there, to which the folder is pushed.
        reporter: receives the messages; by default nothing is reported.

    Returns:
        The folder or the file that was written; after an error there is none.

    Raises:
        BadInput: the folder is no run and no model, an argument does not suit it, a package is missing, or the exported
            model does not compute what the network computes.

    Example:
        >>> folder = zerosum.export("runs/digits", "onnx")  # doctest: +SKIP
        >>> sorted(path.name for path in folder.iterdir())  # doctest: +SKIP
        ['README.md', 'config.json', 'infer.py', 'model.onnx']
    """
    target = _find_target(to)
    _check_options(to, target, {"half": half, "reverse": reverse, "ort": ort, "push": push})
    checkpoint = open_model(run, best=best).checkpoint
    request = ExportRequest(
        Path(run), best, reverse, half, Path(ort) if ort else None, push, reporter=reporter or SilentReporter()
    )
    path = Path(into) if into else _default_path(request, checkpoint, to, target)
    request = replace(request, name=path.resolve().name)
    if into:
        _check_is_free(path, target)
    if target.suffix:
        return write_atomically(path, lambda part: target.write(request, part))
    with complete_folder(path) as new:
        target.write(request, new)
    return path


def _find_target(to: str) -> ExportTarget:
    """Return the form of this name.

    Raises:
        BadInput: there is none.
    """
    if to not in EXPORT_TARGETS:
        raise BadInput(f"`to` {to}: there is no such form; choose one of {', '.join(EXPORT_TARGETS)}")
    return EXPORT_TARGETS[to]


def _check_options(to: str, target: ExportTarget, options: dict[str, object]) -> None:
    """Raise BadInput if an option is set that this form does not have."""
    for name, value in options.items():
        if value and name not in target.options:
            having = [other for other, each in EXPORT_TARGETS.items() if name in each.options]
            raise BadInput(f"`{name}`: `to` {to} has no such option; leave it out, or choose {' or '.join(having)}")


def _default_path(request: ExportRequest, checkpoint: str, to: str, target: ExportTarget) -> Path:
    """Return a free path among the outputs of the run, whose name holds the options."""
    options = ["half"] * request.half + ["reverse"] * request.reverse
    path = outputs_folder(request.run) / make_name(checkpoint, to, *options)
    free = first_free(path, lambda candidate: [candidate.with_name(f"{candidate.name}{target.suffix}")])
    return free.with_name(f"{free.name}{target.suffix}")


def _check_is_free(path: Path, target: ExportTarget) -> None:
    """Raise BadInput if something is at the path, other than an empty folder that is to be filled."""
    if target.suffix:
        if path.suffix.lower() != target.suffix:
            raise BadInput(f"`into` {path}: one file is written; name a new {target.suffix} file")
        if path.exists() or path.is_symlink():
            raise BadInput(f"`into` {path}: exists; name a new file, since nothing is overwritten")
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise BadInput(f"`into` {path}: exists and is not empty; name a new folder, since nothing is overwritten")
