"""Models on the Hugging Face Hub: `hf:user/name` is downloaded into the cache of its client, and folders are pushed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from zerosum.errors import BadInput
from zerosum.inference.model_folder import (
    CODEC_TENSORS_FILE,
    CONFIG_FILE,
    TRAINING_FILE,
    WEIGHTS_FILE,
    refuse_executable_names,
)

PREFIX: Final = "hf:"
CONNECT_SECONDS = 10.0
"""Longest time that the hub may take to answer; then the cache is used."""
_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_REVISION = re.compile(r"[\w][\w./-]*")
_WANTED = [CONFIG_FILE, WEIGHTS_FILE, TRAINING_FILE, CODEC_TENSORS_FILE]
_OWN_FILES = {".gitattributes"}
"""What a new repository holds."""


def is_hub_name(run: str | Path) -> bool:
    """Return whether a run is named as a model on the hub: hf:user/name."""
    return str(run).startswith(PREFIX)


def check_hub_support() -> None:
    """Raise unless the client is installed.

    Raises:
        BadInput: it is not.
    """
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise BadInput(
            'models on the hub need huggingface_hub, which is not installed: pip install "zerosum[hub]"'
        ) from error


def _no_connection_errors() -> tuple[type[Exception], ...]:
    """Return the errors that say that the hub was not reached, whichever HTTP library its client uses."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)), OSError)


@lru_cache(maxsize=64)
def download_model(run: str) -> Path:
    """Download a model, or find it in the cache; only its settings and tensors, after a look at what else there is.

    Args:
        run: hf:user/name, or hf:user/name@revision with a branch, a tag or a commit.

    Returns:
        The model folder, in the cache of the client of the hub. Without a connection, what it has is used.

    Raises:
        BadInput: the client is not installed, there is no such model, it holds pickles or code, or it is not in the
            cache and there is no connection.
    """
    name, mark, revision = run.removeprefix(PREFIX).partition("@")
    if not _NAME.fullmatch(name) or (mark and not _REVISION.fullmatch(revision)):
        raise BadInput(f"{run}: a model on the hub is named hf:user/name, or hf:user/name@revision")
    check_hub_support()
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    api = huggingface_hub.HfApi()
    with _explained(run):
        try:
            # unlike `list_repo_files`, this does not try for half a minute where there is no connection
            model = api.model_info(name, revision=revision or None, timeout=CONNECT_SECONDS)
            refuse_executable_names(run, [file.rfilename for file in model.siblings or ()])
        except HfHubHTTPError:
            raise
        except _no_connection_errors():
            return _find_in_cache(run, name, revision)
        return Path(huggingface_hub.snapshot_download(name, revision=revision or None, allow_patterns=_WANTED))


def _find_in_cache(run: str, name: str, revision: str) -> Path:
    """Return a model that was downloaded before.

    Raises:
        BadInput: it was not.
    """
    import huggingface_hub

    try:
        folder = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=_WANTED, local_files_only=True
        )
    except _no_connection_errors() as error:
        raise BadInput(
            f"{run}: the hub cannot be reached, and the model was not downloaded before; check the connection"
        ) from error
    return Path(folder)


def check_push(name: str) -> None:
    """Raise unless a model can be pushed: before anything is computed.

    Raises:
        BadInput: the client is not installed, nobody is logged in, or the repository exists and holds files or is
            public.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"`push` {name}: give the name of a model on the hub, user/name")
    check_hub_support()
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    api = huggingface_hub.HfApi()
    with _explained(name):
        api.whoami()
        try:
            found = api.model_info(name)
        except RepositoryNotFoundError:
            return
    files = {file.rfilename for file in found.siblings or ()} - _OWN_FILES
    if files:
        raise BadInput(
            f"`push` {name}: exists and holds {sorted(files)[0]}; choose another name, or export into a folder and "
            f"replace the files there with `hf upload {name} FOLDER`"
        )
    if not found.private:
        raise BadInput(
            f"`push` {name}: exists and is public; make it private in its settings on the hub, or export into a folder "
            f"and publish that with `hf upload {name} FOLDER`"
        )


def push_model(name: str, folder: Path) -> str:
    """Create a private repository, unless there is an empty one, and push a model folder to it.

    Returns:
        Its address.

    Raises:
        BadInput: it cannot be created or written.
    """
    import huggingface_hub

    api = huggingface_hub.HfApi()
    with _explained(name):
        address = api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="A model of Zerosum")
    return str(address)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn errors of the client into one sentence for the user.

    Raises:
        BadInput: the client has raised an error.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise BadInput(f"{name}: ask for access on its page on the hub, then log in with `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise BadInput(
            f"{name}: there is no such model on the hub, or it is private; correct the name, or log in with "
            "`hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise BadInput(f"{name}: there is no such revision; give a branch, a tag or a commit of it") from error
    except HFValidationError as error:
        raise BadInput(f"{name}: the hub allows no such name ({error}); a model there is named hf:user/name") from error
    except LocalTokenNotFoundError as error:
        raise BadInput(f"{name}: nobody is logged in to the hub; log in with `hf auth login`") from error
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{name}: the hub refuses ({reason}); log in with `hf auth login`, or try again") from error
    except _no_connection_errors() as error:
        reason = str(error) or type(error).__name__
        raise BadInput(f"{name}: the hub cannot be reached ({reason}); check the connection, and try again") from error
