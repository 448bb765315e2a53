"""Places of stores, datasets and runs: a local folder, or objects under `s3://`, `gs://` or `az://`.

A place is a `Path`, or a `upath.UPath` with the same methods for objects, so most code need not distinguish them. Lance
takes a place as text. Both find credentials and endpoints in the environment variables of the services' own tools
(docs/object-stores.md); fabnet never writes them down.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from fabnet.errors import InputError, MissingDependencyError, OutputError, first_line
from fabnet.files.limits import MAX_WEIGHTS_BYTES
from fabnet.files.sync import sync_folder
from fabnet.runtime.progress import progress

__all__ = [
    "as_place",
    "as_places",
    "cache_folder",
    "check_free",
    "dataset_around",
    "fetched",
    "is_remote",
    "is_same_file",
    "lance_name",
    "local",
    "make_folder",
    "refusal",
    "remove",
    "send",
    "several",
    "workplace",
]

SCHEMES = ("s3", "gs", "az")
"""URI schemes; each needs the extra of the same name."""
LOOP_ON_WINDOWS = 1921
"""Windows' number of an error for a loop of symlinks; `errno` is then EINVAL."""
CLIENTS = {"aiobotocore", "botocore", "aiohttp", "gcsfs", "google", "azure", "adlfs"}
"""Packages whose errors are not OSErrors."""


def is_remote(path: str | Path) -> bool:
    """Whether a path is a URI, hence in an object store."""
    return "://" in str(path)


def as_place(given: str | Path) -> Path:
    """The place of a path or URI. The first use of a URI checks that its bucket can be reached.

    Args:
        given: a local path, a URI, or a place.

    Raises:
        InputError: the path is empty, a loop of symlinks, or has too long a name; or the URI has an unknown scheme or
            contains credentials, or its bucket is missing, forbidden or unreachable.
        MissingDependencyError: the extra that its scheme needs is not installed.
    """
    if not str(given):  # `Path("")` would be the working folder
        raise InputError("a path is empty; expected a file or folder: is a variable unset?")
    if not is_remote(given):
        _check_names(Path(given))
        return Path(given)
    if not isinstance(given, str):
        _agree()  # the place may come from another process
        return given
    scheme, _, rest = given.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise InputError(f"{scheme}:// is not supported; expected a local path or one of {known}")
    if "@" in rest.partition("/")[0] or set("?#") & set(rest):  # the URI is not shown: it may contain a secret
        raise InputError(
            f"a {scheme}:// address is {scheme}://BUCKET/NAME and nothing else; credentials go into the environment"
        )
    parts = rest.rstrip("/").split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts):
        raise InputError(f"{given} is not a place in a bucket; expected {scheme}://BUCKET/NAME")
    try:
        import upath

        _agree()
        # Lance writes without this client, so cached listings would be stale.
        found: Any = upath.UPath(given.rstrip("/"), use_listings_cache=False)
        _ = found.fs
    except ImportError:
        raise MissingDependencyError(f"{scheme}:// needs further packages: pip install 'fabnet[{scheme}]'") from None
    except Exception as error:
        raise InputError(f"{given} cannot be opened: {refusal(error) or first_line(error)}") from None
    _check(str(found), found)
    return found  # type: ignore[no-any-return]


def _check_names(path: Path) -> None:
    """Refuse a local path that can lead nowhere, whatever is there."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP or getattr(error, "winerror", 0) == LOOP_ON_WINDOWS:
            link = next(each for each in (*reversed(path.parents), path) if _is_loop(each))
            raise InputError(
                f"{link} is a symlink to {os.readlink(link)}, which leads back to itself; expected a path without a "
                "loop of links: remove the link, or choose another path"
            ) from None
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(
                f"the path {str(path)[:60]}... is too long; most systems take 255 bytes for each name in it, and 4,096 "
                "in all: choose a shorter one"
            ) from None


def _is_loop(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return path.is_symlink()
    return False


def several(given: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """One or more paths as a list."""
    return [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)


def as_places(given: str | Path | Iterable[str | Path]) -> list[Path]:
    """The places of one or more paths or URIs, see `as_place`."""
    return [as_place(each) for each in several(given)]


def local(given: str | Path, what: str) -> Path:
    """A path that must be on this machine.

    Args:
        given: a local path.
        what: what is there, in the plural, for the message.

    Raises:
        InputError: it is empty, or the URI of an object store.
    """
    if is_remote(given):
        raise InputError(f"{what} must be on this machine, not in an object store: copy them here first")
    return as_place(given)


def dataset_around(place: Path) -> Path | None:
    """The Lance dataset in whose folder a place on this machine lies; None: in none."""
    if is_remote(place):
        return None
    return next((folder for folder in place.absolute().parents if (folder / "_versions").is_dir()), None)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two places lead to the same file; if one was deleted or is remote, whether the places are equal."""
    if is_remote(one) or is_remote(other):
        return str(one) == str(other)
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # a deleted file is reported when it is read
        return one.absolute() == other.absolute()


def _agree() -> None:
    """Set two more environment variables that Lance needs to use the same settings as the other clients."""
    if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")
    if "AWS_REGION" in os.environ:
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])
    for name in ("gcsfs", "azure"):  # they log tracebacks of errors that they also raise
        logging.getLogger(name).setLevel(logging.CRITICAL)


_answered: set[str] = set()


def _check(name: str, found: Any) -> None:
    if name in _answered:
        return
    bucket = found.parents[-1] if found.parents else found
    try:
        if not found.exists():
            with suppress(PermissionError):  # the user may have access to a part of the bucket only
                if not bucket.exists():
                    raise InputError(f"{name}: there is no bucket {bucket}: make it first, or check the name")
    except PermissionError as error:
        raise InputError(f"no permission to read {name} ({first_line(error)}): check the credentials") from None
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} cannot be reached: {refusal(error) or first_line(error)}") from None
    _answered.add(name)


def refusal(error: BaseException) -> str | None:
    """The error of an object store's client in one line; None: the error is from elsewhere."""
    if type(error).__module__.partition(".")[0] not in CLIENTS:
        return None
    name = type(error).__name__
    if "Credential" in name or "Authentication" in name or "RefreshError" in name:
        return f"the credentials are missing or not accepted ({first_line(error)}): set them in the environment"
    return f"{first_line(error)}: check the network, and the endpoint in the environment"


def lance_name(path: Path) -> str:
    """A place as text for Lance, which would take the `a` of a relative path like `a:b` for an object store."""
    return str(path if is_remote(path) else path.absolute())


def make_folder(path: Path) -> None:
    """Make a folder and its parents, and sync them; does nothing in an object store, which has no folders.

    Raises:
        OutputError: it is a symlink that leads nowhere.
        OSError: it cannot be made.
    """
    if is_remote(path):
        return
    if path.is_symlink() and not path.exists():
        raise OutputError(
            f"{path} is a symlink to {os.readlink(path)}, which does not exist: make it, or remove the link"
        )
    made = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in made:
        sync_folder(each.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its contents, if it exists."""
    if is_remote(path):
        client: Any = path
        with suppress(FileNotFoundError):
            client.fs.rm(client.path, recursive=True)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_free(folder: Path, advice: str) -> None:
    """Refuse a folder to make if something is there; an empty folder passes.

    Args:
        folder: the folder.
        advice: what to do, for the message.

    Raises:
        InputError: it is a file, or a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; {advice}")


def send(local: Path, path: Path, *, last: str | None = None) -> None:
    """Upload a local file or folder to a place in an object store, replacing what is there.

    Objects appear whole or not at all, but folders do not, so the file that makes a folder valid is uploaded last. A
    former folder without such a file is replaced object by object, and what the new one lacks is removed at the end.

    Args:
        local: the file or folder.
        path: its place in the object store.
        last: name of the file that makes the folder valid; None: each file is of use alone.
    """
    client: Any = path
    if local.is_file():
        client.fs.put_file(str(local), client.path)
        return
    if last is not None:
        remove(path)  # a mixture of the former folder and the new one would count as valid
    files = [file for file in sorted(local.rglob("*")) if file.is_file()]
    sent = [f"{client.path}/{file.relative_to(local).as_posix()}" for file in files]
    for file, place in sorted(zip(files, sent, strict=True), key=lambda each: each[0].name == last):
        client.fs.put_file(str(file), place)
    former = [place for place in client.fs.find(client.path) if place not in sent]
    if former:
        client.fs.rm(former)


@cache
def _copies() -> TemporaryDirectory:
    """The folder for local copies, which is removed when the process ends."""
    return TemporaryDirectory(prefix="fabnet-")


def fetched(path: Path, *, only: Collection[str] | None = None) -> Path:
    """A local copy of a file or folder, of the same name, until this process ends; a local place is returned as it is.

    Args:
        path: the place.
        only: names of the files of a folder to copy; None: all.

    Raises:
        InputError: nothing is there, a file is too large, or an object's name leads out of the folder.
    """
    if not is_remote(path):
        return path
    client: Any = path
    infos: dict[str, dict[str, Any]] = {
        key: info for key, info in client.fs.find(client.path, detail=True).items() if not key.endswith("/")
    }  # without the empty objects with which consoles mark folders
    if not infos:
        raise InputError(f"there is nothing at {path}")
    asked = hashlib.sha256(repr((str(path), infos, only and sorted(only))).encode()).hexdigest()
    copy = Path(_copies().name) / asked / path.name
    if copy.exists():
        return copy
    names = {key: key.removeprefix(client.path).strip("/") for key in infos}
    wanted = {key: name for key, name in names.items() if only is None or name in only}
    for key, name in wanted.items():
        if (name and {"", ".", ".."} & set(name.split("/"))) or "\\" in name:
            raise InputError(f"{path} holds an object named {name!r}, which leads out of it")
        if infos[key]["size"] > MAX_WEIGHTS_BYTES:
            raise InputError(f"{path}/{name} has {infos[key]['size']:,} bytes; the limit is {MAX_WEIGHTS_BYTES:,}")
    partial = Path(mkdtemp(dir=_copies().name)) / path.name
    total = sum(infos[key]["size"] for key in wanted)
    with progress(f"fetching {path.name}", total=total, unit="bytes") as bar:
        for key, name in wanted.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            client.fs.get_file(key, str(partial / name))
            bar.advance(infos[key]["size"])
    partial.parent.rename(copy.parent)
    return copy


def cache_folder() -> Path:
    """The folder for data that can be computed again: `fabnet` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fabnet"


def workplace(path: Path) -> Path:
    """The local folder for locks, spools and logs while `path` is written; for a local path, `path` itself."""
    if not is_remote(path):
        return path
    return cache_folder() / "remote" / hashlib.sha256(str(path).encode()).hexdigest()[:32]
