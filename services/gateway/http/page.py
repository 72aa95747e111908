"""The page at /: three files of the package, and nothing from anywhere else."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from aiohttp import web

_FILES: Mapping[str, tuple[str, str]] = {
    # Path to file and content type.
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class _File(NamedTuple):
    body: bytes
    content_type: str
    tag: str


def _read(name: str, content_type: str) -> _File:
    body = (files("services.gateway") / "web" / name).read_bytes()
    return _File(body, content_type, sha256(body).hexdigest()[:16])


class Page:
    """Serves the files from memory. Browsers keep them, and ask each time whether they changed."""

    def __init__(self) -> None:
        self._files = {path: _read(*file) for path, file in _FILES.items()}

    @property
    def paths(self) -> list[str]:
        """Where the files are."""
        return list(self._files)

    async def get(self, request: web.Request) -> web.Response:
        """One of the files."""
        file = self._files[request.path]
        headers = {"ETag": f'"{file.tag}"', "Cache-Control": "no-cache"}
        if any(known.value == file.tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})
