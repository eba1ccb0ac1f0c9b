"""A real ledger on each kind of database, with a clock in the test's hand; every test ends with a verified ledger."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from budget.domain import asking, commands, instants
from budget.domain.budgets import Budget
from budget.domain.configuration import Rules
from budget.domain.entries import ANONYMOUS, Caller, Entry
from budget.domain.errors import BudgetError, BudgetExceeded
from budget.domain.policies import Policy
from budget.domain.recording import Settled
from budget.domain.records import Alert, Hold, Record
from budget.domain.refusals import Refusal
from budget.engine.clock import Clock
from budget.engine.ledger import Ledger, Outcome
from budget.storage import journal, statements, verification
from budget.storage.database import Database

MINUTE = 60 * 1_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

START = instants.parse_instant("2026-11-24T10:30:00Z", "UTC")  # a Tuesday


class ManualClock(Clock):
    """Time stands still until the test moves it."""

    def __init__(self, time: int = START) -> None:
        super().__init__()
        self.time = time

    def now(self) -> int:
        return self.time

    def jump(self) -> int:
        return 0


class Book:
    """A ledger, and the words in which tests speak to it."""

    def __init__(self, ledger: Ledger, clock: ManualClock, rules: Rules) -> None:
        self.ledger = ledger
        self.clock = clock
        self.rules = rules

    async def restart(self) -> None:
        """Stop the ledger, and open the same file again."""
        await self.ledger.stop()
        database = Database(self.ledger.database.url, synchronous="OFF")
        self.ledger = Ledger(database, rules=self.rules, clock=self.clock)
        await self.ledger.start()

    async def do(self, command: commands.Command, key: str | None = None, caller: Caller = ANONYMOUS) -> Any:
        return (await self.outcome(command, key, caller)).answer

    async def outcome(self, command: commands.Command, key: str | None = None, caller: Caller = ANONYMOUS) -> Outcome:
        return await self.ledger.submit(command, caller, key)

    async def error(self, command: commands.Command, key: str | None = None, caller: Caller = ANONYMOUS) -> Any:
        with pytest.raises(BudgetError) as caught:
            await self.ledger.submit(command, caller, key)
        return caught.value

    async def refusal(self, **fields: Any) -> Refusal:
        with pytest.raises(BudgetExceeded) as caught:
            await self.ledger.submit(an_allocation(**fields))
        refusal: Refusal = caught.value.refusal
        return refusal

    async def budget(self, name: str = "b", **fields: Any) -> Budget:
        fields.setdefault("default_policies", False)
        budget: Budget = await self.do(commands.CreateBudget(name=name, **fields))
        return budget

    async def policy(self, type: str = "hard_limit", period: str = "daily", **fields: Any) -> Policy:  # noqa: A002
        if isinstance(fields.get("cost_limit"), str):
            fields["cost_limit"] = Decimal(fields["cost_limit"])
        policy: Policy = await self.do(commands.CreatePolicy(type=type, period=period, **fields))
        return policy

    async def price(self, model: str = "m", input: str = "0.00001", output: str = "0.00002", **fields: Any) -> Any:  # noqa: A002
        return await self.do(
            commands.SetPrice(
                provider="acme",
                model=model,
                input_cost_per_token=Decimal(input),
                output_cost_per_token=Decimal(output),
                **fields,
            )
        )

    async def hold(self, tokens: int = 1000, key: str | None = None, **fields: Any) -> Hold:
        hold: Hold = (await self.do(an_allocation(tokens, **fields), key)).hold
        return hold

    async def record(self, input: int = 100, output: int = 50, key: str | None = None, **fields: Any) -> Record:  # noqa: A002
        record: Record = await self.do(a_usage(input, output, **fields), key)
        return record

    async def settle(self, hold: Hold, input: int = 100, output: int = 50, **fields: Any) -> Settled:  # noqa: A002
        settled: Settled = await self.do(
            commands.Settle(allocation_id=hold.allocation_id, input_tokens=input, output_tokens=output, **fields)
        )
        return settled

    async def start(self, hold: Hold) -> Hold:
        started: Hold = await self.do(commands.Start(allocation_id=hold.allocation_id))
        return started

    async def release(self, hold: Hold, **fields: Any) -> tuple[Hold, int]:
        released: tuple[Hold, int] = await self.do(commands.Release(allocation_id=hold.allocation_id, **fields))
        return released

    async def check(self, **fields: Any) -> asking.Verdict:
        return await self.ledger.check(an_allocation(**fields))

    async def sweep(self) -> None:
        await self.do(commands.Sweep())

    async def balances(self, policy: Policy) -> dict[str, tuple[int, int, int, int]]:
        """Window key -> used tokens, held tokens, used cost, held cost; empty rows left out."""
        rows = await self.rows(
            "SELECT window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances WHERE policy_id = ?",
            policy.policy_id,
        )
        return {row[0]: tuple(row[1:]) for row in rows if any(row[1:])}

    async def balance(self, policy: Policy) -> tuple[int, int, int, int]:
        """The one balance of a policy that is not empty."""
        found = await self.balances(policy)
        assert len(found) <= 1, found
        return next(iter(found.values()), (0, 0, 0, 0))

    async def entries(self, kind: str | None = None) -> list[Entry]:
        everything = await self.ledger.database.read(lambda connection: list(journal.all_entries(connection)))
        return [entry for entry in everything if kind is None or entry.kind == kind]

    async def alerts(self) -> list[Alert]:
        rows = await self.rows("SELECT * FROM alerts ORDER BY seq")
        return [journal.alert_of(row) for row in rows]

    async def stored(self, record: Record) -> Record:
        (row,) = await self.rows("SELECT * FROM usage_records WHERE record_id = ?", record.record_id)
        return journal.record_of(row)

    async def stored_hold(self, hold: Hold) -> Hold:
        (row,) = await self.rows("SELECT * FROM holds WHERE allocation_id = ?", hold.allocation_id)
        return journal.hold_of(row)

    async def rows(self, sql: str, *parameters: Any) -> list[Any]:
        return await self.ledger.database.read(statements.run, sql, parameters)

    async def verify(self) -> verification.Verification:
        return await self.ledger.database.read(verification.verify)


def an_allocation(tokens: int = 1000, **fields: Any) -> commands.Allocate:
    values: dict[str, Any] = {"context_id": "c", "component": "rhetor", "provider": "acme", "model": "m", **fields}
    return commands.Allocate(tokens_allocated=tokens, **values)


def a_usage(input: int = 100, output: int = 50, **fields: Any) -> commands.RecordUsage:  # noqa: A002
    values: dict[str, Any] = {"context_id": "c", "component": "rhetor", "provider": "acme", "model": "m", **fields}
    if "allocation_id" in fields:
        values = {name: value for name, value in values.items() if name in fields}
    return commands.RecordUsage(input_tokens=input, output_tokens=output, **values)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
async def book(database_url, clock, rules) -> AsyncIterator[Book]:
    ledger = Ledger(Database(database_url, synchronous="OFF"), rules=rules, clock=clock)
    await ledger.start()
    book = Book(ledger, clock, rules)
    yield book
    found = await book.verify()
    await book.ledger.stop()
    assert found.differences == 0, found.examples
