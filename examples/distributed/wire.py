"""HTTP between the services: a call that is a POST with JSON in and out, and a server on a port of its own.

The scope travels by two lines of this file: `inject` where a request is made, `JoiningWSGI` where it is served.
"""

from __future__ import annotations

import json
import socketserver
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from lifeguard.stores import JoiningWSGI, inject

Handler = Callable[..., Any]


class CallFailed(Exception):
    """The other side raised, or does not answer."""


def call(url: str, what: str, **told: Any) -> Any:
    """Call another service.

    Raises:
        CallFailed: it raised, or it does not answer.
    """
    headers = inject({"Content-Type": "application/json"})
    request = urllib.request.Request(f"{url}/{what}", json.dumps(told).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise CallFailed(json.load(error).removeprefix("CallFailed: ")) from None
    except OSError as error:
        raise CallFailed(f"no answer ({type(error).__name__})") from None


def server_of(handlers: dict[str, Handler]) -> WSGIServer:
    """A server for some handlers, on a free port of this machine; each request is served inside the scope that it carries."""
    return make_server("127.0.0.1", 0, JoiningWSGI(_app(handlers)), _Server, _Quiet)


def _app(handlers: dict[str, Handler]) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        told = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        try:
            status, answer = "200 OK", handlers[environ["PATH_INFO"].strip("/")](**told)
        except Exception as error:
            status, answer = "500 Internal Server Error", f"{type(error).__name__}: {error}"
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return app


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the services say what they do."""
