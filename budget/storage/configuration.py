"""Budgets, policies, prices and models: loaded as one `Configuration`, written with a new version."""

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Connection

from budget.domain import models
from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration, Rules
from budget.domain.entries import encode
from budget.domain.policies import Policy
from budget.domain.pricing import Price
from budget.domain.state import State
from budget.storage import keys, receivers, statements, tables

PriceTable = dict[tuple[str, str], list[Price]]


def versions(connection: Connection) -> tuple[int, int]:
    """The version of everything, and of the prices alone."""
    (row,) = statements.run(connection, "SELECT version, prices_version FROM configuration WHERE id = 1")
    return row[0], row[1]


def load(connection: Connection, version: int, prices: PriceTable, alias: models.Alias, rules: Rules) -> Configuration:
    """Everything but the prices, which are many and change least."""
    return Configuration(
        version=version,
        budgets=[_budget(row) for row in statements.run(connection, f"SELECT {_BUDGET} FROM budgets")],
        policies=[
            msgspec.json.decode(row[0], type=Policy)
            for row in statements.run(connection, "SELECT content FROM policies WHERE is_current")
        ],
        prices=prices,
        table={
            (row[0], row[1]): msgspec.json.decode(row[2], type=models.Model)
            for row in statements.run(connection, "SELECT provider, model, content FROM models")
        },
        alias=alias,
        rules=rules,
        keys=keys.load(connection),
        receivers=receivers.load(connection),
    )


_BUDGET = statements.columns_of(tables.budgets)


def load_prices(connection: Connection) -> PriceTable:
    """Every version of every price, by provider and lower-case model."""
    table: PriceTable = {}
    for row in statements.run(connection, "SELECT content FROM prices ORDER BY created_at, price_id"):
        price = price_of(row[0])
        table.setdefault((price.provider, price.model.lower()), []).append(price)
    return table


class _StoredPrice(msgspec.Struct):
    price_id: str
    provider: str
    model: str
    price_type: str
    rates: dict[str, Decimal]
    context_tiers: tuple[tuple[int, dict[str, Decimal]], ...]
    effective_at: int
    end_at: int | None
    rank: int
    source: str
    source_url: str | None
    version: str
    created_at: int
    metadata: dict[str, Any]


_decode_price = msgspec.json.Decoder(_StoredPrice).decode


def price_of(content: str) -> Price:
    """A price from its stored text."""
    stored = _decode_price(content)
    return Price(**{field: getattr(stored, field) for field in _StoredPrice.__struct_fields__})


def price(connection: Connection, price_id: str) -> Price | None:
    """One version of a price."""
    row = statements.first(connection, "SELECT content FROM prices WHERE price_id = ?", (price_id,))
    return None if row is None else price_of(row[0])


def price_list_loaded(connection: Connection, source: str, version: str) -> bool:
    """Whether this version of a price list is in the table already."""
    sql = "SELECT 1 FROM price_lists WHERE source = ? AND version = ?"
    return statements.first(connection, sql, (source, version)) is not None


def note_price_list(connection: Connection, source: str, version: str, at: int, added: int) -> None:
    """Remember that this version of a price list was loaded."""
    statements.insert_new(connection, tables.price_lists, [(source, version, at, added)])


def policy_version(connection: Connection, policy_id: str, version: int) -> Policy | None:
    """A policy as it was."""
    sql = "SELECT content FROM policies WHERE policy_id = ? AND version = ?"
    row = statements.first(connection, sql, (policy_id, version))
    return None if row is None else msgspec.json.decode(row[0], type=Policy)


def save(connection: Connection, state: State) -> None:
    """Write what a command changed of all this, and a new version with it."""
    changed = (
        state.new_budgets,
        state.new_policies,
        state.new_prices,
        state.new_models,
        state.new_keys,
        state.new_receivers,
    )
    if not any(changed):
        return
    statements.replace_rows(connection, tables.budgets, [_budget_row(budget) for budget in state.new_budgets.values()])
    policies = [
        (policy.policy_id, policy.version, True, encode(policy).decode()) for policy in state.new_policies.values()
    ]
    for policy_id, *_ in policies:
        statements.run(
            connection, "UPDATE policies SET is_current = ? WHERE policy_id = ? AND is_current", (False, policy_id)
        )
    statements.insert_rows(connection, tables.policies, policies)
    statements.insert_rows(connection, tables.prices, [_price_row(price) for price in state.new_prices])
    statements.replace_rows(
        connection,
        tables.models,
        [(model.provider, model.model, encode(model).decode()) for model in state.new_models],
    )
    keys.save(connection, state.new_keys)
    receivers.save(connection, state.new_receivers)
    statements.run(
        connection,
        "UPDATE configuration SET version = version + 1, prices_version = prices_version + ? WHERE id = 1",
        (1 if state.new_prices else 0,),
    )


def _budget(row: Any) -> Budget:
    values = dict(zip((column.name for column in tables.budgets.columns), row, strict=True))
    values["components"] = tuple(msgspec.json.decode(values["components"]))
    values["metadata"] = msgspec.json.decode(values["metadata"])
    values["is_default"], values["is_active"] = bool(values["is_default"]), bool(values["is_active"])
    return Budget(**values)


def _budget_row(budget: Budget) -> tuple[Any, ...]:
    values = {**msgspec.structs.asdict(budget)}
    values["components"] = encode(budget.components).decode()
    values["metadata"] = encode(budget.metadata).decode()
    return tuple(values[column.name] for column in tables.budgets.columns)


def stored_price(price: Price) -> dict[str, Any]:
    """A price as it is kept."""
    return {field: getattr(price, field) for field in _StoredPrice.__struct_fields__}


def _price_row(price: Price) -> tuple[Any, ...]:
    return (
        price.price_id,
        price.provider,
        price.model,
        price.effective_at,
        price.end_at,
        price.rank,
        price.source,
        price.version,
        price.created_at,
        encode(stored_price(price)).decode(),
    )
