"""A recurrent autoencoder of sequences of tokens, and how it draws sequences from codes.

The encoder reads a sequence into one vector, its code, and the decoder writes the sequence token by token from the code
and from what it has written so far, as in Gómez-Bombarelli et al. 2016, "Automatic chemical design using a data-driven
continuous representation of molecules", arXiv:1610.02415, with gated recurrent units (Cho et al. 2014,
arXiv:1406.1078). Differences: codes are standardized, and noise on them, instead of a KL term, limits what they carry;
the decoder is told how much noise there is, so that from exact codes it repeats a sequence, and from noisy ones it
writes one that is likely; and it takes what is known of the condition. Since it also learns without, what is given can
have more weight than it has in the data (Ho, Salimans 2022, "Classifier-Free Diffusion Guidance", arXiv:2207.12598).
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from zerosum.game import seeded_rng
from zerosum.game.given_values import GivenValues
from zerosum.game.sample_spec import TokenSyntax
from zerosum.game.seeded_rng import RandomStream
from zerosum.game.types import Autoencoder, Reconstruction, Sample, at_least_float32
from zerosum.networks.batch_norm import BatchNorm1d
from zerosum.networks.packed_gru import PackedGRU
from zerosum.networks.residual_mlp import join_given
from zerosum.networks.token_syntax import SyntaxMask

Carried: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""What drawing carries from token to token: the last token (N,), the state (N, W), and the state of the syntax."""
END = 0
"""The token that ends a sequence and fills the places after its end."""


def to_tokens(sample: Sample) -> Tensor:
    """Return the tokens (N, L) int64 of sequences, whose values are whole numbers of any type."""
    assert isinstance(sample, Tensor), "checked when the autoencoder is built"
    return sample.round().long() if sample.is_floating_point() else sample.long()


def count_tokens(tokens: Tensor) -> Tensor:
    """Return the lengths (N,) of sequences (N, L), without their ends."""
    return (tokens != END).long().cumprod(1).sum(1)


class RecurrentAutoencoder(Autoencoder):
    """Map sequences of tokens (N, L) to codes (N, C), and back."""

    condition_inputs: tuple[str, ...] = ("seed",)

    def __init__(
        self, length: int, num_tokens: int, code_size: int, *, encoder_width: int, decoder_width: int,
        embedding_size: int, num_given: int, decoding_noise: float, temperature: float,
        predictor_width: int = 0, prediction_weight: float = 1.0, guidance: float = 1.0,
        syntax: TokenSyntax | None = None,
    ) -> None:  # fmt: skip
        """Build the networks.

        Args:
            length: largest number of tokens in a sequence, L.
            num_tokens: number of tokens, with the one that ends a sequence.
            code_size: values of a code, C.
            encoder_width: values of the encoder's state.
            decoder_width: values of the decoder's state.
            embedding_size: values of the vector that stands for a token.
            num_given: values of a condition; 0 for none.
            decoding_noise: standard deviation of the noise that is added to codes from which sequences are drawn.
            temperature: divides the logits of tokens that are drawn.
            predictor_width: values of the hidden layers of the network that predicts a condition's values from codes;
                0: there is none.
            prediction_weight: weight of its squared error in the loss.
            guidance: how many times the difference that what is given makes to the logits is added, when sequences are
                drawn: 1 is as in the data.
            syntax: which sequences are complete: no others are drawn, unless they are too long; None: all are.
        """
        super().__init__()
        self.length, self.num_tokens, self.code_size = length, num_tokens, code_size
        self.decoding_noise, self.temperature = decoding_noise, temperature
        self.prediction_weight, self.guidance = prediction_weight, guidance
        if num_given:
            self.condition_inputs = ("seed", "condition")
        self.encoder_embedding = nn.Embedding(num_tokens, embedding_size)
        self.encoder = PackedGRU(embedding_size, encoder_width)
        self.to_code = nn.Sequential(
            nn.Linear(2 * encoder_width, code_size), BatchNorm1d(code_size, affine=False, momentum=0.01)
        )
        self.decoder_embedding = nn.Embedding(num_tokens + 1, embedding_size)  # the last one begins a sequence
        context_size = code_size + 1 + 2 * num_given
        self.context_to_input = nn.Linear(context_size, embedding_size)
        self.context_to_state = nn.Linear(context_size, decoder_width)
        self.decoder = PackedGRU(embedding_size, decoder_width)
        self.to_logits = nn.Linear(decoder_width, num_tokens)
        self.predictor = _build_predictor(code_size, predictor_width, num_given)
        self.syntax_mask = None if syntax is None else SyntaxMask(syntax)

    def set_temperature(self, temperature: float) -> None:
        """Divide logits by `temperature` from now on, and at 0 choose the most likely token."""
        self.temperature = temperature

    # ------------------------------------------------------------------ codes

    def encode(self, sample: Sample) -> Tensor:
        """Map sequences (N, L) to standardized codes (N, C)."""
        tokens = to_tokens(sample)
        lengths = count_tokens(tokens).clamp_min(1)
        embedded = self.encoder_embedding(tokens)
        states, last = self.encoder(_pack(embedded, lengths))
        padded, _ = pad_packed_sequence(states, batch_first=True)  # zeros after the end
        mean = padded.sum(1) / lengths[:, None].to(padded.dtype)
        with torch.autocast(mean.device.type, enabled=False):  # codes are not rounded
            codes: Tensor = self.to_code(at_least_float32(torch.cat([last[0], mean], 1)))
        return codes

    def _join_context(self, codes: Tensor, deviation: Tensor, condition: Sample | None) -> Tensor:
        """Return what the decoder takes besides tokens: noisy codes of variance 1, their noise, and what is given."""
        scaled = codes / (1 + deviation.square()).sqrt()[:, None]
        return join_given(torch.cat([scaled, deviation[:, None].to(scaled.dtype)], 1), condition)

    # ------------------------------------------------------------------ training

    def predict(self, codes: Tensor) -> Tensor | None:
        """Predict all values (N, P) of a condition from codes (N, C); None without a predictor."""
        if self.predictor is None:
            return None
        with torch.autocast(codes.device.type, enabled=False):
            predicted: Tensor = self.predictor(at_least_float32(codes))
        return predicted

    def forward(
        self, sample: Sample, noise: Tensor, deviation: Tensor | None = None, condition: Sample | None = None
    ) -> Reconstruction:
        """Encode samples (N, L), add noise (N, C) of a standard deviation (N,), and reconstruct them.

        The loss has the squared error of the predictor, whose predictions stand for what the data do not know.
        """
        codes = self.encode(sample)
        predicted = self.predict(codes)
        if predicted is None or condition is None:
            return self.reconstruct(codes + noise, sample, deviation, condition)
        given = GivenValues.of(condition)
        reconstruction = self.reconstruct(codes + noise, sample, deviation, given.complete(predicted.detach()))
        error = given.squared_error(predicted)
        return reconstruction._replace(loss=reconstruction.loss + self.prediction_weight * error)

    def reconstruct(
        self, codes: Tensor, sample: Sample, deviation: Tensor | None = None, condition: Sample | None = None
    ) -> Reconstruction:
        """Return the most likely tokens after the true ones before them, and the negative log-likelihood (N,).

        Args:
            codes: (N, C), with their noise.
            sample: (N, L) the sequences.
            deviation: (N,) standard deviation of the noise; None: none.
            condition: what is known of the condition.
        """
        tokens = to_tokens(sample)
        lengths = count_tokens(tokens)
        deviation = torch.zeros_like(codes[:, 0]) if deviation is None else deviation
        context = self._join_context(codes, deviation, condition)
        begin = torch.full_like(tokens[:, :1], self.num_tokens)
        inputs = self.decoder_embedding(torch.cat([begin, tokens[:, :-1]], 1)) + self.context_to_input(context)[:, None]
        steps = (lengths + 1).clamp_max(tokens.shape[1])
        state = torch.tanh(self.context_to_state(context))[None].to(inputs.dtype)
        states, _ = self.decoder(_pack(inputs, steps), state)
        logits = at_least_float32(self.to_logits(states.data))
        targets = _pack(tokens, steps).data
        losses = states._replace(data=functional.cross_entropy(logits, targets, reduction="none"))
        best, _ = pad_packed_sequence(states._replace(data=logits.detach().argmax(1)), batch_first=True)
        total = pad_packed_sequence(losses, batch_first=True)[0].sum(1)
        return Reconstruction(functional.pad(best, (0, tokens.shape[1] - best.shape[1])), total)

    # ------------------------------------------------------------------ drawing

    def decode(self, codes: Tensor, seed: Tensor | None = None, condition: Sample | None = None) -> Tensor:
        """Draw sequences (N, L), float32, from codes (N, C) that have `decoding_noise` added, at the temperature.

        Args:
            codes: the codes.
            seed: (N,) int64, from which all randomness derives; None: no noise, and the most likely tokens.
            condition: what is known of the condition.
        """
        deviation = torch.zeros_like(codes[:, 0])
        draws = None
        if seed is not None:
            noise = seeded_rng.normal(seed, self.code_size, RandomStream.CODE_NOISE).to(codes.dtype)
            codes, deviation = codes + self.decoding_noise * noise, deviation + self.decoding_noise
            draws = seeded_rng.uniform(seed, self.length, RandomStream.TOKEN).to(codes.dtype)
        context = self._join_context(codes, deviation, condition)
        if condition is None or not self._is_guided(condition):
            return self._draw(context, draws)
        unguided = self._join_context(codes, deviation, GivenValues.of(condition).without_any())
        return self._draw(torch.cat([context, unguided]), draws, copies=2)

    def _is_guided(self, condition: Sample) -> bool:
        """Return whether what is given has another weight than 1; always in exported programs, of any condition."""
        if self.guidance == 1:
            return False
        return torch.compiler.is_exporting() or bool(GivenValues.of(condition).known.any())

    def _guide(self, logits: Tensor, copies: int) -> Tensor:
        """Return the logits (N, V) of sequences; with two copies, the first is told the condition, the other is not."""
        if copies == 1:
            return logits
        both = logits.view(2, -1, logits.shape[1])  # exported programs cannot split a tensor of any N
        guided: Tensor = both[1] + self.guidance * (both[0] - both[1])
        return guided

    def _draw(self, context: Tensor, draws: Tensor | None, copies: int = 1) -> Tensor:
        """Draw sequences (N, L) by uniform numbers (N, L); without these, choose the most likely tokens.

        Args:
            context: (N, F), or with two copies (2N, F), first with the condition, then without.
            draws: the numbers.
            copies: 2 for guided sequences, else 1.
        """
        added = self.context_to_input(context)
        state = torch.tanh(self.context_to_state(context))[None]
        token = torch.full_like(context.view(copies, -1, context.shape[1])[0, :, 0], self.num_tokens, dtype=torch.int64)
        if torch.compiler.is_exporting():
            return self._draw_in_scan(added, state[0], token, draws, copies)
        is_open = torch.ones_like(token, dtype=torch.bool)
        syntax = None if self.syntax_mask is None else self.syntax_mask.begin(len(token))
        tokens = []
        for place in range(self.length):
            inputs = (self.decoder_embedding(token).repeat(copies, 1) + added)[:, None]
            output, state = self.decoder(inputs.to(state.dtype), state)
            logits = self._guide(at_least_float32(self.to_logits(output[:, 0])), copies)
            if self.syntax_mask is not None and syntax is not None:
                logits = self.syntax_mask.mask(logits, syntax)
            chosen = self._choose(logits, None if draws is None else draws[:, place])
            token = torch.where(is_open, chosen, END)
            if self.syntax_mask is not None and syntax is not None:
                syntax = self.syntax_mask.advance(syntax, token)
            is_open = token != END
            tokens.append(token)
        return torch.stack(tokens, 1).float()

    def _draw_in_scan(self, added: Tensor, state: Tensor, begin: Tensor, draws: Tensor | None, copies: int) -> Tensor:
        """Draw the same by one operator, for exported programs, in which each turn of a loop has its own weights."""
        from torch._higher_order_ops.scan import scan

        weight, recurrent_weight, bias, recurrent_bias = self.decoder.all_weights[0]
        mask = self.syntax_mask

        def write(carried: Carried, draw: Tensor) -> tuple[Carried, Tensor]:
            token, state, syntax = carried
            inputs = self.decoder_embedding(token).repeat(copies, 1) + added
            reset, update, new = functional.linear(inputs, weight, bias).chunk(3, 1)
            own_reset, own_update, own_new = functional.linear(state, recurrent_weight, recurrent_bias).chunk(3, 1)
            candidate = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            state = candidate + torch.sigmoid(update + own_update) * (state - candidate)
            logits = self._guide(self.to_logits(state), copies)
            chosen = self._choose(logits if mask is None else mask.mask(logits, syntax), draw)
            token = torch.where(token == END, END, chosen)
            return (token, state, syntax.clone() if mask is None else mask.advance(syntax, token)), token.clone()

        syntax = begin[:, None] if mask is None else mask.begin(begin.shape[0])
        draws = torch.zeros_like(begin)[:, None].expand(-1, self.length) if draws is None else draws
        tokens: Tensor = scan(write, (begin, state, syntax), draws.T.contiguous())[1]
        return tokens.T.float()

    def _choose(self, logits: Tensor, draws: Tensor | None) -> Tensor:
        """Choose a token (N,) of logits (N, V): the first at which the sum of probabilities exceeds a draw (N,)."""
        if draws is None or not self.temperature:
            return logits.argmax(1)
        reached = (logits / self.temperature).softmax(1).cumsum(1)
        return (reached < draws[:, None].to(reached.dtype)).sum(1).clamp_max(self.num_tokens - 1)


def _build_predictor(code_size: int, width: int, num_given: int) -> nn.Sequential | None:
    """Return the network that predicts the values of a condition from codes; None without a width or values."""
    if not (width and num_given):
        return None
    return nn.Sequential(
        nn.Linear(code_size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, num_given)
    )


def _pack(padded: Tensor, lengths: Tensor) -> PackedSequence:
    """Pack sequences (N, L, ...) of these lengths (N,)."""
    return pack_padded_sequence(padded, lengths.cpu(), batch_first=True, enforce_sorted=False)
