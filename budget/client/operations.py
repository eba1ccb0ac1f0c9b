"""Every operation of the clients, said once: the plain client returns the reply, the async one something to await."""

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, Unpack

from budget.client import exchange
from budget.client.errors import Refused
from budget.client.exchange import Call, Reply
from budget.client.requests import (
    AllocationRequest,
    Amounts,
    BudgetRequest,
    PolicyRequest,
    PriceRequest,
    UsageRequest,
)

Answer = TypeVar("Answer")
"""`Reply`, or an awaitable of it."""


class Operations(Generic[Answer]):
    """What Budget can be asked; a subclass says how a call is sent.

    Methods that change something take `key`, an idempotency key to use in place of a fresh one; a `request_id` among
    the fields is used as the key, too.
    """

    def _send(self, call: Call) -> Answer:
        raise NotImplementedError

    # Holds

    def check(self, **fields: Unpack[AllocationRequest]) -> Answer:
        """What `allocate` would be told now; nothing is held."""
        return self._send(Call(method="POST", path="/check", body=fields))

    def allocate(self, *, key: str | None = None, **fields: Unpack[AllocationRequest]) -> Answer:
        """Hold tokens and money; raises `Refused`. `allocation` does the same and sees to the end of it."""
        return self._post("/allocations", fields, key)

    def take_offer(self, refused: Refused, index: int = 0, *, key: str | None = None) -> Answer:
        """Send one of a refusal's offers, unchanged, to where the refused request went."""
        return self._post(refused.path, refused.offers[index]["request"], key)

    def get_allocation(self, allocation_id: str) -> Answer:
        """One allocation as it stands."""
        return self._get(exchange.path("allocations", allocation_id))

    def start(self, allocation_id: str, *, key: str | None = None) -> Answer:
        """Say that the call has begun: if it goes silent now, the hold becomes a provisional charge."""
        return self._life(allocation_id, "start", {}, key)

    def extend(self, allocation_id: str, expiration_time: str | None = None, *, key: str | None = None) -> Answer:
        """Renew a hold, to at most 24 hours from now, which is also the default."""
        body = {} if expiration_time is None else {"expiration_time": expiration_time}
        return self._life(allocation_id, "extend", body, key)

    def increase(self, allocation_id: str, tokens: int, *, key: str | None = None) -> Answer:
        """Hold more tokens; raises `Refused`."""
        return self._life(allocation_id, "increase", {"tokens": tokens}, key)

    def settle(self, allocation_id: str, *, key: str | None = None, **amounts: Unpack[Amounts]) -> Answer:
        """Book what was used besides what was recorded on the hold, and free the rest."""
        return self._life(allocation_id, "settle", amounts, key)

    def release(
        self, allocation_id: str, *, confirm_unused: bool = False, reason: str | None = None, key: str | None = None
    ) -> Answer:
        """Give back what a hold still holds; once its call has started, only with `confirm_unused`."""
        body = {"confirm_unused": confirm_unused, "reason": reason}
        return self._life(allocation_id, "release", body, key)

    # Usage

    def record(self, *, key: str | None = None, **fields: Unpack[UsageRequest]) -> Answer:
        """Book a usage, on its hold or by itself."""
        return self._post("/usage/record", fields, key)

    def record_batch(self, records: Iterable[UsageRequest | Mapping[str, Any]]) -> Answer:
        """Book up to 10,000 usages at once, each by itself; one without a `request_id` gets a fresh one."""
        keyed = [{**record, "request_id": record.get("request_id") or exchange.new_key()} for record in records]
        return self._send(Call(method="POST", path="/usage/batch", body={"records": keyed}))

    def get_record(self, record_id: str) -> Answer:
        """One usage record."""
        return self._get(exchange.path("usage", "records", record_id))

    def list_records(self, *, page: int = 1, limit: int = 20, **filters: str | None) -> Answer:
        """Usage records, newest first; filters are fields that must be equal, `start_date` and `end_date`."""
        return self._get("/usage/records", page=page, limit=limit, **filters)

    def correct(self, record_id: str, reason: str, *, key: str | None = None, **fields: Unpack[UsageRequest]) -> Answer:
        """Replace a record: fields that are not given stay as they were."""
        return self._post(exchange.path("usage", "records", record_id, "correct"), {**fields, "reason": reason}, key)

    def void(self, record_id: str, reason: str, *, key: str | None = None) -> Answer:
        """Take a record back."""
        return self._post(exchange.path("usage", "records", record_id, "void"), {"reason": reason}, key)

    # Budgets, policies, prices

    def create_budget(self, *, key: str | None = None, **fields: Unpack[BudgetRequest]) -> Answer:
        """Make a budget."""
        return self._post("/budgets", fields, key)

    def list_budgets(self, *, page: int = 1, limit: int = 20, **filters: str | None) -> Answer:
        """Budgets, the default one first."""
        return self._get("/budgets", page=page, limit=limit, **filters)

    def create_policy(self, *, key: str | None = None, **fields: Unpack[PolicyRequest]) -> Answer:
        """Make a limit, or change the one with the same identity."""
        return self._post("/policies", fields, key)

    def set_price(self, *, key: str | None = None, **fields: Unpack[PriceRequest]) -> Answer:
        """Add a dated price; usage that had none is priced by it."""
        return self._post("/prices", fields, key)

    # What stands

    def limits(self, *, budget_id: str | None = None, **filters: str | None) -> Answer:
        """Every limit with what is used, held and free in it: `items`, each in its own `unit`."""
        return self._get("/limits", budget_id=budget_id, **filters)

    def summary(self, period: str = "daily", *, budget_id: str | None = None) -> Answer:
        """The current window of a period in one row; by default of the default budget."""
        path = "/budgets/summary" if budget_id is None else exchange.path("budgets", budget_id, "summary")
        return self._send(Call(method="GET", path=path, query={"period": period}, pick=_first))

    def explain(self, decision_id: str) -> Answer:
        """Why a request was granted or refused: the limits, the arithmetic, the price."""
        return self._get(exchange.path("decisions", decision_id))

    # Anything

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> Any:
        """Any operation of Budget's catalogue by its name, such as `list_policies`; a field that is None is left out.

        The names and their fields are those of the tools at `/mcp`.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        if operation == "record_usage_batch" and key is None:  # a key of the whole would outrank the records' own
            return self.record_batch(**given)
        path = exchange.path("tools", operation, "execute")
        body = {"parameters": given}
        key = key or given.get("request_id") or exchange.new_key()
        return self._send(Call(method="POST", path=path, body=body, key=key, pick=exchange.tool_result, is_tool=True))

    # What they share

    def _get(self, path: str, **query: Any) -> Answer:
        return self._send(Call(method="GET", path=path, query=query))

    def _post(self, path: str, fields: Mapping[str, Any], key: str | None) -> Answer:
        # A header would outrank the caller's own `request_id`, so it is left out then.
        if key is None and not fields.get("request_id"):
            key = exchange.new_key()
        return self._send(Call(method="POST", path=path, body=fields, key=key))

    def _life(self, allocation_id: str, action: str, fields: Mapping[str, Any], key: str | None) -> Answer:
        return self._post(exchange.path("allocations", allocation_id, action), fields, key)


def _first(rows: list[Reply]) -> Reply:
    return rows[0]
