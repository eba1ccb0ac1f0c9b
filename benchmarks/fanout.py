"""The fan-out: how soon a thousand listeners hear of an event, and what a hundred of them cost the recorder."""

import statistics
import time

import httpx

from benchmarks import load
from benchmarks.listen import Listeners, raise_open_files
from benchmarks.runs import RECORD, Figures, Scale, check, expect, running

EVENTS_A_SECOND = 10
STREAM = "/ws/events?types=usage.recorded"
"""Every record, one by one, and not the alerts that they happen to raise."""

DASHBOARD = "/ws/budget/updates"
"""What Tekton's pages open: summaries that are coalesced, and no event for each record."""


def fanout(scale: Scale) -> Figures:
    """From an event's transaction to its receipt; and the rate of recording, with listeners and without."""
    raise_open_files()
    with running() as (service, _):
        heard = _heard(scale, service.port)
        recorded = scale.events + (scale.rounds + 1) * 2 * scale.requests
        quiet, told = _rates(scale, service.port)
        check(service, "usage_records", recorded)
    return {
        **heard,
        "rate": round(statistics.median(quiet)),
        "rate_with_listeners": round(statistics.median(told)),
        "ratio": round(statistics.median(many / none for none, many in zip(quiet, told, strict=True)), 3),
        "acknowledged": recorded,
    }


def _heard(scale: Scale, port: int) -> Figures:
    listeners = Listeners(port, STREAM, scale.listeners, scale.events)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        began = time.perf_counter()
        for number in range(scale.events):
            time.sleep(max(0.0, began + number / EVENTS_A_SECOND - time.perf_counter()))
            body = RECORD.replace("{n}", f"heard-{number}")
            client.post(
                "/api/usage/record", content=body, headers={"content-type": "application/json"}
            ).raise_for_status()
    found = listeners.result()
    assert found["received"] == scale.events * scale.listeners, found
    assert found["out_of_order"] == 0, found
    return found


def _rates(scale: Scale, port: int) -> tuple[list[float], list[float]]:
    """Records a second, in turns without and with listeners."""
    plan = {
        "port": port,
        "path": "/api/usage/record",
        "body": RECORD,
        "connections": scale.connections,
        "requests": scale.requests,
    }
    quiet, told = [], []
    for turn in range(scale.rounds + 1):  # the first warms up
        alone = load.drive({**plan, "first": 2 * turn * scale.requests})
        listeners = Listeners(port, DASHBOARD, min(scale.listeners, 100), 0)
        together = load.drive({**plan, "first": (2 * turn + 1) * scale.requests})
        assert listeners.stop()["frames"] > 0
        expect(alone, "201", scale.requests)
        expect(together, "201", scale.requests)
        if turn:
            quiet.append(scale.requests / alone["seconds"])
            told.append(scale.requests / together["seconds"])
    return quiet, told
