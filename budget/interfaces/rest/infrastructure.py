"""What launchers, probes and people ask of any Tekton component: health, readiness, status, metrics, documentation."""

from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import HTMLResponse

from budget.domain import instants, money
from budget.domain.entries import NOBODY
from budget.engine.ledger import Ledger
from budget.engine.totals import Totals, totals
from budget.interfaces.rest.needing import caller_of, of_all
from budget.interfaces.rest.traffic import Traffic
from budget.operations import pages, wire
from budget.operations.identity import CAPABILITIES, COMPONENT, DESCRIPTION, NAME, Identity, Neighbour

router: Final = APIRouter(tags=["infrastructure"])
prefixed: Final = APIRouter(tags=["infrastructure"])
"""Those that stand below `/api` and `/api/v1` as well."""


@router.get("/health")
async def health(request: Request) -> Response:
    """Whether the service does its work; 200 unless it is down (wire contract 15.21)."""
    if caller_of(request) is NOBODY:
        return _in_short(request)
    identity = _identity(request)
    writing, registered = _is_writing(request), _is_registered(request)
    return wire.reply(
        {
            "status": "healthy" if writing else "unhealthy",
            "component": COMPONENT,
            "version": identity.version,
            "timestamp": _timestamp(request),
            "uptime": identity.uptime,
            "port": identity.port,
            "registeredWithHermes": registered,
            "registered_with_hermes": registered,
            "registered": registered,
            "dependencies": [_dependency(neighbour) for neighbour in _neighbours(request)],
            "metrics": {},
            "details": {},
        },
        200 if writing else 503,
    )


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Whether the service can answer; it does not need Hermes for that."""
    if not _is_writing(request):
        return wire.reply({"detail": "the ledger is not open"}, 503)
    if caller_of(request) is NOBODY:
        return wire.reply({"ready": True})
    identity = _identity(request)
    took = request.app.state.initialization_time
    return wire.reply(
        {
            "ready": True,
            "component": COMPONENT,
            "version": identity.version,
            "timestamp": _timestamp(request),
            "initializationTime": took,
            "initialization_time": took,
            "uptime": identity.uptime,
            "checks": {"database": True, "writer": True, "hermes": _is_registered(request)},
        }
    )


@router.get("/status")
@router.get("/api/status", include_in_schema=False)
@router.get("/api/v1/status", include_in_schema=False)
async def status(request: Request) -> Response:
    """What the service is and can do."""
    identity = _identity(request)
    return wire.reply(
        {
            "component": COMPONENT,
            "status": "running",
            "version": identity.version,
            "port": identity.port,
            "registered": _is_registered(request),
            "uptime": identity.uptime,
            "capabilities": CAPABILITIES,
            "health": {
                "api": "healthy" if _is_writing(request) else "unhealthy",
                "dependencies": {
                    "hermes": "disconnected",
                    **{
                        neighbour.name: "healthy" if neighbour.is_there else "disconnected"
                        for neighbour in _neighbours(request)
                    },
                },
            },
        }
    )


@router.get("/")
@router.get("/api", include_in_schema=False)
@router.get("/api/v1", include_in_schema=False)
async def about(request: Request) -> Response:
    """The name of the service, and where its documentation is."""
    return wire.reply(
        {
            "name": NAME,
            "component": COMPONENT,
            "version": _identity(request).version,
            "description": DESCRIPTION,
            "status": "running",
            "docs": "/docs",
        }
    )


@prefixed.get("/health")
async def short_health(request: Request) -> Response:
    """Whether the service does its work, in short."""
    if caller_of(request) is NOBODY:
        return _in_short(request)
    writing = _is_writing(request)
    return wire.reply(
        {
            "status": "healthy" if writing else "unhealthy",
            "component": COMPONENT,
            "version": _identity(request).version,
            "timestamp": _timestamp(request),
        },
        200 if writing else 503,
    )


@router.get(
    "/metrics",
    dependencies=[of_all("read")],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    ledger = _ledger(request)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(request.app.state.traffic)
    registry.register(_Figures(ledger, await totals(ledger.database, ledger.now())))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@router.get("/openapi.json", include_in_schema=False)
@prefixed.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return wire.reply(request.app.openapi())


@router.get("/docs", include_in_schema=False)
@prefixed.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """A page that lists every operation; it loads nothing from elsewhere."""
    return HTMLResponse(_file("docs.html"), headers=pages.SECURITY)


@router.get("/docs.js", include_in_schema=False)
async def docs_script() -> Response:
    """What that page does."""
    return Response(_file("docs.js"), media_type="text/javascript")


@router.get("/docs.css", include_in_schema=False)
async def docs_style() -> Response:
    """How it looks."""
    return Response(_file("docs.css"), media_type="text/css")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


class _Figures:
    """What the writer did and what the ledger holds, for one scrape."""

    def __init__(self, ledger: Ledger, held: Totals) -> None:
        self._ledger = ledger
        self._held = held

    def collect(self) -> Any:
        figures, held = self._ledger.figures, self._held
        dollars = float(money.to_dollars(held.held_nanocents))
        for name, meaning, value in (
            ("budget_queue_depth", "Commands that wait for the writer.", self._ledger.queue_depth),
            ("budget_largest_batch", "Commands in the largest commit so far.", figures.largest_batch),
            ("budget_active_holds", "Allocations that hold something.", held.holds),
            ("budget_held_tokens", "Tokens held.", held.held_tokens),
            ("budget_held_cost_dollars", "Dollars held.", dollars),
            ("budget_records", "Usage records, newest versions.", held.records),
            ("budget_unpriced_records", "Usage records without a price.", held.unpriced_records),
            ("budget_provisional_records", "Charges for calls that went silent.", held.provisional_records),
        ):
            yield GaugeMetricFamily(name, meaning, value=value)
        for name, meaning, total in (
            ("budget_commands", "Commands decided.", figures.commands),
            ("budget_batches", "Batches decided.", figures.batches),
            ("budget_commits", "Commits.", figures.commits),
            ("budget_commit_seconds", "Seconds spent deciding and committing.", figures.commit_seconds),
            ("budget_refusals", "Commands refused.", figures.refusals),
            ("budget_replays", "Commands answered by an earlier answer.", figures.replays),
            ("budget_rejected", "Commands turned away because the queue was full.", figures.rejected),
            ("budget_failed_batches", "Batches that failed as a whole.", figures.failed_batches),
        ):
            yield CounterMetricFamily(name, meaning, value=total)


def _in_short(request: Request) -> Response:
    """Up or not, and no more: for whoever comes without a key."""
    writing = _is_writing(request)
    return wire.reply({"status": "healthy" if writing else "unhealthy"}, 200 if writing else 503)


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


def _is_writing(request: Request) -> bool:
    ledger: Ledger | None = getattr(request.app.state, "ledger", None)
    return ledger is not None and ledger.is_writing


def _neighbours(request: Request) -> list[Neighbour]:
    neighbours: list[Neighbour] = getattr(request.app.state, "neighbours", [])  # none before the start
    return neighbours


def _is_registered(request: Request) -> bool:
    return any(neighbour.is_there for neighbour in _neighbours(request) if neighbour.name == "hermes")


def _dependency(neighbour: Neighbour) -> dict[str, Any]:
    checked_at = neighbour.checked_at
    return {
        "name": neighbour.name,
        "status": "healthy" if neighbour.is_there else "unhealthy" if neighbour.message else "unknown",
        "message": neighbour.message,
        "endpoint": neighbour.endpoint,
        "lastCheck": None if checked_at is None else instants.iso(checked_at),
    }


def _identity(request: Request) -> Identity:
    identity: Identity = request.app.state.identity
    return identity


def _timestamp(request: Request) -> str:
    return instants.iso(_ledger(request).now())


__all__ = ["Traffic", "prefixed", "router"]
