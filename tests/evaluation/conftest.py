"""torchmetrics and torch-fidelity are authorities here; both import torchvision when it is not needed, so an empty
module stands in for it where it is missing (its wheels pull in CUDA libraries)."""

import importlib.util
import sys
import types

if importlib.util.find_spec("torchvision") is None:
    stub = types.ModuleType("torchvision")
    stub.__spec__ = importlib.util.spec_from_loader("torchvision", None)
    stub.transforms = types.ModuleType("torchvision.transforms")
    sys.modules["torchvision"] = stub
    sys.modules["torchvision.transforms"] = stub.transforms
