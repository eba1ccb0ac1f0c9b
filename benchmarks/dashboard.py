"""The first screen and a month by model, on a small and on a big ledger: neither may grow with it."""

import statistics

from benchmarks import load
from benchmarks.runs import Figures, Scale, check, fill, running
from benchmarks.service import Service

READS = {"screen": "/api/dashboard", "month": "/api/reports/summary?by=model"}


def dashboard(scale: Scale) -> Figures:
    """Milliseconds of each, by the whole request on loopback."""
    with running() as (service, _):
        recorded = fill(scale, service, 0, scale.few)
        few = _times(scale, service)
        recorded += fill(scale, service, scale.few, scale.many)
        many = _times(scale, service)
        check(service, "usage_records", recorded)
    figures: Figures = {"acknowledged": recorded}
    for name in READS:
        figures[f"{name}_few_ms"] = round(few[name] * 1000, 2)
        figures[f"{name}_many_ms"] = round(many[name] * 1000, 2)
        figures[f"{name}_ratio"] = round(many[name] / few[name], 3)
    return figures


def _times(scale: Scale, service: Service) -> dict[str, float]:
    return {name: statistics.median(load.get(service.url, path, scale.reads)) for name, path in READS.items()}
