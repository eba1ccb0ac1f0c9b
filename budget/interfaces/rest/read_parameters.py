"""What routes share that are no projection of the catalogue, and how old clients ask for a bare array."""

from typing import Annotated

from fastapi import Query, Request

from budget.domain.errors import Invalid
from budget.engine.ledger import Ledger

BARE_LIMIT = 100
"""How many items an old client gets that neither pages nor knows of pages."""

Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


def ledger_of(request: Request) -> Ledger:
    """The ledger of the application that a request came to."""
    ledger: Ledger = request.app.state.ledger
    return ledger


def is_bare(request: Request) -> bool:
    """Whether an old client asks that iterates an array: under `/api` alone, without paging (wire contract 15.4)."""
    asked = request.query_params
    return not request.url.path.startswith("/api/v1/") and "page" not in asked and "limit" not in asked


async def refuse_unknown(request: Request) -> None:
    """A parameter that a route does not take is a slip, and a list that ignores it answers another question."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            accepted = ", ".join(sorted(known)) or "none"
            raise Invalid(name[:200], f"is not a parameter of this request; it takes: {accepted}")
