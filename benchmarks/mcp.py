"""Recording usage by message and by tool, beside the same over REST: in turns, the same load on each."""

import json
import statistics
from typing import Any

from benchmarks import load
from benchmarks.runs import RECORD, Figures, Scale, check, expect, running

CURRENT = "2026-07-28"
BEFORE = "2025-11-25"

_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": CURRENT,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
}
_STREAMS = "accept: application/json, text/event-stream\r\n"


def _call(meta: dict[str, Any] | None) -> str:
    params = {"name": "record_usage", "arguments": "{record}"}
    if meta is not None:
        params["_meta"] = meta  # type: ignore[assignment]  # JSON
    body = json.dumps({"jsonrpc": "2.0", "id": "{id}", "method": "tools/call", "params": params})
    return body.replace('"{record}"', RECORD).replace("{id}", "{n}")


WAYS: dict[str, dict[str, Any]] = {
    "message": {
        "path": "/api/mcp/message",
        "body": '{"sender":"apollo","message_type":"budget.record_usage","message_id":"message-{n}","payload":'
        + RECORD
        + "}",
    },
    "tool": {"path": "/mcp/tools/RecordUsage/execute", "body": '{"parameters":' + RECORD + "}"},
    "model_context": {
        "path": "/mcp",
        "body": _call(_ENVELOPE),
        "headers": f"{_STREAMS}mcp-protocol-version: {CURRENT}\r\nmcp-method: tools/call\r\nmcp-name: record_usage\r\n",
    },
    "model_context_before": {
        "path": "/mcp",
        "body": _call(None),
        "headers": f"{_STREAMS}mcp-protocol-version: {BEFORE}\r\n",
    },
}
"""Tekton's message, its tool, and a tool of the Model Context Protocol by both specifications."""


def mcp(scale: Scale) -> Figures:
    """Records a second by each way, and the ratio to REST's own (hot) route in the same round."""
    with running() as (service, _):
        rest = {"path": "/api/usage/record", "body": RECORD}
        rates: dict[str, list[float]] = {name: [] for name in ("rest", *WAYS)}
        acknowledged = 0
        for turn in range(-1, scale.rounds):  # the first warms up
            for number, (name, way) in enumerate([("rest", rest), *WAYS.items()]):
                first = ((turn + 1) * len(rates) + number) * scale.requests
                shared = {"port": service.port, "connections": scale.connections, "requests": scale.requests}
                answered = load.drive({**way, **shared, "first": first})
                acknowledged += expect(answered, "201" if name == "rest" else "200", scale.requests)
                if turn >= 0:
                    rates[name].append(scale.requests / answered["seconds"])
        # A message and a tool say in their answers, not by a status, that they failed: the ledger knows.
        check(service, "usage_records", acknowledged)
    figures: Figures = {"acknowledged": acknowledged, "rest_rate": round(statistics.median(rates["rest"]))}
    for name in WAYS:
        ratios = [mine / theirs for mine, theirs in zip(rates[name], rates["rest"], strict=True)]
        figures[f"{name}_rate"] = round(statistics.median(rates[name]))
        figures[f"{name}_ratio"] = round(statistics.median(ratios), 3)
    return figures
