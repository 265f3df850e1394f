"""A web server for this machine alone."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from petri.errors import BadRequest
from petri.viewing.site import Site, content_type

HOST = "127.0.0.1"
# The page needs its own files, models that it is given, and WebAssembly in a worker; nothing from elsewhere.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; base-uri 'none'; object-src 'none'; frame-ancestors 'self'"
)


class Server(ThreadingHTTPServer):
    """Serves a site on 127.0.0.1.

    Args:
        port: 0 for any that is free.

    Attributes:
        site: what can be asked for; nothing at first.

    Raises:
        BadRequest: the port is in use, or not for everybody.
    """

    daemon_threads = True
    request_queue_size = (
        1024  # connections that wait for a thread of theirs; five, the default, are soon too few
    )
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, port: int) -> None:
        self.site: Site = {}
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BadRequest(
                    f"port {port} is in use: choose another --port, or 0 for a free one"
                ) from None
            raise BadRequest(f"cannot listen on port {port}: {error.strerror}") from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a browser go away in the middle of an answer; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "petri", ""
    timeout = 60  # seconds that a silent connection is kept

    def do_GET(self) -> None:
        # Another site's page may point its own name at this machine; it is not to read what is here.
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (HOST, "localhost"):
            return self._say(HTTPStatus.FORBIDDEN)
        try:
            path = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        except ValueError:
            return self._say(HTTPStatus.BAD_REQUEST)
        file = self.server.site.get(path)
        if file is None:
            return self._say(HTTPStatus.NOT_FOUND)
        try:
            version = file.version() if file.version else None  # first: newer content may have an older tag
            content = file.read()
            version = version or hashlib.sha256(content).hexdigest()[:16]
        except (OSError, BadRequest) as error:
            return self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        tag = f'"{version}"'
        if self.headers.get("If-None-Match") == tag:
            return self._send(HTTPStatus.NOT_MODIFIED, {"ETag": tag})
        return self._send(HTTPStatus.OK, {"Content-Type": content_type(path), "ETag": tag}, content)

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # its body is not read
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is none, as any other: http.server's own pages have no policy."""
        self.close_connection = True
        self.request_version = self.protocol_version  # one that named none would be answered without headers
        self._say(HTTPStatus(code), message or "")

    def _say(self, status: HTTPStatus, text: str = "", **headers: str) -> None:
        content = f"{status.value} {status.phrase} {text}".strip().encode()
        self._send(status, {"Content-Type": "text/plain; charset=utf-8", **headers}, content)

    def _send(self, status: HTTPStatus, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        headers = {
            **headers,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(content))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the command."""
