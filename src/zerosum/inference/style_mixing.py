"""Style mixing: what a sample looks like with some layers' styles of another."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.latent_space import EditSpace
from zerosum.media import images
from zerosum.media.images import Images


def style_mixing_grid(space: EditSpace, sources: Tensor, styles: Tensor, layers: slice) -> Images:
    """A sheet of sources in rows and styles in columns: each source with some layers' styles of each of the others.

    Karras et al. 2018, "A Style-Based Generator Architecture", arXiv:1812.04948, section 3.1, figure 3.

    Args:
        space: of the generator.
        sources: (S, layers, W), places that keep all other layers.
        styles: (T, layers, W), places that give these layers.
        layers: from `band`: coarse ones bring pose and form along, fine ones colours.

    Returns:
        uint8 ((S + 1) * (T + 1), H, W, C) for a sheet of T + 1 columns. The first row is an empty cell and the styles
        as they are; each other row begins with the source as it is.

    Raises:
        BadInput: the generator has no styles to mix.
    """
    if space.layers == 1:
        raise BadInput(
            "styles cannot be mixed in this generator, which has one latent for all its layers: train one that has a "
            "style for each with --recipe stylegan2"
        )
    cells = sources[:, None].repeat(1, len(styles), 1, 1)  # (S, T, layers, W)
    cells[:, :, layers] = styles[None, :, layers]
    rows = torch.cat([sources[:, None], cells], 1)  # (S, T + 1, layers, W)
    made = images.to_uint8(space.generate(torch.cat([styles, rows.flatten(0, 1)])))
    empty = np.full_like(made[:1], 255)
    if made.shape[3] in (2, 4):
        empty[..., -1] = 0
    return np.concatenate([empty, made])
