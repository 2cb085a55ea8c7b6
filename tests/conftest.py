import os

import pytest
import torch

torch.set_num_threads(1)  # the suite's many small tensors gain nothing from more, and busy machines lose much


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["ZEROSUM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
