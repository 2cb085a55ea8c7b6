"""What a user asks of `export`, and the forms that there are; each form is written by a function of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from zerosum.reporter import Reporter, SilentReporter


@dataclass(frozen=True)
class ExportRequest:
    """What a generator is exported from, and how. A form refuses options that it does not have."""

    run: Path
    """The run folder, a model folder, or hf:user/name."""
    best: bool = False
    """Use the networks with the best online evaluation instead of the newest checkpoint."""
    reverse: bool = False
    """For runs that translate in both directions: from target to input."""
    half: bool = False
    """Store the weights in half precision."""
    ort: Path | None = None
    """Where ONNX Runtime Web is, for a web page."""
    push: str = ""
    """The name user/name under which a model is pushed to the Hugging Face Hub; "" if it is not."""
    name: str = ""
    """The name of the folder or file that is written."""
    reporter: Reporter = field(default_factory=SilentReporter)


WriteExportFn: TypeAlias = Callable[[ExportRequest, Path], None]
"""Fill the new, empty folder at the path, or write the file of this name; what it raises leaves nothing behind."""


@dataclass(frozen=True)
class ExportTarget:
    """A form in which a generator is shipped."""

    location: str
    """The function that writes it, a `WriteExportFn`, as `package.module:function`; imported when it is used."""
    description: str
    """What is written, in a few words."""
    options: tuple[str, ...] = ()
    """The options of `ExportRequest` that not all forms have, and this one has."""
    suffix: str = ""
    """The suffix of the file that is written, such as ".html"; "" for a folder."""

    @property
    def write(self) -> WriteExportFn:
        """The function that writes it."""
        module, _, function = self.location.partition(":")
        write: WriteExportFn = vars(import_module(module))[function]
        return write


EXPORT_TARGETS: Mapping[str, ExportTarget] = MappingProxyType(
    {
        "onnx": ExportTarget(
            "zerosum.workflows.export_onnx:write_onnx",
            "a folder with an ONNX model and a script that runs it without PyTorch",
            options=("half", "reverse"),
        ),
        "pt2": ExportTarget(
            "zerosum.workflows.export_pt2:write_pt2",
            "a folder with a program that PyTorch runs without Zerosum",
            options=("reverse",),
        ),
        "web": ExportTarget(
            "zerosum.workflows.export_web:write_web",
            "one HTML page that runs it in a browser, without a connection",
            ("half", "reverse", "ort"),
            ".html",
        ),
        "hub": ExportTarget(
            "zerosum.workflows.export_hub:write_hub",
            "a folder for the Hugging Face Hub or another machine, which Zerosum loads without running code",
            ("push",),
        ),
    }
)
"""The forms by name, in the order of the help."""
