"""Settings of the autoencoder of sequences of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec, require_single_tensor
from zerosum.networks.configs.autoencoder import AutoencoderConfig
from zerosum.networks.configs.base import Width, format_shape
from zerosum.networks.configs.residual_mlp import count_given

if TYPE_CHECKING:
    from zerosum.game.sample_spec import SampleSpec
    from zerosum.game.types import Autoencoder


class RecurrentAutoencoderConfig(AutoencoderConfig):
    """Maps sequences of tokens to codes, and draws sequences from codes (after arXiv:1610.02415)."""

    kind: Literal["recurrent"] = "recurrent"
    code_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Values of a code."""
    encoder_width: Width = 384
    """Values of the encoder's state."""
    decoder_width: Width = 768
    """Values of the decoder's state."""
    embedding_size: Width = 128
    """Values of the vector that stands for a token."""
    condition: Literal["none", "given"] = "none"
    """Whether the decoder is told what is given, such as wanted properties (given), or not."""
    predictor_width: Annotated[int, Field(ge=0, le=4096)] = 256
    """Width of the network that predicts what may be given from codes: it tells what the data do not know of a sample,
    and how far generated codes are from what they were asked for. 0: there is none."""
    prediction_weight: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """Weight of its squared error, of standardized values, next to the nats of a sequence."""
    decoding_noise: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Standard deviation of the noise on codes from which samples are drawn: with more of it, the decoder relies less
    on codes that no sample has, and samples are likelier, but follow their codes less."""

    guidance: Annotated[float, Field(ge=0, le=20)] = 1.0
    """How many times the difference that what is given makes is added when samples are drawn: above 1, they are closer
    to what they were asked for, and differ less (arXiv:2207.12598)."""
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.7
    """By which the logits of tokens are divided when samples are drawn: below 1, likely tokens are drawn more often
    than in training, so that more samples are valid, and they differ less; at 0, the most likely token is chosen."""

    @property
    def has_predictor(self) -> bool:
        """Whether it predicts from codes what may be given of a sample."""
        return bool(self.predictor_width) and self.condition == "given"

    def code_spec(self, spec: SampleSpec) -> TensorSpec:
        """Return what the code of a sequence is.

        Raises:
            BadInput: the samples are no sequences of tokens.
        """
        self._require_tokens(spec)
        return TensorSpec((self.code_size,))

    def _require_tokens(self, spec: SampleSpec) -> TensorSpec:
        tensor = require_single_tensor(spec, f"`autoencoder.kind` {self.kind}")
        if not tensor.num_tokens:
            raise BadInput(
                f"`autoencoder.kind` {self.kind} needs sequences of tokens, such as molecules, got samples of shape"
                f" {format_shape(tensor.shape)}: choose another one, or another `recipe`"
            )
        return tensor

    def build(self, spec: SampleSpec, condition_spec: SampleSpec | None = None) -> Autoencoder:
        """Build the autoencoder, sequences (N, L) to codes (N, C) and back.

        Raises:
            BadInput: the samples are no sequences of tokens, or nothing can be given.
        """
        from zerosum.networks import sequence_autoencoder

        tensor = self._require_tokens(spec)
        return sequence_autoencoder.RecurrentAutoencoder(
            tensor.shape[0],
            tensor.num_tokens,
            self.code_size,
            encoder_width=self.encoder_width,
            decoder_width=self.decoder_width,
            embedding_size=self.embedding_size,
            num_given=count_given(self.condition, condition_spec, "autoencoder.condition"),
            decoding_noise=self.decoding_noise,
            temperature=self.temperature,
            predictor_width=self.predictor_width,
            prediction_weight=self.prediction_weight,
            guidance=self.guidance,
            syntax=tensor.syntax,
        )
