"""One input for every operation of the catalogue, and the ways to send it: REST, message, tool, command line."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from budget.domain import instants
from budget.engine.clock import Clock
from budget.interfaces.cli.main import main
from budget.interfaces.rest.projected import reads_query
from budget.interfaces.rest.routes import ROUTES, Route
from budget.operations.catalogue import BY_NAME, Operation
from tests import old_ledgers
from tests.serving import Running, serving

HOT = {"allocate": "/allocations", "record_usage": "/usage/record", "record_usage_batch": "/usage/batch"}
_CALL = {"component": "rhetor", "provider": "acme", "model": "m-1"}

# What each operation is asked; {names} are ids that `walked` made.
CALLS: dict[str, dict[str, Any]] = {
    "list_budgets": {"limit": 5},
    "get_budget": {"budget_id": "{budget}"},
    "create_budget": {"name": "Walked", "default_policies": False},
    "update_budget": {"budget_id": "{budget}", "description": "walked"},
    "delete_budget": {"budget_id": "{doomed_budget}"},
    "add_policies": {"budget_id": "{budget}", "policies": ["{policy}"]},
    "get_budget_summary": {"budget_id": "{budget}", "period": "weekly"},
    "get_default_summary": {},
    "list_limits": {"budget_id": "{budget}"},
    "list_policies": {"budget_id": "{budget}"},
    "get_policy": {"policy_id": "{policy}"},
    "create_policy": {"budget_id": "{budget}", "type": "warn", "period": "weekly", "token_limit": 7},
    "update_policy": {"policy_id": "{policy}", "cost_limit": 4.5},
    "delete_policy": {"policy_id": "{doomed_policy}"},
    "check_allocation": {**_CALL, "context_id": "c", "tokens_allocated": 10},
    "allocate": {**_CALL, "context_id": "c", "tokens_allocated": 10},
    "list_allocations": {"component": "rhetor"},
    "get_allocation": {"allocation_id": "{settled}"},
    "get_context_allocation": {"context_id": "started"},
    "start_allocation": {"allocation_id": "{started}"},
    "extend_allocation": {"allocation_id": "{extended}"},
    "increase_allocation": {"allocation_id": "{increased}", "tokens": 5},
    "release_allocation": {"allocation_id": "{released}"},
    "settle_allocation": {"allocation_id": "{settled}", "input_tokens": 3, "output_tokens": 2},
    "record_usage": {**_CALL, "context_id": "c", "input_tokens": 3, "output_tokens": 2},
    "record_usage_batch": {
        "records": [{**_CALL, "context_id": "c", "input_tokens": 1, "output_tokens": 1, "request_id": "b"}]
    },
    "list_usage": {"component": "rhetor"},
    "get_usage": {"record_id": "{record}"},
    "correct_usage": {"record_id": "{corrected}", "output_tokens": 9, "reason": "recount"},
    "void_usage": {"record_id": "{voided}", "reason": "sent twice"},
    "reprice_usage": {"from": "2020-01-01", "to": "2030-01-01", "model": "m-1"},
    "get_usage_summary": {"period": "daily"},
    "list_summaries": {"period": "daily"},
    "list_analytics": {"period": "daily"},
    "break_down_usage": {"period": "daily"},
    "get_dashboard": {},
    "report_summary": {"by": ["model", "user"], "from": "2026-11-20"},
    "report_trend": {"by": ["provider"], "bucket": "hour", "period": "daily"},
    "report_top": {"by": ["component"], "time_zone": "Europe/Berlin"},
    "report_forecast": {"by": ["model"], "period": "weekly"},
    "report_burn_down": {"period": "daily", "unit": "cost"},
    "report_coverage": {},
    "list_alerts": {},
    "get_alert": {"alert_id": "{alert}"},
    "raise_alerts": {},
    "acknowledge_alert": {"alert_id": "{alert}"},
    "list_decisions": {},
    "explain_decision": {"decision_id": "{settled}"},
    "list_events": {"limit": 5},
    "get_snapshot": {},
    "list_prices": {"provider": "acme"},
    "get_price": {"provider": "acme", "model": "m-1"},
    "list_price_history": {"provider": "acme", "model": "m-1"},
    "set_price": {"provider": "acme", "model": "m-2", "input_cost_per_token": 0.1},
    "calculate_cost": {"provider": "acme", "model": "m-1", "input_tokens": 3, "output_tokens": 2},
    "recommend_models": {"provider": "acme", "model": "m-1"},
    "route_request": {**_CALL, "input_tokens": 3, "output_tokens": 2},
    "list_models": {"limit": 3},
    "get_model": {"provider": "acme", "model": "m-1"},
    "migrate": {"kind": "rhetor", "paths": ["{old_ledger}"], "time_zone": "UTC"},
    "list_migrations": {},
    "get_migration": {"migration_id": "{migration}"},
    "undo_migration": {"migration_id": "{migration}"},
    "list_changes": {"what": "budget_changed"},
    "list_keys": {"limit": 5},
    "get_key": {"key_id": "{key}"},
    "create_key": {"name": "walked", "scopes": ["read"]},
    "rotate_key": {"key_id": "{rotated}"},
    "revoke_key": {"key_id": "{revoked}"},
    "list_receivers": {"limit": 5},
    "get_receiver": {"receiver_id": "{receiver}"},
    "add_receiver": {"kind": "webhook", "address": "http://127.0.0.1:9/hook"},
    "update_receiver": {"receiver_id": "{receiver}", "severities": ["error"]},
    "rotate_receiver_secret": {"receiver_id": "{receiver}"},
    "remove_receiver": {"receiver_id": "{removed_receiver}"},
    "test_receiver": {"receiver_id": "{receiver}"},
    "list_deliveries": {"state": "dead"},
    "get_delivery": {"delivery_id": "{delivery}"},
    "replay_delivery": {"delivery_id": "{delivery}"},
    "set_model": {"provider": "acme", "model": "m-1", "tier": "local_midweight"},
}
ONCE_BEFORE = (
    "record_usage_batch",
    "raise_alerts",
    "migrate",
    "undo_migration",
    "create_key",
    "rotate_key",
    "add_receiver",
    "rotate_receiver_secret",
)
"""What these do is done by the first call, and a second one does not answer alike: a secret is shown once."""


HOT_ROUTES = [Route("POST", path, name) for name, path in HOT.items()]


def fits(route: Route, operation: Operation, asked: dict[str, Any]) -> bool:
    in_path = re.findall(r"{(\w+)", route.path)
    return route.operation == operation.name and set(in_path) <= set(asked)


class StandingClock(Clock):
    """A forecast is another one a moment later."""

    def now(self) -> int:
        return instants.parse_instant("2026-11-24T10:30:00Z", "UTC")

    def jump(self) -> int:
        return 0


class Walk:
    """A service with something of each kind in it, and a client."""

    def __init__(self, client: httpx.Client, running: Running) -> None:
        self.client = client
        self.address = running.address
        self.ids: dict[str, str] = {}

    def asked(self, operation: Operation) -> dict[str, Any]:
        filled = {name: self._filled(value) for name, value in CALLS[operation.name].items()}
        if "request_id" in operation.request.__struct_fields__:
            filled["request_id"] = f"walk-{operation.name}"
        return filled

    def rest(self, operation: Operation, asked: dict[str, Any]) -> Any:
        route = next(each for each in (*ROUTES, *HOT_ROUTES) if fits(each, operation, asked))
        path = route.path.replace(":path", "").format(**asked)
        rest = {name: value for name, value in asked.items() if "{" + name not in route.path}
        sent: dict[str, Any] = {"params": rest} if reads_query(route) else {"json": rest}
        answer = self.client.request(route.method, f"/api/v1{path}", **sent)
        assert answer.is_success, answer.text
        return answer.json()

    def message(self, operation: Operation, asked: dict[str, Any]) -> Any:
        sent = {"sender": "apollo", "message_type": f"budget.{operation.name}", "payload": asked}
        answer = self.client.post("/mcp", json=sent).json()
        assert answer["status"] == "success", answer
        return answer["payload"]

    def command_line(self, operation: Operation, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Any:
        words = ["call", "--api-url", self.address, operation.name]
        for name, value in asked.items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                words += [f"--{option}", value if isinstance(value, str) else json.dumps(value)]
        assert main(words) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    def tool(self, operation: Operation, asked: dict[str, Any], version: str = "2025-11-25") -> Any:
        sent = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": operation.name, "arguments": asked},
        }
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": version}
        result = self.client.post("/mcp", json=sent, headers=headers).json()["result"]
        assert result["isError"] is False, result
        return result["structuredContent"]

    def make(self, name: str, path: str, body: dict[str, Any], field: str) -> None:
        answer = self.client.post(f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        self.ids[name] = answer.json()[field]

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        return value.format(**self.ids) if isinstance(value, str) else value


@contextlib.contextmanager
def walking(new_database: Path, folder: Path) -> Iterator[Walk]:
    """A service in which everything that the calls name is there."""
    with serving(new_database, folder, StandingClock()) as running, httpx.Client(base_url=running.address) as client:
        yield furnished(client, running, folder)


def furnished(client: httpx.Client, running: Running, folder: Path) -> Walk:
    """What the calls name, made in a service."""
    walk = Walk(client, running)
    price = {"provider": "acme", "model": "m-1", "input_cost_per_token": 0.001, "output_cost_per_token": 0.002}
    walk.make("price", "/prices", {**price, "effective_date": "2020-01-01"}, "pricing_id")
    for name in ("budget", "doomed_budget"):
        walk.make(name, "/budgets", {"name": name, "default_policies": False}, "budget_id")
    limit = {"type": "warn", "period": "daily", "budget_id": walk.ids["budget"]}
    walk.make("policy", "/policies", {**limit, "cost_limit": 5}, "policy_id")
    walk.make("doomed_policy", "/policies", {**limit, "token_limit": 5}, "policy_id")
    walk.make("tight", "/policies", {"type": "warn", "period": "daily", "cost_limit": 0.001}, "policy_id")
    for name in ("started", "extended", "increased", "released", "settled"):
        ask = {**_CALL, "context_id": name, "tokens_allocated": 20}
        walk.make(name, "/allocations", ask, "allocation_id")
    for name in ("record", "corrected", "voided"):
        usage = {**_CALL, "context_id": "r", "input_tokens": 3, "output_tokens": 2}
        walk.make(name, "/usage/record", usage, "record_id")
    for name in ("key", "rotated", "revoked"):
        walk.make(name, "/keys", {"name": name, "scopes": ["read"]}, "key_id")
    for name in ("receiver", "removed_receiver"):
        walk.make(name, "/receivers", {"kind": "webhook", "address": "http://127.0.0.1:9/"}, "receiver_id")
        client.put(f"/api/receivers/{walk.ids[name]}", json={"enabled": False})  # what waits for it stays as it is
    walk.make("delivery", f"/receivers/{walk.ids['receiver']}/test", {}, "delivery_id")
    walk.ids["old_ledger"] = old_ledgers.rhetor(folder / "rhetor.db", [old_ledgers.a_row()])
    old = {"kind": "rhetor", "paths": [old_ledgers.rhetor(folder / "old.db", [old_ledgers.a_row(component="x")])]}
    walk.make("migration", "/migrations", old, "migration_id")
    walk.ids["alert"] = client.get("/api/v1/alerts").json()["items"][0]["alert_id"]
    for name in ONCE_BEFORE:
        walk.rest(BY_NAME[name], walk.asked(BY_NAME[name]))
    return walk
