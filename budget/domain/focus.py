"""Usage records as rows of FOCUS 1.3, the FinOps Open Cost and Usage Specification: one for each part that was charged.

A correction is a reversal of what was charged before and a new charge, both of the class `Correction`; a credit is a
charge of the category `Credit`. So the rows add up to the ledger, and nothing that was ever exported changes.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from budget.domain import instants, money, periods
from budget.domain.records import FLAG_NAMES, UNPRICED, Record
from budget.domain.usage import TOKEN_PARTS

VERSION: Final = "1.3"

COLUMNS: Final = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "HostProviderName",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceProviderName",
    "ServiceSubcategory",
    "Tags",
    "x_Component",
    "x_Flags",
    "x_Meter",
    "x_Model",
    "x_PriceId",
    "x_RecordId",
    "x_TaskType",
    "x_Tier",
    "x_UserId",
)
"""FOCUS's own first, then ours; each in alphabetical order."""

UNKNOWN: Final = "unknown"
"""Stands where a usage names no provider; FOCUS takes no null there."""

_UNITS: Final = {"images": "Images", "milliseconds": "Milliseconds", "pages": "Pages", "web_searches": "Searches"}


def rows_of(record: Record, budget_name: str) -> Iterable[dict[str, Any]]:
    """What a record was charged for, and if it is no longer in force, the reversal of that."""
    charge_class = None if record.corrects is None else "Correction"
    yield from _charges(record, budget_name, 1, charge_class)
    if record.status != "current":
        yield from _charges(record, budget_name, -1, "Correction")


def _charges(record: Record, budget_name: str, sign: int, charge_class: str | None) -> Iterable[dict[str, Any]]:
    shared = _shared(record, budget_name, charge_class)
    if record.cost < 0:
        yield _row(shared, "Credit", "Credit", None, None, sign * record.cost)
        return
    parts: dict[str, tuple[int, int]] = msgspec.json.decode(record.parts)
    charged = 0
    for part, (count, cost) in parts.items():
        charged += cost
        if cost == 0 and part == "requests":  # the call itself, which nearly always costs nothing
            continue
        yield _row(shared, "Usage", part, sign * count, _unit(part), sign * cost)
    if charged != record.cost or not parts:  # what the provider or an older ledger only knew in all
        yield _row(shared, "Usage", "all", sign, "Requests", sign * (record.cost - charged))


def _unit(part: str) -> str:
    return "Tokens" if part in TOKEN_PARTS else _UNITS.get(part, "Requests")


def _shared(record: Record, budget_name: str, charge_class: str | None) -> dict[str, Any]:
    hour = periods.window_at("hourly", "UTC", record.booked_at)
    month = periods.window_at("monthly", "UTC", record.booked_at)
    provider = record.provider or UNKNOWN
    return {
        "BillingAccountId": record.budget_id,
        "BillingAccountName": budget_name,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _second(month.end),
        "BillingPeriodStart": _second(month.start),
        "ChargeClass": charge_class,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _second(hour.end),
        "ChargePeriodStart": _second(hour.start),
        "HostProviderName": provider,
        "InvoiceId": None,
        "InvoiceIssuerName": provider,
        "ProviderName": provider,
        "PublisherName": provider,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": record.model or provider,
        "ServiceProviderName": provider,
        "ServiceSubcategory": "Generative AI",
        "Tags": msgspec.json.decode(record.tags),
        "x_Component": record.component,
        "x_Flags": ",".join(name for bit, name in FLAG_NAMES.items() if record.flags & bit) or None,
        "x_Model": record.model,
        "x_PriceId": record.price_id,
        "x_RecordId": record.record_id,
        "x_TaskType": record.task_type,
        "x_Tier": record.tier,
        "x_UserId": record.user_id,
        "unpriced": record.flags & UNPRICED != 0,
    }


def _row(
    shared: dict[str, Any], category: str, part: str, quantity: int | None, unit: str | None, cost: int
) -> dict[str, Any]:
    dollars = money.to_dollars(cost)
    reversal = "reversed " if shared["ChargeClass"] and cost < 0 else ""
    remark = " (no price known)" if shared["unpriced"] else ""
    values = {
        **shared,
        "BilledCost": dollars,
        "ChargeCategory": category,
        "ChargeDescription": f"{reversal}{part} of {shared['ServiceName']} for {shared['x_Component']}{remark}",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ContractedCost": dollars,
        "EffectiveCost": dollars,
        "ListCost": dollars,
        "PricingQuantity": None if quantity is None else Decimal(f"{quantity}.0"),
        "PricingUnit": unit,
        "x_Meter": part,
    }
    return {name: values[name] for name in COLUMNS}


def _second(instant: int) -> str:
    return f"{instants.iso(instant)[:19]}Z"
