"""Make torchmetrics and torch-fidelity, the references of these tests, importable without torchvision.

Both import torchvision, although the parts used here do not need it; its wheels depend on CUDA libraries. If it is not
installed, empty modules replace it.
"""

import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec


class EmptyModule(types.ModuleType):
    """A module in which every public name is an empty class."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class TorchvisionFinder:
    """Find every module of torchvision as an empty module."""

    def find_spec(self, name: str, *rest: object) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".", maxsplit=1)[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return EmptyModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


if importlib.util.find_spec("torchvision") is None:
    sys.meta_path.append(TorchvisionFinder())
