"""The packages that sounds need, which are an extra."""

from __future__ import annotations

from zerosum.errors import BadInput


def require_audio_packages() -> None:
    """Import soundfile and SciPy, or say how they are installed.

    Raises:
        BadInput: one of them is not installed.
    """
    try:
        import scipy.signal  # noqa: F401
        import soundfile  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the library libsndfile is missing
        raise BadInput('sounds need the extra `audio`: pip install "zerosum[audio]"') from error
