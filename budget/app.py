"""The wiring: one application from the settings, the only place that knows all of Budget's parts."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from importlib.metadata import version as installed_version
from typing import Any

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from budget import log, settings
from budget.adapters import price_catalogue
from budget.adapters.apollo import TokenBudgetManager
from budget.adapters.apollo import routes as apollo
from budget.adapters.hermes import Tekton
from budget.adapters.migration import places
from budget.adapters.notifications import Notifications
from budget.adapters.notifications.mail import mail_server
from budget.adapters.rhetor import BudgetManager
from budget.adapters.rhetor import routes as rhetor
from budget.client.in_process import InProcess
from budget.domain.configuration import Rules
from budget.engine import keys
from budget.engine.clock import Clock
from budget.engine.exports import Exports
from budget.engine.ledger import Ledger, PriceList
from budget.engine.pulse import EVERY_SECONDS, Pulse
from budget.interfaces.dashboard import pages
from budget.interfaces.mcp import message_endpoint, messages, tool_calls, tools
from budget.interfaces.mcp import routes as mcp
from budget.interfaces.mcp.gateway import Gateway
from budget.interfaces.mcp.results import Results
from budget.interfaces.rest import (
    exports,
    hot,
    infrastructure,
    needing,
    openapi,
    origins,
    platform,
    problems,
    projected,
    read_chat,
    read_parameters,
    sse,
    traffic,
)
from budget.interfaces.ws import routes as ws
from budget.operations import gate, identity
from budget.operations.gate import Doors
from budget.operations.hosts import Hosts
from budget.operations.rates import Rate
from budget.settings import Settings
from budget.storage.database import Database

PREFIXES = ("/api", "/api/v1")


class Application(FastAPI):
    """FastAPI, with a way past its middleware for the hot routes."""

    shortcut: hot.Shortcut
    hot: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.shortcut.takes(scope):
            scope["app"] = self
            await self.hot(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings, *, clock: Clock | None = None, push_seconds: float = EVERY_SECONDS) -> Application:
    """Budget as an ASGI application; it opens its database when the server starts it."""
    started = time.monotonic()
    doors = Doors(required=settings.auth_required)
    entry: dict[str, Any] = {
        "doors": doors,
        "hosts": Hosts((settings.host, *settings.allowed_hosts)),
        "per_key": None if settings.rate_per_key is None else Rate("key", settings.rate_per_key),
        "per_address": None if settings.rate_per_address is None else Rate("address", settings.rate_per_address),
    }

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ledger = open_ledger(settings, clock=clock)
        app.state.ledger = ledger
        pulse = Pulse(ledger, every_seconds=push_seconds)
        results, model_context = Results(), Gateway(ledger, app.state.identity)
        tekton = _tekton(settings, ledger, app.state.identity)
        app.state.neighbours = [] if tekton is None else [tekton.state]
        app.state.exports = Exports(ledger)
        app.state.message_results, app.state.model_context = results, model_context
        try:
            await ledger.start()
            pulse.start()
            if tekton is not None:
                tekton.start()
            _answer_for_the_old_managers(app, ledger)
            if doors.required and not keys.any_admin(ledger):
                log.get_logger("api").warning("no key opens this service yet: stop it, and make one: budget keys first")
            app.state.initialization_time = round(time.monotonic() - started, 3)
            async with _notifications(settings, ledger, clock):
                yield
        finally:
            if tekton is not None:
                await tekton.stop()
            await pulse.stop()
            await model_context.stop()
            await results.stop()
            await ledger.stop()

    app = Application(
        title="Budget",
        version=settings.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.identity = identity.Identity(settings.version, settings.port, started)
    app.state.traffic = traffic.Traffic()
    app.state.doors = doors
    hot_routes = [*(route for prefix in PREFIXES for route in hot.routes(prefix)), *message_endpoint.ROUTES]
    app.router.routes.extend([*hot_routes, *tool_calls.ROUTES, *pages.ROUTES])
    app.shortcut = hot.Shortcut(hot_routes)
    app.hot = traffic.Middleware(gate.Middleware(app.shortcut, **entry), app.state.traffic)
    for router in (infrastructure, platform, mcp, sse, ws):
        app.include_router(router.router)
    app.include_router(rhetor.router, dependencies=[needing.OLD_MANAGERS])
    app.include_router(apollo.router, dependencies=[needing.of_all("allocate")])
    for prefix in PREFIXES:
        documented = prefix == openapi.PREFIX
        app.include_router(projected.router, prefix=prefix, include_in_schema=documented)
        app.include_router(exports.router, prefix=prefix, include_in_schema=documented)
        for checked, needed in ((infrastructure.prefixed, []), (read_chat.router, [needing.of_all("read")])):
            app.include_router(
                checked,
                prefix=prefix,
                include_in_schema=documented,
                dependencies=[*needed, Depends(read_parameters.refuse_unknown)],
            )
    _surround(app, settings, entry)
    problems.install(app)
    openapi.install(app)
    return app


def _surround(app: Application, settings: Settings, entry: dict[str, Any]) -> None:
    """What every request but the hot ones goes through; the last one added is the outermost."""
    app.add_middleware(gate.Middleware, **entry)  # within CORS, so that a page may read why it was turned away
    app.add_middleware(origins.Middleware, allowed=settings.cors_origins, host=settings.host)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_credentials=settings.cors_credentials,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Idempotency-Replayed", "Retry-After", "X-Request-Id", "RateLimit", "RateLimit-Policy"],
    )
    app.add_middleware(traffic.Middleware, traffic=app.state.traffic)


def _answer_for_the_old_managers(app: FastAPI, ledger: Ledger) -> None:
    """Rhetor's and Apollo's own HTTP calls go to their managers, on this ledger."""
    own = InProcess(ledger, loop=asyncio.get_running_loop())
    app.state.rhetor = BudgetManager(backend=own, default_policy="warn", default_limits={})
    app.state.apollo = TokenBudgetManager(backend=own)


def _notifications(settings: Settings, ledger: Ledger, clock: Clock | None) -> Notifications:
    """Those who tell people of alerts."""
    url = settings.smtp_url
    mail = None if url is None else mail_server(url.get_secret_value(), settings.smtp_from)
    return Notifications(ledger, mail=mail, clock=clock)


def _tekton(settings: Settings, ledger: Ledger, own: identity.Identity) -> Tekton | None:
    """Budget's place in Tekton, unless it is to have none."""
    if not settings.hermes:
        return None
    return Tekton(
        ledger,
        url=settings.hermes_url,
        endpoint=f"http://{settings.host}:{settings.port}",
        version=settings.version,
        aliases=settings.hermes_aliases,
        messages={name: handler.response_type for name, handler in messages.HANDLERS.items()},
        tools=[mcp.described(tool, own) for tool in tools.TOOLS.values()],
    )


def open_ledger(settings: Settings, *, clock: Clock | None = None) -> Ledger:
    """The ledger over the settings' database, not started yet."""
    return Ledger(
        Database(settings.database_url, synchronous=settings.synchronous),
        rules=Rules(
            time_zone=settings.time_zone,
            unpriced=settings.unpriced,
            unpriced_input_cost_per_token=settings.unpriced_input_cost_per_token,
            unpriced_output_cost_per_token=settings.unpriced_output_cost_per_token,
            report_tags=settings.report_tags,
        ),
        alias=price_catalogue.canonical_model,
        price_lists=_price_lists(),
        clock=clock,
        queue_limit=settings.queue_limit,
        batch_limit=settings.batch_limit,
        event_days=settings.event_retention_days,
        default_limit=settings.limit,
        readers=places.readers(settings.tekton_root),
    )


def _price_lists() -> list[PriceList]:
    """The bundled list, named after the package's version, so that an update loads what is new in it."""
    return [("genai-prices", installed_version("genai-prices"), price_catalogue.catalogue_prices)]


def from_environment() -> Application:
    """For a server that imports the application by name: `uvicorn --factory budget.app:from_environment`."""
    read = settings.load(os.environ)
    log.configure(read)
    return create_app(read)
