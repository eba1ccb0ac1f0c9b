"""Bugs, planted one by one into the running code: the simulator must find each (`python -m tests.simulator.planted`).

Each is a mistake that somebody could make, or that another tool made. What a plant changes is as it
was when its monkeypatch is undone.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import pytest
import structlog

from budget.domain import (
    administration,
    alerts,
    allocations,
    commands,
    corrections,
    money,
    periods,
    policies,
    pricing,
    recording,
    refusals,
    usage,
)
from budget.domain.balances import Balance
from budget.domain.configuration import Configuration
from budget.domain.policies import Policy
from budget.engine import batch, loading
from budget.engine.ledger import Ledger
from budget.engine.loading import Memory, Outcome, Submission
from budget.simulator.running import Report, Simulator, steps_of
from budget.storage import alerts as stored_alerts
from budget.storage import holdings, journal, statements

MOST_SEEDS = 200
STEPS = 30


class Bug(NamedTuple):
    """What is wrong, how to make it so, and how many processes it takes to matter."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    processes: int = 1


def around(patch: pytest.MonkeyPatch, owner: Any, name: str, wrong: Callable[..., Any]) -> None:
    """Put `wrong` in the place of a function; it is given the real one first."""
    real = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: wrong(real, *args, **kwargs))


def plain_commands() -> dict[Any, Any]:
    """Where a batch looks up what decides a command."""
    return batch._PLAIN


# Limits


def skip_the_held_part(patch: pytest.MonkeyPatch) -> None:
    def refusing(real, lines, tokens, cost):
        used = [
            (line, Balance(b.policy_id, b.window_key, (b.used_tokens, 0, b.used_cost, 0), None)) for line, b in lines
        ]
        return real(used, tokens, cost)

    around(patch, refusals, "refusing_limits", refusing)


def forget_a_scope(patch: pytest.MonkeyPatch) -> None:
    around(
        patch, Policy, "matches", lambda real, policy, scope: real(msgspec.structs.replace(policy, user_id=None), scope)
    )


def refuse_at_the_limit(patch: pytest.MonkeyPatch) -> None:
    around(patch, refusals, "refusing_limits", lambda real, lines, tokens, cost: real(lines, tokens + 1, cost))


def balance_not_locked(patch: pytest.MonkeyPatch) -> None:
    """A process decides on balances as it knew them, while another has changed them."""
    known: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()

    def balances(real, connection, keys, **kwargs):
        mine = known.setdefault(connection.engine, {})
        found = {key: mine.get(key, amounts) for key, amounts in real(connection, keys, **kwargs).items()}
        mine.update(found)
        return found

    def save(real, connection, state, written):
        mine = known.setdefault(connection.engine, {})
        mine.update({key: balance.amounts for key, balance in state.balances.items() if balance.changed})
        return real(connection, state, written)

    around(patch, holdings, "balances", balances)
    around(patch, journal, "_save_sums", save)


def offer_one_token_too_many(patch: pytest.MonkeyPatch) -> None:
    def most(real, fits, least, asked):
        found = real(fits, least, asked)
        return found if found is None else min(found + 1, asked - 1)

    around(patch, refusals, "most_tokens", most)


# Windows


def off_by_one_window(patch: pytest.MonkeyPatch) -> None:
    around(patch, periods, "_compute", lambda real, period, zone, at: real(period, zone, at - 1))


def days_of_24_hours(patch: pytest.MonkeyPatch) -> None:
    def compute(real, period, zone, at):
        window = real(period, zone, at)
        return window._replace(end=window.start + 86_400_000_000) if period == "daily" else window

    around(patch, periods, "_compute", compute)


def straddling_hold_in_the_wrong_window(patch: pytest.MonkeyPatch) -> None:
    def new_record(real, state, command, identity, amounts, occurred_at, flags):
        record = real(state, command, identity, amounts, occurred_at, flags)
        record.booked_at = occurred_at
        return record

    around(patch, recording, "new_record", new_record)


def opening_posting_missing(patch: pytest.MonkeyPatch) -> None:
    around(patch, administration, "_open", lambda _real, _state, _policy, _targets: [])


def idle_session_not_restored(patch: pytest.MonkeyPatch) -> None:
    around(patch, loading, "_open_keyed", lambda _real, _connection, _state, _absent: None)


# Exactly once


def claim_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """The effect is committed, then the claim: a kill between the two, and the retry does it again."""
    later: list[Any] = []

    def save(real, connection, state, *args):
        claimed = [entry for entry in state.entries if entry.idempotency_key is not None]
        claims = [(entry.idempotency_key, entry.fingerprint, entry) for entry in claimed]
        for entry in claimed:
            entry.idempotency_key = None
        head = real(connection, state, *args)
        later.extend((key, fingerprint, entry.seq) for key, fingerprint, entry in claims)
        return head

    async def commit(real, ledger, *args):
        later.clear()
        outcomes = await real(ledger, *args)
        rows = list(later)
        sql = "UPDATE entries SET idempotency_key = ?, fingerprint = ? WHERE seq = ?"
        if rows:
            await ledger.database.write(lambda connection: statements.run_many(connection, sql, rows))
        return outcomes

    def run(real, *args, **kwargs):
        return real(*args, **{**kwargs, "claims_known": True})

    around(patch, journal, "save", save)
    around(patch, Ledger, "_commit", commit)
    around(patch, batch, "run", run)


def refusal_replayed(patch: pytest.MonkeyPatch) -> None:
    remembered: WeakKeyDictionary[Any, dict[str, Outcome]] = WeakKeyDictionary()

    def decide_one(real, connection, state, submission, claimed):
        mine = remembered.setdefault(state._ids, {})
        if submission.claim in mine:
            return mine[submission.claim]
        outcome = real(connection, state, submission, claimed)
        if outcome.error is not None and submission.claim is not None:
            mine[submission.claim] = outcome
        return outcome

    around(patch, batch, "_decide_one", decide_one)


def any_body_under_a_key(patch: pytest.MonkeyPatch) -> None:
    around(patch, commands, "fingerprint", lambda _real, _command: b"")


def keys_shared_by_all_callers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Submission,
        "claim",
        property(lambda self: None if self.key is None else f"anyone\x1f{self.command.operation}\x1f{self.key}"),
    )


def two_commits_for_one_batch(patch: pytest.MonkeyPatch) -> None:
    def save(real, connection, state, written):
        real(connection, state, written)
        statements.run(connection, "COMMIT")
        statements.run(connection, "BEGIN IMMEDIATE")

    around(patch, journal, "_save_sums", save)


def memory_survives_a_rollback(patch: pytest.MonkeyPatch) -> None:
    def forget(real, memory):
        written = getattr(memory, "written", None)
        real(memory)
        memory.written = written or memory.written

    around(patch, Memory, "forget", forget)


# Holds


def release_twice(patch: pytest.MonkeyPatch) -> None:
    def release(real, state, command, caller):
        hold = allocations.held(state, command.allocation_id)
        if hold.state == "released":
            hold.state, hold.held_tokens, hold.held_cost = "open", hold.tokens_allocated, hold.estimated_cost
        return real(state, command, caller)

    around(patch, allocations, "release", release)
    patch.setitem(plain_commands(), commands.Release, allocations.release)


def settle_twice(patch: pytest.MonkeyPatch) -> None:
    def settle(real, state, command, caller):
        hold = state.holds.get(command.allocation_id)
        if hold is not None and hold.state == "settled":
            hold.closed_by = "draw"
        return real(state, command, caller)

    around(patch, recording, "settle", settle)
    patch.setitem(plain_commands(), commands.Settle, recording.settle)


def silent_call_is_free(patch: pytest.MonkeyPatch) -> None:
    def expire(real, state, hold, caller):
        hold.state = "open"
        return real(state, hold, caller)

    around(patch, allocations, "expire", expire)


def money_stays_held(patch: pytest.MonkeyPatch) -> None:
    def free(real, state, hold, *args):
        hold.held_cost -= hold.held_cost // 2
        return real(state, hold, *args)

    around(patch, allocations, "free", free)


# Money and tokens


def float_money(patch: pytest.MonkeyPatch) -> None:
    """Dollars in floats, rounded to nanocents as well as floats can."""

    def cost_of(real, price, parts):
        exact = real(price, parts)
        rates = {part: float(rate) for part, rate in price.rates.items()}
        dollars = sum(rates.get(part, rates["input"]) * count for part, count in parts.items() if part in rates)
        plain = all(part in rates or part == "requests" for part in parts)
        total = round(dollars * 1e11) if plain else exact.total
        first = next(iter(exact.by_part), None)
        if first is None or total == exact.total:
            return exact
        by_part = {**exact.by_part, first: exact.by_part[first] + total - exact.total}
        return pricing.Cost(total, by_part, exact.unpriced_parts)

    around(patch, pricing, "cost_of", cost_of)
    around(patch, money, "to_nanocents", lambda _real, dollars: round(float(dollars) * 1e11))


def unknown_model_priced_0(patch: pytest.MonkeyPatch) -> None:
    free = pricing.Price(price_id="free", provider="*", model="*", rates={"input": money.to_dollars(0)})
    around(patch, Configuration, "price", lambda real, *args: real(*args) or free)


def cached_tokens_counted_twice(patch: pytest.MonkeyPatch) -> None:
    def all_parts(real, counts):
        parts = real(counts)
        return {**parts, "input": parts.get("input", 0) + parts.get("cache_read", 0)}

    around(patch, usage, "_all_parts", all_parts)


def correction_at_todays_price(patch: pytest.MonkeyPatch) -> None:
    def amounts(real, state, command, old, *args):
        return real(state, command, msgspec.structs.replace(old, price_id=None), *args)

    around(patch, corrections, "_corrected_amounts", amounts)


# Alerts


def alert_twice(patch: pytest.MonkeyPatch) -> None:
    """The same limit is written in two ways, so that it does not look like the same crossing."""

    def alert_of(real, state, crossing):
        alert = real(state, crossing)
        if state.head_seq % 2 and "." not in alert.limit_value:
            alert.limit_value += ".0"
        return alert

    around(patch, alerts, "alert_of", alert_of)


def alert_forgotten(patch: pytest.MonkeyPatch) -> None:
    around(patch, policies, "crossed", lambda real, levels, before, after: list(real(levels, before, after))[:1])


def alert_claimed_by_a_limit_of_another_unit(patch: pytest.MonkeyPatch) -> None:
    def raised(real, connection, keys):
        rows = statements.run(connection, "SELECT policy_id, window_key, threshold FROM alerts")
        known = {tuple(row) for row in rows}
        return {key for key in keys if (key[0], *key[3:]) in known}

    around(patch, stored_alerts, "raised", raised)


BUGS = (
    Bug("skip the held part", skip_the_held_part),
    Bug("off-by-one window", off_by_one_window),
    Bug("release twice", release_twice),
    Bug("forget a scope", forget_a_scope),
    Bug("claim outside the transaction", claim_outside_the_transaction),
    Bug("float money", float_money),
    Bug("unknown model priced 0", unknown_model_priced_0),
    Bug("opening posting missing", opening_posting_missing),
    Bug("refusal replayed", refusal_replayed),
    Bug("straddling hold in the wrong window", straddling_hold_in_the_wrong_window),
    Bug("alert twice", alert_twice),
    Bug("balance not locked", balance_not_locked, processes=2),
    Bug("refuse at the limit", refuse_at_the_limit),
    Bug("offer one token too many", offer_one_token_too_many),
    Bug("days of 24 hours", days_of_24_hours),
    Bug("idle session not restored", idle_session_not_restored),
    Bug("any body under a key", any_body_under_a_key),
    Bug("keys shared by all callers", keys_shared_by_all_callers),
    Bug("two commits for one batch", two_commits_for_one_batch),
    Bug("memory survives a rollback", memory_survives_a_rollback),
    Bug("settle twice", settle_twice),
    Bug("silent call is free", silent_call_is_free),
    Bug("money stays held", money_stays_held),
    Bug("cached tokens counted twice", cached_tokens_counted_twice),
    Bug("correction at today's price", correction_at_todays_price),
    Bug("alert forgotten", alert_forgotten),
    Bug("alert claimed by a limit of another unit", alert_claimed_by_a_limit_of_another_unit),
)


def first_found(simulator: Simulator, bug: Bug) -> Report | None:
    """The first run that a planted bug breaks, of so many seeds from 0 on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(periods, "_recent", {})
        bug.plant(patch)
        for seed in range(MOST_SEEDS):
            report = simulator.run(seed, steps_of(seed, range(1, STEPS + 1)), bug.processes)
            if report.broken is not None:
                return report
    return None


def main() -> int:
    """A row for each bug: how many seeds it took, and what was found."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    missed = 0
    print(f"{'bug':<42} {'seeds':>5}  {'step':>4}  found")
    with Simulator() as simulator:
        for bug in BUGS:
            report = first_found(simulator, bug)
            if report is None:
                missed += 1
                print(f"{bug.name:<42} {'-':>5}  not within {MOST_SEEDS} seeds", flush=True)
            else:
                print(f"{bug.name:<42} {report.seed + 1:>5}  {report.at_step:>4}  {report.broken}"[:150], flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
