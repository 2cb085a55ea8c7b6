"""Sees a set and scores it, alone or as one of several ranks; the first one writes down what came out."""

import sys
import tempfile
from pathlib import Path

import torch
from test_gather import examples, see, whole

from zerosum.evaluation.result import compute_scores
from zerosum.evaluation.sample_sets import RealSet
from zerosum.training.accelerator import process_group

data = examples(1300)
with process_group() as rank, tempfile.TemporaryDirectory() as scratch:
    seen = [
        see(RealSet.from_dataset(data, part, "noise"), Path(scratch), keep=keep)
        for part, keep in ((data.train[:600], True), (data.train[600:], False))
    ]
    if rank == 0:
        scores = {name: score.value for name, score in compute_scores(*seen, neighbors=5).items()}
        torch.save({"features": whole(seen[1].features), "scores": scores}, sys.argv[1])
