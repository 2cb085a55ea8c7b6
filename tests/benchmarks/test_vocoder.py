"""Test the comparison of the benchmark of vocoders."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from vocoder import COMPARED, measure_references, measure_times, page

from sounds import write_hits
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.inference.translator import Translator
from zerosum.networks.configs import VocosGeneratorConfig
from zerosum.networks.vocos import SpectrogramVocoder
from zerosum.workflows.evaluate_pairs import TranslationSet


def test_both_methods_are_timed_on_one_thread(tmp_path: Path) -> None:
    source = str(write_hits(tmp_path, per_class=8))
    data = AudioDataConfig(source=source, size=16, rate=8_000, seconds=0.128, degrade=("mel",))
    dataset, threads = load_dataset(data, LoadOptions()), torch.get_num_threads()
    network = VocosGeneratorConfig(width=8, blocks=1).build(0, dataset.spec, 0, dataset.input_spec)
    translator = Translator(network.eval(), (16, 16), (1, 1024), "0")
    times = measure_times(translator, TranslationSet.from_dataset(dataset, held_out=True))
    assert set(times) == {"vocoder", "baseline"}
    assert min(times.values()) > 0
    assert torch.get_num_threads() == threads


def test_references_have_the_spectrogram_of_the_input(tmp_path: Path) -> None:
    source = str(write_hits(tmp_path, per_class=8))
    data = AudioDataConfig(source=source, size=16, rate=8_000, seconds=0.128, degrade=("mel",))
    dataset = load_dataset(data, LoadOptions())
    network = VocosGeneratorConfig(width=8, blocks=1).build(0, dataset.spec, 0, dataset.input_spec)
    assert isinstance(network, SpectrogramVocoder)
    references = measure_references(network, TranslationSet.from_dataset(dataset, held_out=True))
    phases, noise = (references[name]["multi_resolution_stft"] for name in ("recorded phases", "noise"))
    assert 0 < phases < noise


def test_page_says_how_much_smaller_distances_are() -> None:
    scores = {name: {"value": 0.5, "error": 0.1, "input": 1.0} for name in COMPARED}
    result = {
        "sounds": 3, "examples": 64, "baseline": "Griffin-Lim", "scores": scores, "training_seconds": 1_800.0,
        "seconds_per_second": {"vocoder": 0.05, "baseline": 0.06},
        "references": {"noise": dict.fromkeys(COMPARED, 0.7)},
    }  # fmt: skip
    text = page({"hits": result})
    assert "| smaller by | 50% | 50% | 50% |" in text
    assert "| noise | 0.700 |" in text
