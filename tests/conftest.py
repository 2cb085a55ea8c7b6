import os

import pytest
import torch

torch.set_num_threads(1)  # more threads do not speed up small tensors, and slow down a busy machine


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["ZEROSUM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
