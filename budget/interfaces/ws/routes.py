"""The paths of sockets, and what joins them to the application."""

from fastapi import APIRouter, WebSocket

from budget.interfaces.ws.connection import Connection
from budget.interfaces.ws.topics import PATHS

router = APIRouter()


async def _serve(websocket: WebSocket) -> None:
    await Connection(websocket, websocket.app.state.ledger, PATHS[websocket.scope["path"]]).run()


for _path in PATHS:
    router.add_api_websocket_route(_path, _serve)
