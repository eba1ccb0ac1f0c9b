"""REST as a projection of the catalogue: each regular route reads its request, runs the operation, shows the answer."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from budget.domain.errors import Invalid
from budget.interfaces.rest import openapi
from budget.interfaces.rest.needing import caller_of
from budget.interfaces.rest.read_parameters import BARE_LIMIT, is_bare, ledger_of
from budget.interfaces.rest.routes import ROUTES, Route
from budget.operations import access, inputs, wire
from budget.operations.catalogue import BY_NAME

router: Final = APIRouter()


def reads_query(route: Route) -> bool:
    """Whether a route takes its fields as parameters; else they are in its body."""
    return route.in_query or route.method in ("GET", "DELETE")


def _endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
    operation = BY_NAME[route.operation]
    from_query = reads_query(route)
    lists = inputs.lists_of(operation.request) if from_query else frozenset()

    def several(request: Request) -> dict[str, list[str]]:
        return {name: request.query_params.getlist(name) for name in lists if name in request.query_params}

    async def endpoint(request: Request) -> Response:
        caller = caller_of(request)
        access.demand(caller, operation.scope)  # before anything is said about the request
        if from_query:
            asked = inputs.from_texts(operation, {**request.query_params, **several(request), **_path(request)})
        else:
            for name in request.query_params:
                raise Invalid(name[:200], "is not a parameter of this request; it takes: none")
            body = await wire.read(request.scope, request.receive, wire.MAX_BODY)
            asked = inputs.from_body(operation, body, _path(request))
        as_array = route.bare is not None and is_bare(request) and route.bare(asked)
        if as_array:
            asked = msgspec.structs.replace(asked, limit=BARE_LIMIT)
        key = wire.idempotency_key(request.scope, asked)
        value, replayed = await access.run(operation, ledger_of(request), asked, caller, key)
        headers = {wire.REPLAYED: "true"} if replayed else None
        return wire.reply(value["items"] if as_array else value, route.status, headers)

    return endpoint


def _path(request: Request) -> dict[str, str]:
    for name in request.path_params:
        if name in request.query_params:
            raise Invalid(name, "is in the path already")
    return request.path_params


for _route in ROUTES:
    router.add_api_route(
        _route.path,
        _endpoint(_route),
        methods=[_route.method],
        **openapi.projected(_route, BY_NAME[_route.operation], in_query=reads_query(_route)),
    )
