"""Refusals: completed with what helps the caller, and kept so that each can be explained (P10, P14, rule 10)."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from budget.domain import money, periods, refusals
from budget.domain.configuration import Line
from budget.domain.entries import Caller, encode
from budget.domain.errors import BudgetError, BudgetExceeded
from budget.domain.records import Decision, Hold
from budget.domain.state import State
from budget.storage import alerts, holdings
from budget.storage.database import Connection

STORED_A_MINUTE = 100
"""Refusals beyond this, per caller and limit, are counted on the last one stored (rule 10.4)."""

MINUTE = 60 * 1_000_000
_REMEMBERED = 10_000


class _Submitted(Protocol):
    @property
    def caller(self) -> Caller: ...


class _Decided(Protocol):
    @property
    def error(self) -> BudgetError | None: ...


class Counted:
    """How many refusals were stored for a caller and a limit in a minute, and the last one's id."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str, int], tuple[int, str]] = {}

    def decision_for(self, state: State, caller: str, limit: str) -> tuple[str, bool]:
        """The id of the decision to name, and whether it is to be stored."""
        key = (caller, limit, state.now // MINUTE)
        stored, last = self._stored.get(key, (0, ""))
        if stored >= STORED_A_MINUTE:
            return last, False
        if len(self._stored) >= _REMEMBERED:
            self._stored.clear()
        last = state.new_id()
        self._stored[key] = (stored + 1, last)
        return last, True


def finish(
    connection: Connection,
    counted: Counted,
    state: State,
    submissions: Iterable[_Submitted],
    outcomes: Iterable[_Decided],
) -> list[Decision]:
    """Say when what was refused fits again, and give each refusal its decision; gives those to store."""
    kept: list[Decision] = []
    repeats: dict[str, int] = {}
    outlook = Outlook(connection, state)
    for submission, outcome in zip(submissions, outcomes, strict=True):
        if not isinstance(outcome.error, BudgetExceeded):
            continue
        refusal = outcome.error.refusal
        refusals.complete(refusal, state.now, outlook)
        caller = submission.caller.name
        limit = refusal.limits[0].policy_id if refusal.limits else refusal.code
        refusal.decision_id, stored = counted.decision_for(state, caller, limit)
        if stored:
            kept.append(_decision(refusal, caller))
        else:
            repeats[refusal.decision_id] = repeats.get(refusal.decision_id, 0) + 1
    alerts.count_repeats(connection, ((count, decision_id) for decision_id, count in repeats.items()))
    return kept


class Outlook:
    """What frees a window by itself, and what later windows hold already; asked once a batch for each window.

    The database is as the batch found it; what the batch did to holds and balances stands in its state.
    """

    def __init__(self, connection: Connection, state: State) -> None:
        self._connection = connection
        self._state = state
        self._stored: dict[tuple[str, str], Sequence[tuple[str, refusals.Expiry]]] = {}

    def expiries(self, limit: refusals.Limit, without: str | None) -> list[refusals.Expiry]:
        """The holds in a limit's window that end by themselves, but for one."""
        line: Line = limit.line
        key = (limit.policy_id, limit.window)
        if key not in self._stored:
            keyed = limit.window if line.policy.keyed else None
            self._stored[key] = holdings.expiries(self._connection, line, keyed)
        touched = self._state.holds
        known = [expiry for hold_id, expiry in self._stored[key] if hold_id not in touched and hold_id != without]
        return known + [
            refusals.Expiry(hold.expires_at, hold.held_tokens, hold.held_cost)
            for hold in touched.values()
            if hold.allocation_id != without
            and (hold.state == "open" or (hold.state == "started" and hold.records > 0))
            and line.policy.matches(hold.scope)
            and _is_in(hold, limit, line)
        ]

    def opens(self, limit: refusals.Limit) -> int:
        """When a later window of the limit begins in which the request fits; usage may be booked a little ahead."""
        policy = limit.line.policy
        zone = policy.openings[-1].time_zone
        at = limit.window_end
        while True:
            window = periods.window_at(policy.period, zone, at)
            found = self._state.balances.get((policy.policy_id, window.key))
            amounts = found.amounts if found is not None else self._stored_amounts(policy.policy_id, window.key)
            taken = sum(amounts[:2]) if limit.unit == "tokens" else sum(amounts[2:])
            if taken + limit.asked <= limit.limit:
                return at
            at = window.end

    def keeps_its_price(self, refusal: refusals.Refusal, at: int) -> bool:
        """Whether its model costs then what it costs now; an increase is priced as its hold was."""
        provider, model = refusal.request.get("provider"), refusal.request.get("model")
        if provider is None or model is None:
            return True
        price = self._state.configuration.price
        return price(provider.lower(), model, at) == price(provider.lower(), model, refusal.decided_at)

    def _stored_amounts(self, policy_id: str, window_key: str) -> tuple[int, int, int, int]:
        key = (policy_id, window_key)
        return holdings.balances(self._connection, [key]).get(key, (0, 0, 0, 0))


def _is_in(hold: Hold, limit: refusals.Limit, line: Line) -> bool:
    if line.policy.keyed:
        return limit.window in (f"c:{hold.context_id}", f"t:{hold.task_id}")
    return line.start <= hold.created_at < line.end


def _decision(refusal: refusals.Refusal, caller: str) -> Decision:
    return Decision(
        decision_id=refusal.decision_id or "",
        decided_at=refusal.decided_at,
        operation=refusal.operation,
        verdict="refused",
        caller=caller,
        policy_id=refusal.limits[0].policy_id if refusal.limits else None,
        budget_id=refusal.budget_id,
        component=refusal.component,
        repeats=0,
        explanation=encode(explain(refusal)).decode(),
    )


def explain(refusal: refusals.Refusal) -> dict[str, Any]:
    """The whole of a refusal as data, money in exact dollars."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "request": refusal.request,
        "tier": refusal.tier,
        "estimated_tokens": refusal.estimated_tokens,
        "estimated_cost": money.to_dollars(refusal.estimated_cost),
        "limits": [limit_view(limit) for limit in refusal.limits],
        "not_applied": refusal.not_applied,
        "as_of_seq": refusal.as_of_seq,
        "retryable": refusal.retryable,
        "retry_at": refusal.retry_at,
        "offers": [offer_view(offer) for offer in refusal.offers],
    }


def limit_view(limit: refusals.Limit) -> dict[str, Any]:
    """One limit's arithmetic in its own unit: tokens, or exact dollars."""
    amounts = {name: getattr(limit, name) for name in ("limit", "used", "held", "asked")}
    if limit.unit == "cost":
        amounts = {name: money.to_dollars(amount) for name, amount in amounts.items()}
    return {
        "policy_id": limit.policy_id,
        "version": limit.version,
        "period": limit.period,
        "window": limit.window,
        "unit": limit.unit,
        **amounts,
    }


def offer_view(offer: dict[str, Any]) -> dict[str, Any]:
    """An offer with its saving in dollars."""
    shown = {key: value for key, value in offer.items() if key != "saving_nanocents"}
    if "saving_nanocents" in offer:
        shown["saving"] = money.to_dollars(offer["saving_nanocents"])
    return shown
