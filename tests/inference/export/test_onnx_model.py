"""Exported ONNX models compute what the networks compute, at any batch and size, and say what they take."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zerosum.data.images.codec import ImageCodec
from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.export.graph import BATCH, HEIGHT, WIDTH, Graph, generator_graph, translator_graph
from zerosum.inference.export.half_weights import halve_weights
from zerosum.inference.export.onnx_model import OnnxRunner, build_checked_model, build_onnx_model
from zerosum.inference.export.parity import MAX_ERROR, MAX_HALF_ERROR, measure_parity
from zerosum.inference.export.source import SCRIPTS
from zerosum.inference.generator import Generator
from zerosum.inference.translator import Translator
from zerosum.media.script import render
from zerosum.networks import stylegan2
from zerosum.networks.configs.base import GeneratorConfig
from zerosum.networks.configs.mlp import MLPGeneratorConfig
from zerosum.networks.configs.progan import ProGANGeneratorConfig
from zerosum.networks.configs.unet import UNetGeneratorConfig
from zerosum.networks.image_grid import find_grid
from zerosum.networks.mapping import build_mapping_network

BATCHES = [{BATCH: 1}, {BATCH: 3}, {BATCH: 7}]
SIZES = [
    {BATCH: batch, HEIGHT: height, WIDTH: width}
    for batch, height, width in ((1, 8, 8), (1, 9, 200), (7, 15, 17), (3, 37, 53), (1, 200, 131))
]
SPEC = TensorSpec((3, 16, 16), bounded=True)


def graph_of(config: GeneratorConfig) -> Graph:
    torch.manual_seed(0)
    network = config.build(8, SPEC).eval().requires_grad_(False)
    return generator_graph(Generator(network, Normal(size=8), "images", ImageCodec(SPEC.shape), "0"))


def build(graph: Graph) -> bytes:
    return build_onnx_model(graph).SerializeToString()


@pytest.fixture(scope="module")
def style_graph() -> Graph:
    torch.manual_seed(0)
    mapping = build_mapping_network(8, 8, 1, is_conditional=True, num_classes=2, condition_size=4, num_numbers=0)
    # two resolutions instead of the three that settings allow at least: the exporter takes a second for each
    network = stylegan2.Generator(8, 3, (8, 4), find_grid(8, 8), mapping, 8, style_mixing_prob=0.9, uses_noise=True)
    for name, parameter in network.eval().requires_grad_(False).named_parameters():
        if name.endswith("strength"):  # 0 in a new network
            parameter.fill_(0.5)
    codec = ImageCodec((3, 8, 8))
    return generator_graph(Generator(network, Normal(size=8), "images", codec, "0", ("cat", "dog"), (0.5, 0.5)))


@pytest.fixture(scope="module")
def style_model(style_graph: Graph) -> bytes:
    return build(style_graph)


def test_styles_noise_and_classes(style_graph: Graph, style_model: bytes) -> None:
    assert [each.name for each in style_graph.inputs] == ["latent", "label", "seed", "truncation"]
    assert measure_parity(style_graph, OnnxRunner(style_model), BATCHES).error <= MAX_ERROR


def test_every_input_changes_the_samples(style_graph: Graph, style_model: bytes) -> None:
    run, inputs = OnnxRunner(style_model), list(style_graph.example({BATCH: 2}))
    before = run(tuple(inputs))[0]
    others = {"latent": -inputs[0], "label": 1 - inputs[1], "seed": inputs[2] + 1, "truncation": torch.tensor(0.2)}
    for index, other in enumerate(others.values()):
        changed = run((*inputs[:index], other, *inputs[index + 1 :]))[0]
        assert np.abs(changed - before).max() > 1e-3, list(others)[index]


def test_the_script_gives_seeds_and_truncation_to_the_model(
    style_graph: Graph, style_model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"styles", "seed", "label", "normal"}
    write = "def write(outputs, first, folder):\n    np.save(folder / 'all.npy', outputs['sample'])"
    (tmp_path / "infer.py").write_text(
        render((SCRIPTS / "generator.py.txt").read_text(), words, {"functions": write, "imports": ""})
    )
    (tmp_path / "model.onnx").write_bytes(style_model)
    facts = {"latent": {"size": 8}, "classes": ["cat", "dog"], "class_priors": [0.5, 0.5], "outputs": {"sample": {}}}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    into = tmp_path / "samples"
    words_of_user = ["--seed", "7", "-n", "4", "--truncation", "0.6", "--into", str(into)]
    monkeypatch.setattr(sys, "argv", ["infer.py", *words_of_user])
    runpy.run_path(str(tmp_path / "infer.py"), run_name="__main__")
    codec, priors = ImageCodec((3, 8, 8)), (0.5, 0.5)
    network = style_graph.module.network
    generator = Generator(network, Normal(size=8), "images", codec, "0", ("cat", "dog"), priors)
    expected = generator.sample(4, seed=7, truncation=0.6)
    assert np.abs(np.load(into / "all.npy") - expected.numpy()).max() < 1e-4


def test_the_axes_in_the_file_are_free(style_model: bytes) -> None:
    import onnx

    model = onnx.load_from_string(style_model)
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        assert value.name == "truncation" or shape[0].dim_param == "batch"
    assert [each.dim_value for each in model.graph.output[0].type.tensor_type.shape.dim[1:]] == [3, 8, 8]
    onnx.checker.check_model(model)


def test_the_file_does_not_tell_where_it_was_made(style_model: bytes) -> None:
    for private in (str(Path(stylegan2.__file__).parents[2]), "stack_trace", "torch_lib"):
        assert private.encode() not in style_model


def test_half_weights(style_graph: Graph, style_model: bytes) -> None:
    import onnx

    model = onnx.load_from_string(style_model)
    single = sum(len(weight.raw_data) for weight in model.graph.initializer)
    halve_weights(model)
    assert sum(len(weight.raw_data) for weight in model.graph.initializer) < 0.7 * single
    onnx.checker.check_model(model)
    error = measure_parity(style_graph, OnnxRunner(model.SerializeToString()), BATCHES).error
    assert 1e-6 < error < 4 / 255


def test_weights_beyond_half_precision_stay() -> None:
    import onnx
    from onnx import helper, numpy_helper

    weights = np.full((8, 8), 1e6, np.float32)
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [8, 8])
    graph = helper.make_graph([], "g", [value], [value], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph)
    halve_weights(model)
    assert np.array_equal(numpy_helper.to_array(model.graph.initializer[0]), weights)


def test_a_network_that_still_grows() -> None:
    graph = graph_of(ProGANGeneratorConfig(widths=(8, 4, 4)))
    graph.module.network.set_growth(1.5)
    assert measure_parity(graph, OnnxRunner(build(graph)), BATCHES).error <= MAX_ERROR


def test_a_translator_takes_any_size() -> None:
    torch.manual_seed(0)
    config = UNetGeneratorConfig(width=4, max_width=4, depth=2, dropout=0.5)
    network = config.build(8, SPEC, 0, SPEC).eval().requires_grad_(False)
    graph = translator_graph(Translator(network, SPEC.shape, SPEC.shape, "0"))
    assert [each.name for each in graph.inputs] == ["image", "seed"]
    assert measure_parity(graph, OnnxRunner(build(graph)), SIZES).error <= MAX_ERROR


def test_points() -> None:
    torch.manual_seed(0)
    network = MLPGeneratorConfig(widths=(8,)).build(8, TensorSpec((2,))).eval()
    graph = generator_graph(Generator(network, Normal(size=8), "points", PointCodec(2), "0"))
    assert measure_parity(graph, OnnxRunner(build(graph)), BATCHES).error <= MAX_ERROR


class _FixedBatch(nn.Module):
    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor]:
        return (inputs[0].reshape(3, -1),)


def test_a_network_with_a_fixed_batch_is_refused() -> None:
    graph = graph_of(MLPGeneratorConfig(widths=(8,)))
    with pytest.raises(BadInput, match="`to` onnx: this network computes differently at different sizes"):
        build_onnx_model(Graph(_FixedBatch(), graph.inputs, graph.outputs))


class _Louder(Graph):
    """A network whose true outputs are larger by one in a thousand than those of its export."""

    def __call__(self, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        return [output * 1.001 for output in super().__call__(inputs)]


def test_a_model_is_compared_before_its_weights_are_halved() -> None:
    graph = graph_of(MLPGeneratorConfig(widths=(8,)))
    assert graph.is_bounded
    model, parity = build_checked_model(graph, "web", half=True)
    assert 1e-6 < parity.error < MAX_HALF_ERROR
    assert any(weight.name.endswith(".half") for weight in model.graph.initializer)
    louder = _Louder(graph.module, graph.inputs, graph.outputs, is_bounded=True)
    with pytest.raises(BadInput, match="`to` web: the exported model differs"):
        build_checked_model(louder, "web", half=True)


def test_half_weights_that_change_what_is_shown_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.inference.export.onnx_model.MAX_HALF_ERROR", 1e-9)
    with pytest.raises(BadInput, match="`to` web with `half`: the exported model differs"):
        build_checked_model(graph_of(MLPGeneratorConfig(widths=(8,))), "web", half=True)


def test_what_onnx_runtime_refuses_is_one_sentence() -> None:
    import onnx
    from onnx import helper

    with pytest.raises(BadInput, match=r"`to` web: ONNX Runtime cannot load the exported model \(.*\), so nothing"):
        OnnxRunner(b"no model", to="web")
    inputs, outputs = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [3, 2]) for name in ("latent", "sample")
    )
    fixed = helper.make_graph([helper.make_node("Identity", ["latent"], ["sample"])], "g", [inputs], [outputs])
    model = helper.make_model(fixed, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    runner = OnnxRunner(model.SerializeToString())
    assert runner((torch.ones(3, 2),))[0].shape == (3, 2)
    with pytest.raises(BadInput, match=r"`to` onnx: ONNX Runtime cannot run the exported model \([^\n]*\), so nothing"):
        runner((torch.ones(5, 2),))


def test_messages_name_the_form() -> None:
    graph = graph_of(MLPGeneratorConfig(widths=(8,)))
    with pytest.raises(BadInput, match="`to` web: this network computes differently at different sizes"):
        build_checked_model(Graph(_FixedBatch(), graph.inputs, graph.outputs), "web", half=False)


def test_the_inverse_error_function() -> None:
    class ErfInv(nn.Module):
        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor]:
            return (inputs[0].erfinv(),)

    graph = graph_of(MLPGeneratorConfig(widths=(8,)))
    run = OnnxRunner(build(Graph(ErfInv(), graph.inputs, (("sample", (BATCH, 8)),))))
    draws = 2 * seeded_rng.uniform(torch.arange(20_000), 8, seeded_rng.RandomStream.LATENT) - 1
    draws[0] = 1 - 2.0**-23 * torch.tensor([1, 2, 3, 4, 5, 6, 7, 8])
    expected = draws.double().erfinv().numpy()
    assert np.abs(run((draws,))[0] / expected - 1).max() < 1e-6
