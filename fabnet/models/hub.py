"""Models on the Hugging Face Hub: `hf:OWNER/NAME[@REVISION]` to a model folder in the hub's cache.

Only a model folder's own files are downloaded from a repository; if it is not a fabnet model, only `config.json` and
`README.md`. Nothing in them is unpickled. huggingface_hub's own variables set the cache, the token and offline mode:
`HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from fabnet.errors import MissingDependencyError, ModelError, first_line
from fabnet.models.model_folder import CONFIG_FILE, MODEL_FILES, README_FILE, read_card

__all__ = ["download", "is_hub_name"]

PREFIX = "hf:"
NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_hub_name(model: str | Path) -> bool:
    """Whether a model's name refers to the hub."""
    return str(model).startswith(PREFIX)


@cache
def download(name: str) -> Path:
    """Download a model, or find it in the hub's cache; within a process the answer never changes.

    Args:
        name: "hf:OWNER/NAME", or "hf:OWNER/NAME@REVISION" for a branch, tag or commit other than the main branch.

    Returns:
        The model folder, inside the hub's cache.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        ModelError: the name is invalid, the repository or revision does not exist, it holds no fabnet model, or the
            hub cannot be reached and the model is not in the cache.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise ModelError(f"{name!r} is not a hub model; expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import errors, snapshot_download
        from huggingface_hub.utils import tqdm
    except ImportError:
        raise MissingDependencyError(f"{name} needs huggingface_hub: pip install 'fabnet[hub]'") from None

    class Bar(tqdm):  # type: ignore[misc]
        """Shown after two seconds, so not when all files are in the cache."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"delay": 2.0})

    repo, revision = parts["repo"], parts["revision"]
    try:
        folder = Path(
            snapshot_download(repo, revision=revision, allow_patterns=[CONFIG_FILE, README_FILE], tqdm_class=Bar)
        )
        read_card(folder)
        # A snapshot's folder is named after its commit, so both calls return files of the same commit.
        return Path(snapshot_download(repo, revision=folder.name, allow_patterns=list(MODEL_FILES), tqdm_class=Bar))
    except ModelError as error:
        raise ModelError(f"{name} holds no model that this fabnet can read: {error}") from None
    except errors.GatedRepoError:
        raise ModelError(f"{name} is gated: request access on its page and set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"the hub has no model {repo}; check the name, and set HF_TOKEN if it is private") from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{repo} has no revision {revision!r}; expected a branch, a tag or a commit") from None
    except errors.LocalEntryNotFoundError:
        raise ModelError(
            f"{name} is not in the hub's cache, and the hub cannot be reached (no network, or HF_HUB_OFFLINE is set)"
        ) from None
    except Exception as error:  # errors of the library and of its HTTP client share no narrower base
        raise ModelError(f"{name} cannot be downloaded: {first_line(error)}") from None
