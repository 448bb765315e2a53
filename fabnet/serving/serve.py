"""`fabnet serve`: shows an embeddings dataset as a page in the browser."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fabnet.errors import InputError, MissingDependencyError
from fabnet.files.places import as_place
from fabnet.options import takes
from fabnet.runtime.terminal import say
from fabnet.serving.guard import is_loopback
from fabnet.serving.options import ServeOptions

__all__ = ["ServeResult", "check_packages", "listening", "serve"]


@dataclass(frozen=True, slots=True)
class ServeResult:
    """What was served until it was stopped."""

    data: Path
    """Path of the dataset."""
    url: str
    """Address of the page."""

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {"data": str(self.data), "url": self.url}


@takes(ServeOptions)
def serve(data: str | Path, options: ServeOptions | None = None, **changes: Any) -> ServeResult:
    """Show an embeddings dataset in the browser, until it is stopped (Ctrl-C).

    Args:
        data: an embeddings dataset that `embed` wrote (Lance, with thumbnails).
        options: all options as one object; or give them by name.

    Returns:
        What was served.

    Raises:
        MissingDependencyError: fastapi or uvicorn is not installed.
        StoreError: there is no such dataset or store.
        InputError: the dataset has nothing to show, or the port is taken.
        ModelError: the model that was named is not there, or is another one.
    """
    options = ServeOptions.of(options, changes)
    host = options.host
    check_packages("fabnet serve")
    from fabnet.serving.app import build_app
    from fabnet.serving.connections import Server
    from fabnet.serving.site import open_site
    from fabnet.serving.token import new_token

    with listening(host, options.port) as listener:
        address, bound_port = listener.getsockname()[:2]
        site = open_site(data, store=options.store, model=options.model, device=options.device)
        for note in site.catalogue.notes:
            say(f"note: {note}", to_stderr=True)
        token = None if is_loopback(address) else new_token()
        app = build_app(site, hosts=(host, address), token=token, rate=options.rate)
        url = f"http://{f'[{host}]' if ':' in host else host}:{bound_port}"
        say(f"open {url}{f'/?token={token}' if token else ''} (Ctrl-C stops it)", to_stderr=True)
        if token:
            note = "other machines can reach this server; it answers those who have the token, and does not encrypt"
            say(f"note: {note}", to_stderr=True)
        with suppress(KeyboardInterrupt):
            Server(app, listener).run(sockets=[listener])
    return ServeResult(as_place(data), url)


def check_packages(needed_by: str) -> None:
    """Check that the packages of a web server are installed.

    Args:
        needed_by: what needs them, for the message.

    Raises:
        MissingDependencyError: fastapi or uvicorn is not installed.
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f"{needed_by} needs {' and '.join(missing)}: pip install 'fabnet[serve]'")


def listening(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: the port is taken or invalid, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid name, e.g. 127.0.0..1
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot listen on {host}:{port} ({reason}): give another --port or --host") from None
    return listener
