"""Style mixing: samples in which some layers use the styles of other samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.latent_space import EditSpace
from zerosum.media.raster import Images


def style_mixing_grid(
    space: EditSpace, sources: Tensor, styles: Tensor, layers: slice, draw: Callable[[Tensor], Images]
) -> Images:
    """Generate a grid with sources in rows and styles in columns: each source with these layers' styles of each column.

    Karras et al. 2018, "A Style-Based Generator Architecture", arXiv:1812.04948, section 3.1, figure 3.

    Args:
        space: the generator's edit space.
        sources: (S, layers, W), codes of the rows, used for all other layers.
        styles: (T, layers, W), codes of the columns, used for `layers`.
        layers: from `parse_layers`: coarse layers transfer pose and shape, fine ones colors.
        draw: draws samples (N, C, H, W) as images uint8 (N, H, W, C).

    Returns:
        uint8 ((S + 1) * (T + 1), H, W, C) for a grid of T + 1 columns. The first row is an empty cell and the unchanged
        styles; each other row starts with the unchanged source.

    Raises:
        BadInput: if the generator has no styles.
    """
    if space.num_layers == 1:
        raise BadInput(
            "style mixing needs a generator with a style for each layer, and this one has a single latent for all "
            "layers: train one with `recipe` stylegan2"
        )
    cells = sources[:, None].repeat(1, len(styles), 1, 1)  # (S, T, layers, W)
    cells[:, :, layers] = styles[None, :, layers]
    rows = torch.cat([sources[:, None], cells], 1)  # (S, T + 1, layers, W)
    generated = draw(space.generate(torch.cat([styles, rows.flatten(0, 1)])))
    empty = np.full_like(generated[:1], 255)
    if generated.shape[3] in (2, 4):
        empty[..., -1] = 0
    return np.concatenate([empty, generated])
