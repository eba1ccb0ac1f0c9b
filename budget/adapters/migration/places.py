"""Where the old managers kept their data, and how each kind is read."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from budget.adapters.migration import apollo, rhetor, rhetor_prices
from budget.domain.migrations import Reader
from budget.domain.periods import zone_exists


def readers(tekton_root: Path | None) -> Mapping[str, Reader]:
    """How to read what is on this machine."""
    root = tekton_root or Path("~")
    rhetors = ["~/.tekton/data/rhetor/budget.db", str(root / "Rhetor" / "rhetor.db")]
    apollos = ["~/.tekton/apollo/budget_data", str(root / ".tekton/data/apollo/budget_data")]
    return {
        "rhetor": Reader(partial(rhetor.sources, default_places=rhetors), rhetor_prices.prices, host_zone),
        "apollo": Reader(partial(apollo.sources, default_places=apollos), lambda _: (), host_zone),
    }


def host_zone(localtime: Path = Path("/etc/localtime")) -> str:
    """The name of the zone that this machine's clocks show; UTC where it has no name."""
    _, _, name = os.path.realpath(localtime).partition("zoneinfo/")
    return name if zone_exists(name) else "UTC"
