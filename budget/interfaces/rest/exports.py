"""Exports over REST: files that are sent as they are read, and given up when nobody takes them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from budget.interfaces.rest import needing, openapi
from budget.interfaces.rest.read_parameters import ledger_of
from budget.operations import access, confinement, exports, inputs

router: Final = APIRouter(tags=["exports"])

TAKE_SECONDS: Final = 60.0
"""A client that takes nothing for so long is left: it keeps a snapshot that others may need."""


class Streamed(Response):
    """An answer in pieces. The first is read before the answer begins, so that what fails by then is a problem."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes], media_type: str, name: str) -> None:
        super().__init__(None, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, media_type)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send the pieces, each within a time."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._rest) as rest:
            await self._piece(send, self._first)
            async for piece in rest:
                await self._piece(send, piece)
        await send({"type": "http.response.body", "body": b""})

    async def _piece(self, send: Send, piece: bytes) -> None:
        async with asyncio.timeout(TAKE_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})


@router.get("/exports/{kind}", summary="Export usage", **openapi.in_pieces(exports.ExportUsage, exports.FORMS))
async def export_usage(request: Request, kind: str) -> Response:
    """Usage as a file: `usage` has Budget's own records, `focus` rows of FOCUS 1.3, with reversals and credits.

    It is sent as it is read from one snapshot, so it may be of any length, and adds up to the reports of the same time.
    An answer that ends without the last piece is not whole.
    """
    caller = needing.caller_of(request)
    access.demand(caller, "read")
    asked = inputs.from_parameters(exports.ExportUsage, request.query_params)
    asked = await confinement.confined(
        "export_usage", reads=True, ledger=ledger_of(request), asked=asked, caller=caller
    )
    made = await exports.export(request.app.state.exports, kind, asked)
    try:
        first = await anext(made.pieces)
    except BaseException:  # the caller went away while it was read, among others
        await made.pieces.aclose()
        raise
    return Streamed(first, made.pieces, made.media_type, made.name)
