"""The dashboard's files, as they lie beside this module: read once, sent with a tag by which a browser keeps them."""

import hashlib
import mimetypes
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from budget.domain.errors import NotFound
from budget.operations.pages import SECURITY

PREFIX: Final = "/dashboard/"
INDEX: Final = "index.html"
_SENT: Final = frozenset((".html", ".js", ".css", ".svg", ".txt"))


class File(NamedTuple):
    """A file of the page, as it is sent."""

    content: bytes
    media_type: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Every file of the page, by its path below `/dashboard/`."""
    return dict(_read(resources.files("budget.interfaces.dashboard"), ""))


def _read(folder: Traversable, path: str) -> list[tuple[str, File]]:
    found = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _read(each, f"{path}{each.name}/")
        elif each.name[each.name.rfind(".") :] in _SENT:
            content = each.read_bytes()
            kind = "text/javascript" if each.name.endswith(".js") else mimetypes.guess_type(each.name)[0]
            found.append(
                (path + each.name, File(content, kind or "text/plain", hashlib.sha256(content).hexdigest()[:20]))
            )
    return found


class _ForPeople(Route):
    """The root for a browser; programs that ask there for JSON go on to the next route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        accepted = next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")
        return super().matches(scope) if b"text/html" in accepted else (Match.NONE, {})


async def page(request: Request) -> Response:
    """The page."""
    return _sent(request, INDEX)


def _sent(request: Request, path: str) -> Response:
    found = files().get(path)
    if found is None:
        raise NotFound(f"the dashboard has no file {path[:200]!r}")
    headers = {**SECURITY, "ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


async def file(request: Request) -> Response:
    """One of its files."""
    return _sent(request, request.path_params["path"])


ROUTES: Final = (_ForPeople("/", page), Route(PREFIX + "{path:path}", file))
