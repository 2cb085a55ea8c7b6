"""Translation into sounds: training, applying to files of any length without seams, and evaluation."""

import json
import runpy
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from workflow_helpers import RecordingReporter

from sounds import hit, noise, sine, write_hits
from zerosum import api
from zerosum.data.audio.codec import PEAK
from zerosum.data.audio.degradations import SoundDegradations
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.errors import BadInput
from zerosum.inference import translator as translator_module
from zerosum.inference.load import load_translator, open_model, read_recipe
from zerosum.inference.translator import Translator
from zerosum.media import audio_signals
from zerosum.media.audio_signals import AudioSignals
from zerosum.media.signals import Signal
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_pairs import compute_paired_scores, load_translation_data

RATE, HOP = 8_000, 64
SETTINGS: dict[str, object] = {
    "data.size": 16, "data.rate": RATE, "data.seconds": 0.128, "data.crop": 8, "generator.width": 8,
    "generator.blocks": 1, "discriminator.periods": [2], "discriminator.period_widths": [4, 4],
    "discriminator.windows": [64], "discriminator.window_width": 4, "terms.log_mel.windows": [128],
    "diagnostics.samples": 16, "diagnostics.every_examples": 32, "evaluation.every_examples": 32,
    "evaluation.samples": 64, "evaluation.features": "log_mel",
}  # fmt: skip
LEARNING: dict[str, object] = {
    "generator.width": 32, "generator.fitting_steps": 2, "diagnostics.every_examples": 320,
    "evaluation.every_examples": 320, "optimizer.lr": 2e-3, "ema.half_life": 0,
}  # fmt: skip
"""Settings of a network that learns within some hundred examples."""


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hits(tmp_path_factory.mktemp("hits"), per_class=16)


@pytest.fixture(scope="module")
def vocoder(hits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("vocoder") / "run"
    return api.train(hits, recipe="vocoder", examples=64, batch_size=8, run=run, settings=SETTINGS).path


@pytest.fixture(scope="module")
def enhancer(hits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, settings = tmp_path_factory.mktemp("enhancer") / "run", SETTINGS | {"generator.hop": HOP}
    return api.train(hits, recipe="enhance", examples=32, batch_size=8, run=run, settings=settings).path


def files_of(run: Path, degrade: bool = False) -> AudioSignals:
    model = open_model(run)
    codec = model.read_codec().codec
    assert isinstance(codec, WaveCodec)
    return AudioSignals(codec, model.recipe.data.degradations, degrade)


def assert_no_seams(translator: Translator, signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that pieces of a signal are translated as in the whole."""
    monkeypatch.setattr(translator_module, "PIECE_VALUES", 16 * HOP)
    monkeypatch.setattr(translator_module, "PIECE_RADII", 0)
    pieces = list(translator.stream(signal.read, signal.length))
    assert len(pieces) > 10
    whole = translator._translate_whole(signal.read(0, signal.length), None)
    torch.testing.assert_close(torch.cat(pieces, 2), whole, rtol=0, atol=1e-5)


def test_a_vocoder_is_trained_drawn_and_evaluated(vocoder: Path) -> None:
    folder = RunFolder(vocoder)
    assert list((vocoder / "samples").glob("*.png"))
    assert [row["examples"] for row in folder.rows("scores.jsonl")] == [32, 64]
    rows = [row for row in folder.rows("log.jsonl") if "monitor/input_sensitivity" in row]
    assert rows
    assert all("monitor/l1_over_mean_image_l1" in row for row in rows)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_long_sound_has_no_seams(
    vocoder: Path, enhancer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    sounds = np.stack([hit(20_033, seed, RATE) + noise(20_033, seed, 0.01) for seed in range(channels)], 1)
    soundfile.write(tmp_path / "long.wav", sounds, RATE)
    for run in (vocoder, enhancer):
        signal = files_of(run).open(tmp_path / "long.wav")
        assert signal.read(0, 64).shape[0] == channels
        assert_no_seams(load_translator(run), signal, monkeypatch)


def test_spectrograms_are_read_in_parts_as_in_the_whole(vocoder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(5_000, 0), RATE)
    signal, codec = files_of(vocoder).open(tmp_path / "a.wav"), files_of(vocoder).codec
    whole = torch.nn.functional.pad(torch.from_numpy(noise(5_000, 0)), (0, 56))[None]
    soundfile_rounding = 1e-2
    expected = codec.log_mel_of(79).spectrogram(whole * PEAK / whole.abs().max())[:, 0]
    assert signal.length == 79
    for start, stop in ((0, 79), (0, 5), (10, 20), (70, 79)):
        torch.testing.assert_close(signal.read(start, stop), expected[..., start:stop], rtol=0, atol=soundfile_rounding)


def test_sounds_of_any_form_are_written_at_their_length_and_level(vocoder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    soundfile.write(source / "quiet.wav", 0.1 * sine(300, 16_001, 16_000), 16_000)
    soundfile.write(source / "sub" / "stereo.flac", np.stack([sine(300, 4_000, RATE), sine(500, 4_000, RATE)], 1), RATE)
    (source / "text.wav").write_text("no sound")
    (source / "notes.txt").write_text("ignored")
    reporter = RecordingReporter()
    paths = api.apply(vocoder, source, into=tmp_path / "out", reporter=reporter)
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == ["quiet.wav", "sub/stereo.wav"]
    quiet, rate = soundfile.read(paths[0])
    assert (len(quiet), rate) == (8_001, RATE)
    assert np.abs(quiet).max() < 0.15
    assert soundfile.info(paths[1]).channels == 2
    assert soundfile.info(paths[1]).frames == 4_000
    assert any("text.wav" in message for message in reporter.messages)
    with pytest.raises(BadInput, match="nothing is overwritten"):
        api.apply(vocoder, source, into=tmp_path / "out")
    assert api.apply(vocoder, source / "quiet.wav", into=tmp_path / "out", skip_existing=True) == []


def test_frequencies_that_the_run_does_not_have_are_named_once(enhancer: Path, tmp_path: Path) -> None:
    for name, rate in (("a", 16_000), ("b", 16_000), ("c", 8_000)):
        soundfile.write(tmp_path / f"{name}.wav", noise(rate // 4, 0), rate)
    reporter = RecordingReporter()
    api.apply(enhancer, tmp_path, into=tmp_path / "out", reporter=reporter)
    notes = [text for text in reporter.messages if text.startswith("note: ")]
    assert len(notes) == 1
    assert "resampled to it, the rate of this run, and lose what is above 4000 Hz" in notes[0]


def test_a_spectrogram_is_translated_as_the_sound_it_is_of(vocoder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", PEAK * sine(300, 6_400, RATE) / 0.5, RATE, subtype="FLOAT")
    mel = files_of(vocoder).open(tmp_path / "a.wav").read(0, 100)[0].numpy()
    np.save(tmp_path / "mel.npy", mel)
    of_sound, of_mel = (
        soundfile.read(api.apply(vocoder, tmp_path / name, into=tmp_path / f"{name}.out.wav")[0])[0]
        for name in ("a.wav", "mel.npy")
    )
    assert np.abs(of_sound - of_mel).max() < 1e-3
    for array, message in ((mel[:5], "takes spectrograms"), (3 * mel, "outside of -1 to 1"), (np.nan * mel, "outside")):
        np.save(tmp_path / "bad.npy", array)
        with pytest.raises(BadInput, match=message):
            api.apply(vocoder, tmp_path / "bad.npy", into=tmp_path / "bad.wav")


def test_unsuitable_options_and_files_are_refused(vocoder: Path, enhancer: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sine(300, 4_000, RATE), RATE)
    np.save(tmp_path / "mel.npy", np.zeros((16, 8)))
    for options, message in (
        ({"mask": tmp_path / "a.wav"}, "is for images"),
        ({"reverse": True}, "one direction only"),
        ({"draws": 3}, "missing cells"),
        ({"into": tmp_path / "a.mp3"}, r"are written as \.wav"),
    ):
        with pytest.raises(BadInput, match=message):
            api.apply(vocoder, tmp_path / "a.wav", **options)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="translates sounds, not spectrograms"):
        api.apply(enhancer, tmp_path / "mel.npy")
    with pytest.raises(BadInput, match="no such file"):
        api.apply(vocoder, tmp_path / "none.wav")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="contains no sounds"):
        api.apply(vocoder, tmp_path / "empty")


def test_sounds_are_degraded_on_request(enhancer: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(4_000, 0), RATE, subtype="FLOAT")
    clean, degraded = (files_of(enhancer, degrade).open(tmp_path / "a.wav").read(0, 4_000) for degrade in (False, True))
    assert torch.fft.rfft(degraded)[..., -200:].abs().mean() < torch.fft.rfft(clean)[..., -200:].abs().mean()


def test_degradations_follow_from_the_sound_and_are_those_of_all_channels(enhancer: Path, tmp_path: Path) -> None:
    one, other = noise(4_000, 0), noise(4_000, 1)
    for name, values in (("a", np.stack((one, one), 1)), ("copy", np.stack((one, one), 1)), ("b", other[:, None])):
        soundfile.write(tmp_path / f"{name}.wav", values, RATE, subtype="FLOAT")
    files = files_of(enhancer, degrade=True)
    first, copy, second = (files.open(tmp_path / f"{name}.wav").read(0, 4_000) for name in ("a", "copy", "b"))
    assert torch.equal(first, copy)
    assert torch.equal(first[0], first[1])  # also the cutoff and the noise of the channels
    plain = files_of(enhancer).open(tmp_path / "b.wav").read(0, 4_000)
    form = files.codec.log_mel_of(63)
    of_seed_0 = SoundDegradations(files.degradations, form)(plain, torch.zeros(1, dtype=torch.int64))
    assert not torch.allclose(second, of_seed_0, atol=1e-3)


def test_what_cannot_be_degraded_is_refused(
    vocoder: Path, enhancer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(8_000, 0), RATE)
    np.save(tmp_path / "mel.npy", np.zeros((16, 8)))
    for name in ("a.wav", "mel.npy"):
        with pytest.raises(BadInput, match="`degrade`: this run makes sounds of spectrograms"):
            api.apply(vocoder, tmp_path / name, degrade=True)
    both = AudioSignals(files_of(vocoder).codec, ("noise", "mel"), degrade=True)
    assert both.open(tmp_path / "a.wav").read(0, 10).shape == (1, 16, 10)
    with pytest.raises(BadInput, match=r"`degrade`: .*mel\.npy is a spectrogram"):
        both.open(tmp_path / "mel.npy")
    monkeypatch.setattr(audio_signals, "MAX_DEGRADED_NUMBERS", 4_000)
    with pytest.raises(BadInput, match=r"`degrade`: .*a\.wav is longer than"):
        api.apply(enhancer, tmp_path / "a.wav", degrade=True)


def test_the_memory_of_a_sound_does_not_grow_with_its_length(enhancer: Path, tmp_path: Path) -> None:
    rate, peaks = 16_000, {}
    for seconds in (20, 160):
        sound = np.stack((noise(seconds * rate, 0), noise(seconds * rate, 1)), 1)
        soundfile.write(tmp_path / f"{seconds}.wav", sound, rate)
    files = files_of(enhancer)
    files.open(tmp_path / "20.wav")  # what is imported at first is not counted
    for seconds in (20, 160):
        tracemalloc.start()
        try:
            signal = files.open(tmp_path / f"{seconds}.wav")
            for start in range(0, signal.length, 50_000):
                signal.read(max(0, start - 1_000), min(start + 51_000, signal.length))
            peaks[seconds] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peaks[160] < 1.1 * peaks[20] < sound.nbytes / 2


def test_sounds_that_are_too_long_are_refused_before_they_are_translated(
    vocoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(8_000, 0), RATE)
    np.save(tmp_path / "mel.npy", np.zeros((16, 125), np.float32))
    monkeypatch.setattr(audio_signals, "write_pieces", None)
    monkeypatch.setattr(audio_signals, "MAX_WAV_BYTES", 15_998)
    for name in ("a.wav", "mel.npy"):
        with pytest.raises(BadInput, match=f"{name}: its translation would have .* GiB"):
            api.apply(vocoder, tmp_path / name)
    monkeypatch.setattr(audio_signals, "MAX_SECONDS", 0.9)
    with pytest.raises(BadInput, match="is longer than"):
        api.apply(vocoder, tmp_path / "a.wav")


@pytest.mark.parametrize("shape", [(16, 10**12), (2**40, 2**40), (2**31, 2**33), (2**63, 2), (-1, 5)])
def test_an_array_whose_header_is_damaged_is_one_sentence(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with (tmp_path / "mel.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.write(bytes(400))
    with pytest.raises(BadInput, match=r"mel\.npy: cannot be read as an array"):
        audio_signals.read_mel(tmp_path / "mel.npy", 16)


def test_pairs_are_compared_with_griffin_lim(vocoder: Path, enhancer: Path) -> None:
    names = ["mel_l1", "mel_cepstral", "multi_resolution_stft", "si_sdr"]
    row = api.evaluate(vocoder, features="log_mel")
    assert list(row["paired_metrics"]) == names
    assert row["paired_baseline"] == "Griffin-Lim"
    assert "Griffin-Lim" in (vocoder / "report.html").read_text("utf8")
    row = api.evaluate(enhancer, features="log_mel")
    assert row["paired_baseline"] == "input"
    assert row["paired_metrics"]["si_sdr"]["input"] > -5


@pytest.mark.parametrize(("recipe", "most"), [("vocoder", 0.9), ("enhance", 0.98)])
def test_training_brings_outputs_nearer_to_held_out_sounds(
    hits: Path, tmp_path: Path, recipe: str, most: float
) -> None:
    """Nearer than those of the untrained network, by so much at least."""
    settings = SETTINGS | LEARNING | ({"generator.hop": HOP} if recipe == "enhance" else {})
    run = api.train(hits, recipe=recipe, examples=320, batch_size=8, run=tmp_path / "run", settings=settings).path
    folder, reporter, translator = RunFolder(run), SilentReporter(), load_translator(run)
    model = read_recipe(folder)
    _, sounds = load_translation_data(folder, model, "", False, False, reporter)
    torch.manual_seed(0)
    network = model.generator.build(0, sounds.dataset.spec, 0, sounds.dataset.input_spec)
    trained, untrained = (
        compute_paired_scores(each, sounds, reporter)["mel_l1"]["value"]
        for each in (translator, replace(translator, network=network.eval()))
    )
    assert trained < most * untrained


def test_a_run_without_inputs_is_refused(hits: Path, tmp_path: Path) -> None:
    for settings in ({"data.degrade": []}, {"data.degrade": ["masks"]}):
        with pytest.raises(BadInput, match=r"data\."):
            api.train(hits, recipe="vocoder", examples=8, run=tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def exported(vocoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported vocoder that translates in small pieces."""
    folder = api.export(vocoder, "onnx", into=tmp_path_factory.mktemp("to") / "onnx")
    return cut_into_pieces(folder)


def cut_into_pieces(folder: Path) -> Path:
    facts = json.loads((folder / "config.json").read_text("utf8"))
    (folder / "config.json").write_text(json.dumps(facts | {"piece_values": 16 * HOP}), "utf8")
    return folder


def assert_script_is_apply(run: Path, folder: Path, sources: list[Path], into: Path, tolerance: float) -> None:
    words = ["infer.py", *map(str, sources), "--into", str(into / "theirs")]
    command = (
        "import sys; sys.modules['zerosum'] = sys.modules['torch'] = sys.modules['soundfile'] = None; import runpy; "
    )
    command += f"sys.argv = {words!r}; runpy.run_path({str(folder / 'infer.py')!r}, run_name='__main__')"
    subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
    for source in sources:
        (path,) = api.apply(run, source, into=into / "ours" / f"{source.stem}.wav")
        ours, theirs = (soundfile.read(each, always_2d=True) for each in (path, into / "theirs" / path.name))
        assert (theirs[0].shape, theirs[1]) == (ours[0].shape, ours[1])
        assert ours[0].std() > 1e-3
        assert np.abs(theirs[0] - ours[0]).max() < tolerance


def test_the_script_of_a_vocoder_is_apply_without_seams(vocoder: Path, exported: Path, tmp_path: Path) -> None:
    stereo = np.stack([hit(20_033, seed, RATE) + noise(20_033, seed, 0.01) for seed in range(2)], 1)
    soundfile.write(tmp_path / "stereo.wav", stereo, 2 * RATE)
    soundfile.write(tmp_path / "short.wav", sine(300, 100, RATE), RATE, subtype="FLOAT")
    signal = files_of(vocoder).open(tmp_path / "stereo.wav")
    np.save(tmp_path / "mel.npy", signal.read(0, signal.length)[:1].numpy())
    sources = [tmp_path / name for name in ("stereo.wav", "short.wav", "mel.npy")]
    assert_script_is_apply(vocoder, exported, sources, tmp_path, tolerance=1e-3)


def test_the_script_of_a_corrector_is_apply_without_seams(enhancer: Path, tmp_path: Path) -> None:
    folder = cut_into_pieces(api.export(enhancer, "onnx", into=tmp_path / "onnx"))
    soundfile.write(tmp_path / "a.wav", hit(9_999, 0, RATE) + noise(9_999, 1, 0.05), RATE)
    assert_script_is_apply(enhancer, folder, [tmp_path / "a.wav"], tmp_path, tolerance=1e-4)


def test_what_the_script_of_a_vocoder_refuses(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "a.wav", sine(300, 100, RATE), RATE)
    for name, array in (("bands", np.zeros((5, 8))), ("loud", np.full((16, 8), 2.0)), ("words", np.array(["a"]))):
        np.save(tmp_path / f"{name}.npy", array)
    for names, into, message in (
        (["none.wav"], "new", "there is no such file"),
        (["text.wav"], "new", "is no WAV file"),
        (["bands.npy"], "new", r"takes spectrograms (16, frames)"),
        (["loud.npy"], "new", "outside of -1 to 1"),
        (["words.npy"], "new", "no array of numbers"),
        (["a.wav", "a.wav"], "new", "another input has the same result"),
        (["a.wav"], ".", "a.wav exists"),
        (["a.wav"], "text.wav", "is a file"),
    ):
        words = ["infer.py", *(str(tmp_path / name) for name in names), "--into", str(tmp_path / into)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(exported / "infer.py"), run_name="__main__")
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_the_files_and_the_facts_of_an_exported_vocoder(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "config.json", "infer.py", "README.md"}
    facts = json.loads((exported / "config.json").read_text("utf8"))
    assert facts["inputs"]["frames"]["shape"] == ["batch", 16, "frames"]
    assert list(facts["outputs"]) == ["log_magnitude", "phase"]
    assert facts["parity"]["error"] < 1e-4
    readme = (exported / "README.md").read_text("utf8")
    for text in ("spectrograms into sounds", "infer.py voice.wav", "log-mel spectrogram", "other batches and sizes"):
        assert text in readme
    assert "image" not in readme


def test_a_web_page_of_translation_into_sounds_is_refused(vocoder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="translates into sounds"):
        api.export(vocoder, "web", into=tmp_path / "page.html")
