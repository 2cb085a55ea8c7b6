"""A kind of data of your own, here short time series. Run it with `python examples/new_kind.py FOLDER 500k`."""

import sys

import numpy as np
from PIL import Image, ImageDraw

import zerosum
from zerosum.data.codec import Codec
from zerosum.data.config import DataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.kind import DATA_KINDS, DataKind, Inspection
from zerosum.data.split import split_by_content
from zerosum.data.summary import DatasetSummary
from zerosum.evaluation.kinds.base import EVALUATION_KINDS, EvaluationKind, ItemMetric
from zerosum.evaluation.metrics.score import Score
from zerosum.game.sample_spec import TensorSpec
from zerosum.media.kind import MEDIA_KINDS, MediaKind


class WaveCodec(Codec):
    spec = TensorSpec((32,), bounded=True)
    encode = staticmethod(lambda raw: raw)
    decode = staticmethod(lambda sample, seed: sample.clamp(-1, 1).float().cpu().numpy())
    embed = staticmethod(lambda sample: sample.detach().float().cpu())


class Waves(DataKind):
    name, noun, builtin, config, variants = "waves", "wave", ("sines",), DataConfig, ("points",)
    claims = staticmethod(lambda table: float(table.get("source") == "sines"))
    inspect = staticmethod(lambda data: Inspection(data.source, 2_000))
    restore_codec = staticmethod(lambda settings, tensors: WaveCodec())

    def load(self, data, options, inspection=None):
        rng, time, ids = np.random.default_rng(0), np.linspace(0, 6.3, 32), np.arange(2_000, dtype=np.uint64) << 53
        waves = np.sin(rng.integers(1, 4, (2_000, 1)) * time + rng.uniform(0, 6.3, (2_000, 1))).astype(np.float32)
        both = options.keep_sides(ids, *split_by_content(ids, options.held_out_fraction, bounded=options.bounded_split))
        summary = DatasetSummary(data.source, self.name, len(waves), {}, *map(len, both))
        return Dataset(waves, np.zeros(2_000, int), (), ids, *both, summary, WaveCodec())


class WaveEvaluation(EvaluationKind):
    roughness = staticmethod(lambda c: Score(float(abs(np.diff(c.generated, 2).std() - np.diff(c.real, 2).std()))))
    metrics = (ItemMetric("roughness", "difference in roughness from real {noun}s", roughness, lower_is_better=True),)


class WaveMedia(MediaKind):
    write = staticmethod(lambda items, codec, to, first=0: np.savetxt(to / f"waves{first}.csv", items, "%.4f", ","))

    def draw(self, items, real=None, columns=0):
        image = Image.new("RGB", (320, 200), "white")
        for wave in items[:16]:
            ImageDraw.Draw(image).line([(10 * t, 100 - 90 * float(y)) for t, y in enumerate(wave)], "blue")
        return image


for registry, kind in ((DATA_KINDS, Waves()), (EVALUATION_KINDS, WaveEvaluation()), (MEDIA_KINDS, WaveMedia())):
    registry.register("waves", kind)
run = zerosum.train("sines", run=sys.argv[1], examples=sys.argv[2], settings={"diagnostics.every_examples": 10_000})
print(zerosum.sample(run.path, 16), zerosum.evaluate(run.path)["scores"])
