"""torchmetrics and torch-fidelity are authorities here. Both import torchvision where what we ask of them needs none of
it, so where it is missing (its wheels pull in CUDA libraries) empty modules stand in for it."""

import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec


class Hollow(types.ModuleType):
    """A module whose every public name is there, and is nothing."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Stub:
    """Finds any module of torchvision, hollow."""

    def find_spec(self, name: str, *rest: object) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".", maxsplit=1)[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return Hollow(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


if importlib.util.find_spec("torchvision") is None:
    sys.meta_path.append(Stub())
