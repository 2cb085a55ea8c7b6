"""Test the reference, the scores and the page of the benchmark of sounds."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sounds import write_hits

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import audio_scores
from audio_page import UNSEEN, page
from audio_wavegan import LATENT, Loop, WaveDiscriminator, WaveGenerator, shuffle_phase


def test_wavegan_has_the_shapes_of_the_paper() -> None:
    generator, critic = WaveGenerator(64, 3), WaveDiscriminator(64, 3)
    weights = [sum(p.numel() for p in n.parameters()) for n in (generator.layers, critic.layers)]
    taps, channels = 25, [(1024, 512), (512, 256), (256, 128), (128, 64), (64, 1)]
    assert weights[0] == sum(taps * i * o + o for i, o in channels)
    assert weights[1] == sum(taps * i * o + i for i, o in channels)
    with torch.no_grad():
        sounds = generator(torch.zeros(1, LATENT), torch.tensor([1]))
        assert (sounds.shape, critic(sounds, torch.tensor([1])).shape) == ((1, 16_384), (1,))


def test_the_loop_trains_both_networks() -> None:
    torch.manual_seed(0)
    loop = Loop(0.1 * torch.randn(6, 16_384), torch.tensor([0, 1, 0, 1, 0, 1]), width=1)
    weights = [*loop.generator.named_parameters(), *loop.critic.named_parameters()]
    before = [weight.detach().clone() for _, weight in weights]
    loop.step()
    for former, (name, weight) in zip(before, weights, strict=True):
        assert name == "dense.bias" or not torch.equal(former, weight), name  # the critic's is not trained by WGAN
    assert loop.sample(torch.tensor([0, 1])).abs().max() <= 1


def test_phases_are_shuffled_by_two_at_most() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(32.0).repeat(64, 3, 1)
    moved = (shuffle_phase(ramp) - ramp)[:, :, 4:-4]
    assert set(moved.unique().tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert (moved == moved[:, :1, :1]).all()


def test_copies_and_noise_have_their_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By spectrograms in place of aiSFX features, whose weights tests do not have."""
    for name, per_class in (("train", 20), ("test", 6)):
        write_hits(tmp_path / name, per_class=per_class, rate=8_000 if name == "train" else 11_025)
    monkeypatch.setattr(audio_scores, "SIZE", 16)
    monkeypatch.setattr(audio_scores, "RATE", 8_000)
    monkeypatch.setattr(audio_scores, "SECONDS", 0.128)
    scorer = audio_scores.Scorer(tmp_path)
    monkeypatch.setattr(
        audio_scores.Scorer, "_features", lambda self, sounds: self.codec.encode_sounds(sounds).flatten(1)
    )
    unseen, copies = scorer.score_unseen(), scorer.score(scorer.train_sounds, scorer.train_labels)
    noise = np.random.default_rng(0).normal(size=scorer.train_sounds.shape).clip(-1, 1).astype(np.float32)
    of_noise = scorer.score(noise, scorer.train_labels)
    assert unseen["nearest_ratio"] == 1
    assert copies["nearest_ratio"] == 0
    assert of_noise["kid_aisfx"] > max(unseen["kid_aisfx"], copies["kid_aisfx"])
    assert of_noise["class_probe"] < 0.8 < copies["class_probe"]
    assert copies["class_own"] > 0.8
    assert 0 < scorer.time_decoding() < 10
    noisy = {str(seed): {"cpu_seconds": 60.0, "steps": 9, "scores": of_noise} for seed in (0, 1)}
    real = {"cpu_seconds": 0.0, "decoding": 0.05, "scores": unseen}
    text = page({UNSEEN: {"0": real}, "wavegan": noisy})
    assert "| wavegan | 2 | 60 (60 to 60) | 9 (9 to 9) steps |" in text
    assert "in 0.050 CPU s" in text
