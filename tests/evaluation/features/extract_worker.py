"""Extract features of two sets and compute scores, alone or as one of several ranks; rank 0 saves the results."""

import sys
import tempfile
from pathlib import Path

import torch
from test_extract import extract, make_dataset, to_tensor

from zerosum.evaluation.metrics.frechet import frechet_distance
from zerosum.evaluation.metrics.pairwise import compute_pairwise_scores
from zerosum.evaluation.sample_sets import RealSet
from zerosum.training.accelerator import process_group

dataset = make_dataset(1300)
with process_group() as rank, tempfile.TemporaryDirectory() as scratch:
    feature_sets = [
        extract(RealSet.from_dataset(dataset, indices, "noise"), Path(scratch), use_cache=use_cache)
        for indices, use_cache in ((dataset.train[:600], True), (dataset.train[600:], False))
    ]
    if rank == 0:
        tables = [feature_set.features for feature_set in feature_sets]
        pairwise = compute_pairwise_scores(*tables, neighbors=5)
        scores = {name: vars(pairwise)[name].value for name in ("kernel_distance", "precision", "recall", "coverage")}
        scores["fd"] = frechet_distance(*tables).value
        torch.save({"features": to_tensor(feature_sets[1].features), "scores": scores}, sys.argv[1])
