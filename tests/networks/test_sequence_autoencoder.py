"""The recurrent autoencoder: likelihoods, draws of the right frequencies, and what a sample depends on."""

import math

import pytest
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import Autoencoder
from zerosum.networks.configs import RecurrentAutoencoderConfig
from zerosum.networks.sequence_autoencoder import RecurrentAutoencoder

SPEC = TensorSpec((6,), num_tokens=5)
GIVEN = {"values": TensorSpec((2,)), "known": TensorSpec((2,))}
SEQUENCES = torch.tensor([[1, 2, 3, 0, 0, 0], [4, 0, 0, 0, 0, 0], [1, 2, 3, 4, 1, 2], [0, 0, 0, 0, 0, 0]]).float()


def build(**settings: object) -> RecurrentAutoencoder:
    torch.manual_seed(0)
    settings = {"temperature": 1.0} | settings
    config = RecurrentAutoencoderConfig(
        code_size=4,
        encoder_width=16,
        decoder_width=16,
        embedding_size=8,
        **settings,  # type: ignore[arg-type]
    )
    network = config.build(SPEC, GIVEN)
    assert isinstance(network, RecurrentAutoencoder)
    return network.eval()


def log_likelihood(network: RecurrentAutoencoder, codes: Tensor, sequence: Tensor) -> float:
    """Return the log-likelihood of one sequence by drawing step by step, without packing."""
    context = network._join_context(codes, torch.zeros(1), None)
    state, token, total = torch.tanh(network.context_to_state(context))[None], torch.tensor([5]), 0.0
    for target in sequence.long():
        inputs = network.decoder_embedding(token) + network.context_to_input(context)
        output, state = network.decoder(inputs[:, None], state)
        total += float(network.to_logits(output[:, 0]).log_softmax(1)[0, target])
        token = target[None]
        if not target:
            break
    return total


@torch.no_grad()
def test_the_loss_is_the_negative_log_likelihood_with_the_end_and_without_what_follows() -> None:
    network = build()
    codes = network.encode(SEQUENCES)
    losses = network.reconstruct(codes, SEQUENCES).loss
    expected = [-log_likelihood(network, codes[row : row + 1], SEQUENCES[row]) for row in range(len(SEQUENCES))]
    torch.testing.assert_close(losses, torch.tensor(expected), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_codes_depend_on_the_tokens_alone_and_not_on_the_batch() -> None:
    network = build()
    codes = network.encode(SEQUENCES)
    for row in range(len(SEQUENCES)):
        torch.testing.assert_close(network.encode(SEQUENCES[row : row + 1])[0], codes[row])
    assert len({tuple(code) for code in codes[:3].round(decimals=4).tolist()}) == 3
    torch.testing.assert_close(network.encode(SEQUENCES.long()), codes)


@torch.no_grad()
def test_codes_are_standardized_in_training() -> None:
    network = build().train()
    codes = network.encode(torch.randint(0, 5, (500, 6)))
    torch.testing.assert_close(codes.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.var(0, unbiased=False), torch.ones(4), atol=1e-2, rtol=0)


@torch.no_grad()
def test_a_trained_network_repeats_sequences_from_exact_codes() -> None:
    network = build().train()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(150):
        with torch.enable_grad():
            loss = network(SEQUENCES, torch.zeros(4, 4)).loss.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    codes = network.encode(SEQUENCES)
    assert torch.equal(network.decode(codes), SEQUENCES)
    assert float(loss) < 0.1


@torch.no_grad()
def test_sequences_are_drawn_by_their_own_seeds_with_the_right_frequencies() -> None:
    network = build(decoding_noise=0)
    count = 4000
    seeds, codes = seeded_rng.derive_seeds(0, 0, count), torch.zeros(count, 4)
    drawn = network.decode(codes, seeds)
    assert torch.equal(network.decode(codes[7:9], seeds[7:9]), drawn[7:9])
    context = network._join_context(codes[:1], torch.zeros(1), None)
    inputs = network.decoder_embedding(torch.tensor([5])) + network.context_to_input(context)
    output, _ = network.decoder(inputs[:, None], torch.tanh(network.context_to_state(context))[None])
    expected = network.to_logits(output[:, 0]).softmax(1)[0]
    counts = torch.bincount(drawn[:, 0].long(), minlength=5)
    chi_square = float(((counts - count * expected).square() / (count * expected)).sum())
    assert chi_square < 18.5  # 4 degrees of freedom: exceeded by chance once in 1,000 times; the seed is fixed
    ended = (drawn == 0).cumsum(1) > 0
    assert not drawn[ended].any()


@torch.no_grad()
def test_temperature_zero_chooses_the_most_likely_tokens() -> None:
    network = build(decoding_noise=0)
    seeds, codes = seeded_rng.derive_seeds(0, 0, 50), torch.randn(50, 4)
    network.set_temperature(0)
    assert torch.equal(network.decode(codes, seeds), network.decode(codes))
    network.set_temperature(5)
    assert not torch.equal(network.decode(codes, seeds), network.decode(codes))


@torch.no_grad()
def test_the_decoder_is_told_the_noise_and_what_is_given() -> None:
    network = build(condition="given")
    assert network.condition_inputs == ("seed", "condition")
    codes = network.encode(SEQUENCES)
    unknown = {"values": torch.zeros(4, 2), "known": torch.zeros(4, 2)}
    known = {"values": torch.ones(4, 2), "known": torch.ones(4, 2)}
    losses = [
        network.reconstruct(codes, SEQUENCES, deviation, condition).loss
        for deviation, condition in ((torch.zeros(4), unknown), (torch.ones(4), unknown), (torch.zeros(4), known))
    ]
    assert not torch.allclose(losses[0], losses[1])
    assert not torch.allclose(losses[0], losses[2])


def test_the_predictor_learns_from_true_values_and_completes_what_the_decoder_is_told() -> None:
    network = build(condition="given", predictor_width=8, prediction_weight=3.0)
    noise = torch.zeros(4, 4)
    told = {"values": torch.ones(4, 2), "known": torch.ones(4, 2), "labeled": torch.ones(4, 2)}
    condition = told | {"values": torch.tensor([[5.0, 0.0]]).expand(4, 2), "labeled": torch.tensor([[1.0, 0.0]] * 4)}
    codes = network.encode(SEQUENCES)
    predicted = network.predict(codes)
    assert predicted is not None
    completed = {"values": torch.stack([torch.full((4,), 5.0), predicted[:, 1]], 1), "known": torch.ones(4, 2)}
    expected = network.reconstruct(codes, SEQUENCES, torch.zeros(4), completed).loss
    error = (predicted[:, 0] - 5).square() / 2
    loss = network(SEQUENCES, noise, torch.zeros(4), condition).loss
    torch.testing.assert_close(loss, expected + 3 * error)
    loss.sum().backward()
    assert network.predictor is not None
    last = network.predictor[-1].weight.grad
    assert isinstance(last, Tensor)
    assert last[0].any()
    assert not last[1].any(), "a value that is not known teaches nothing"
    assert build(condition="none").predict(codes) is None


@torch.no_grad()
def test_guidance_adds_the_difference_that_the_condition_makes() -> None:
    network = build(condition="given", guidance=3.0, decoding_noise=0)
    count = 4000
    codes, seeds = torch.randn(1, 4).expand(count, -1), seeded_rng.derive_seeds(0, 0, count)
    known = {"values": torch.ones(count, 2), "known": torch.ones(count, 2)}
    logits = []
    for condition in (known, {"values": torch.ones(count, 2), "known": torch.zeros(count, 2)}):
        context = network._join_context(codes, torch.zeros(count), condition)[:1]
        inputs = network.decoder_embedding(torch.tensor([5])) + network.context_to_input(context)
        output, _ = network.decoder(inputs[:, None], torch.tanh(network.context_to_state(context))[None])
        logits.append(network.to_logits(output[:, 0]))
    told, unguided = logits
    expected = (unguided + 3 * (told - unguided)).softmax(1)[0]
    counts = torch.bincount(network.decode(codes, seeds, known)[:, 0].long(), minlength=5)
    chi_square = float(((counts - count * expected).square() / (count * expected)).sum())
    assert chi_square < 18.5  # 4 degrees of freedom: exceeded by chance once in 1,000 times; the seed is fixed
    assert ((counts - count * told.softmax(1)[0]).square() / (count * told.softmax(1)[0])).sum() > 18.5
    nothing = known | {"known": torch.zeros(count, 2)}
    assert torch.equal(network.decode(codes, seeds, nothing), network.decode(codes, seeds, _unguided(network, nothing)))


def _unguided(network: RecurrentAutoencoder, condition: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the condition, and let the network add no difference from now on."""
    network.guidance = 1.0
    return condition


def test_samples_that_are_no_sequences_are_refused() -> None:
    with pytest.raises(BadInput, match="recurrent needs sequences of tokens"):
        RecurrentAutoencoderConfig().build(TensorSpec((3, 32, 32)))


def test_it_is_an_autoencoder_whose_loss_of_a_uniform_guess_is_known() -> None:
    network = build()
    assert isinstance(network, Autoencoder)
    for parameter in network.to_logits.parameters():
        torch.nn.init.zeros_(parameter)
    losses = network.reconstruct(torch.zeros(4, 4), SEQUENCES).loss
    expected = [steps * math.log(5) for steps in (4, 2, 6, 1)]
    torch.testing.assert_close(losses, torch.tensor(expected))
