"""The windows of short-time Fourier transforms, which data, networks, losses and metrics choose alike.

Importing this module does not import PyTorch: settings choose windows without it.
"""

WINDOW_HOPS = 4
"""Hops of a window, at least: frames overlap by three quarters, so that phases can be found, and sums are smooth."""


def choose_window(hop: int) -> int:
    """Return the length of the window of frames a hop apart: the least power of two of at least four hops.

    Example:
        >>> choose_window(256), choose_window(344)
        (1024, 2048)
    """
    return 1 << (WINDOW_HOPS * hop - 1).bit_length()


def choose_hop(window: int) -> int:
    """Return the hop of the frames of a window: a quarter of it.

    Example:
        >>> choose_hop(1024)
        256
    """
    return window // WINDOW_HOPS
