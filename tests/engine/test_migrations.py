"""What the old managers wrote, taken over: every fact of it, once, on both kinds of database."""

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from budget.domain import commands, instants
from budget.engine import migrations, summaries
from tests import old_ledgers
from tests.old_ledgers import EXPECTED, ZONE, a_limit, a_row

COMBINED = EXPECTED["rhetor_combined"]
APOLLO = EXPECTED["apollo"]["apollo"]
EXPORTED = instants.parse_instant(APOLLO["allocations_export"]["exported_at_local"], ZONE)
TOLERANCE = Decimal("1E-9")


@pytest.fixture
async def old(book, tmp_path):
    book.ledger.readers = old_ledgers.READERS
    return Old(book, tmp_path)


class Old:
    """Migrations of a test."""

    def __init__(self, book, folder):
        self.book = book
        self.folder = folder

    def request(self, kind, *paths, **more):
        return migrations.request(self.book.ledger, kind, paths, ZONE, as_warn=more.get("as_warn", False))

    async def migrate(self, kind, *paths, **more):
        report, _ = await migrations.take_over(self.book.ledger, self.request(kind, *paths, **more))
        return report

    async def rehearse(self, kind, *paths):
        return await migrations.rehearse(self.book.ledger, self.request(kind, *paths))

    async def of_rhetor(self, *names):
        return await self.migrate("rhetor", *old_ledgers.copied(self.folder, *(f"rhetor/{name}" for name in names)))

    async def of_apollo(self):
        return await self.migrate("apollo", *old_ledgers.copied(self.folder, "apollo"))

    async def sums(self, *columns):
        """Current records by these columns: count, input, output and all tokens, cost in dollars."""
        measures = "COUNT(*), SUM(input_tokens), SUM(output_tokens), SUM(total_tokens), SUM(cost)"
        listed = ", ".join(columns)
        sql = f"SELECT {listed}, {measures} FROM usage_records WHERE status = 'current' GROUP BY {listed}"
        return {row[:-5]: _sums(row[-5:]) for row in map(tuple, await self.book.rows(sql))}

    async def policies(self):
        await self.book.ledger.refresh()
        configuration = await self.book.ledger.refresh()
        imported = {"Rhetor Budget", "Apollo Budget"}
        budgets = {budget.budget_id for budget in configuration.budgets.values() if budget.name in imported}
        return [policy for policy in configuration.policies.values() if policy.budget_id in budgets]

    async def contents(self):
        """All that a migration leaves, without ids and instants of its own."""
        records = await self.book.rows(
            "SELECT provider, model, component, task_type, occurred_at, input_tokens, output_tokens, cost, parts, "
            "flags, original_cost, status FROM usage_records WHERE status = 'current'"
        )
        policies = [(p.period, p.provider, p.tier, p.type, p.cost_limit, p.enabled) for p in await self.policies()]
        holds = await self.book.rows("SELECT allocation_id, state, tokens_allocated, held_tokens FROM holds")
        return sorted(map(repr, records)), sorted(map(repr, policies)), sorted(map(repr, holds))


def _sums(row):
    count, given, made, tokens, cost = (int(value or 0) for value in row)
    return count, given, made, tokens, Decimal(cost) / 10**11


def _expected(rows, *names):
    """The same from expected.json."""
    return {
        tuple(row[name] for name in names): (
            row["rows"],
            row["input_tokens"],
            row["output_tokens"],
            row["input_tokens"] + row["output_tokens"],
            Decimal(row["cost_exact"]),
        )
        for row in rows
    }


def assert_same(found, expected):
    assert {key: sums[:4] for key, sums in found.items()} == {key: sums[:4] for key, sums in expected.items()}
    assert all(abs(sums[4] - expected[key][4]) <= TOLERANCE for key, sums in found.items())


@pytest.mark.parametrize(
    ("columns", "facts"),
    [
        (("provider",), "by_provider"),
        (("provider", "model"), "by_provider_model"),
        (("component",), "by_component"),
        (("task_type",), "by_task_type"),
    ],
)
async def test_both_databases_of_rhetor_add_up_to_what_they_held(old, columns, facts):
    report = await old.of_rhetor("budget.db", "rhetor.db")
    assert report["state"] == "complete"
    assert_same(await old.sums(*columns), _expected(COMBINED["usage"][facts], *columns))


@pytest.mark.parametrize("name", ["budget.db", "rhetor.db"])
async def test_a_database_of_rhetor_is_reported_to_the_last_digit(old, name):
    report = await old.of_rhetor(name)
    facts = EXPECTED["rhetor"][f"rhetor/{name}"]
    (source,) = report["sources"]
    assert source["usage"]["found"] == source["usage"]["imported"] == facts["usage"]["usage_rows"]
    assert source["totals"]["cost"] == facts["usage"]["cost_exact"]
    for rows, names in (
        ("by_provider", ["provider"]),
        ("by_month", ["month"]),
        ("by_month_provider", ["month", "provider"]),
    ):
        found = {
            tuple(row[each] for each in names): (row["records"], row["input_tokens"], row["output_tokens"], row["cost"])
            for row in source[rows]
        }
        assert found == {
            tuple(row[each] for each in names): (
                row["rows"],
                row["input_tokens"],
                row["output_tokens"],
                row["cost_exact"],
            )
            for row in facts["usage"][rows]
        }
    assert source["differences"] == []
    kept = {
        (p["period"], p["provider"]): (Decimal(p["limit_amount"]), p["becomes"], p["enforced_by_original"], p["id"])
        for p in report["policies"]
    }
    assert kept == {
        (p["period"], p["provider"]): (
            Decimal(p["limit_amount"]),
            p["policy_type"],
            p["enforced_by_original"],
            p["legacy_row_id"],
        )
        for p in facts["settings"]["effective"]
    }
    settings = source["policies"]
    assert (settings["found"], settings["skipped"]) == (
        facts["settings"]["settings_rows"],
        facts["settings"]["inactive_rows"],
    )


async def test_the_limits_of_two_databases_are_those_that_were_set_last(old):
    await old.of_rhetor("budget.db", "rhetor.db")
    found = {(p.period, p.provider or "all"): (p.cost_limit, p.type, p.enabled) for p in await old.policies()}
    limits = {p["limit_amount"]: Decimal(p["limit_amount"]) for p in COMBINED["effective_settings"]}
    assert found == {
        (p["period"], p["provider"]): (limits[p["limit_amount"]] or None, p["policy_type"], True)
        for p in COMBINED["effective_settings"]
    }


async def test_months_are_those_of_the_old_clock_and_names_that_were_null_stay_so(old):
    report = await old.of_rhetor("rhetor.db")
    budget_id = report["budget_id"]
    (zone,) = await old.book.rows("SELECT time_zone FROM budgets WHERE budget_id = ?", budget_id)
    assert zone[0] == ZONE
    sums = await old.sums("provider", "model")
    assert sums[None, None][0] == EXPECTED["rhetor"]["rhetor/rhetor.db"]["usage"]["null_provider_rows"]


async def test_costs_are_kept_as_recorded_and_an_unknown_price_is_not_free(old):
    path = old_ledgers.rhetor(
        old.folder / "budget.db",
        [
            a_row(cost=0.0053100000000000005, input_tokens=100, output_tokens=143),
            a_row(model="gpt-5", cost=0.0),
            a_row(provider="ollama", model="llama3", cost=0.0),
            a_row(cost=None),
            a_row(cost=-0.5),
        ],
    )
    await old.migrate("rhetor", path)
    rows = await old.book.rows("SELECT cost, original_cost, flags, parts FROM usage_records ORDER BY seq")
    assert [(int(row[0]), row[1]) for row in rows] == [
        (531_000_000, "0.0053100000000000005"), (0, "0.0"), (0, "0.0"), (0, None), (-50_000_000_000, "-0.5"),
    ]  # fmt: skip
    assert [row[2] & 256 for row in rows] == [0, 256, 0, 256, 0]
    parts = json.loads(rows[0][3])
    assert (parts["input"], parts["output"]) == ([100, 0], [143, 0])
    assert parts["other"] == [0, 531_000_000]


async def test_a_cost_is_split_where_rhetors_own_prices_give_just_it(old):
    await old.of_rhetor("budget.db")
    (row,) = await old.book.rows("SELECT parts FROM usage_records ORDER BY seq LIMIT 1")
    assert json.loads(row[0]) == {"input": [241, 241_000_000], "output": [13, 39_000_000], "requests": [1, 0]}


async def test_what_a_ledger_cannot_hold_is_named_and_the_rest_goes_on(old):
    rows = [
        a_row(),
        a_row(timestamp="yesterday"),
        a_row(timestamp=None),
        a_row(input_tokens=2**60),
        a_row(cost=9e9),
        a_row(cost=float("inf")),
        a_row(cost="free"),
        a_row(provider="nul\x00byte", component=None),
    ]
    report = await old.migrate("rhetor", old_ledgers.rhetor(old.folder / "budget.db", rows))
    (source,) = report["sources"]
    usage = source["usage"]
    assert (usage["found"], usage["imported"], usage["invalid"]) == (8, 2, 6)
    assert [each["identity"] for each in source["rejected"]] == [f"usage row {number}" for number in range(2, 8)]
    assert report["state"] == "partial"
    (row,) = await old.book.rows("SELECT provider, component, metadata FROM usage_records ORDER BY seq DESC LIMIT 1")
    origin = json.loads(row[2])["imported"]
    assert (row[0], row[1], origin["null"]) == ("nul\ufffdbyte", "(null)", ["component"])
    assert "x00" in origin["altered"]["provider"]


# Apollo


async def test_apollos_records_count_once_though_files_repeat_them(old):
    report = await old.of_apollo()
    facts = APOLLO["usage_records"]["from_intact_files"]
    (source,) = report["sources"]
    usage = source["usage"]
    assert usage["found"] == APOLLO["usage_records"]["entries_in_all_intact_files"]
    assert usage["imported"] == facts["unique_records"]
    assert source["totals"]["total_tokens"] == facts["tokens"]
    for columns in ("component", "provider", "model", "task_type"):
        found = {key[0] or "unknown": (sums[0], sums[3]) for key, sums in (await old.sums(columns)).items()}
        assert found == {each["key"]: (each["records"], each["tokens"]) for each in facts[f"by_{columns}"]}
    months = {row["month"]: (row["records"], row["total_tokens"]) for row in source["by_month"]}
    assert months == {each["key"]: (each["records"], each["tokens"]) for each in facts["by_month"]}


async def test_no_split_of_apollos_tokens_is_invented(old):
    await old.of_apollo()
    facts = {each["key"]: each["tokens"] for each in APOLLO["usage_records"]["from_intact_files"]["by_usage_type"]}
    rows = await old.book.rows("SELECT input_tokens, output_tokens, total_tokens, parts, flags FROM usage_records")
    found: Counter[str] = Counter()
    for given, made, total, parts, flags in rows:
        side = "input" if given is not None else "output" if made is not None else "total"
        assert (given or made or json.loads(parts)["other"][0]) == total
        assert flags & 256
        found[side] += total
    assert found == facts


async def test_apollos_policies_keep_their_ids_and_values(old):
    report = await old.of_apollo()
    found = {p.policy_id: p for p in await old.policies()}
    for fact in APOLLO["policies"]["items"]:
        policy = found[fact["policy_id"]]
        assert (policy.type, policy.period, policy.tier) == (fact["type"], fact["period"], fact["tier"])
        assert (policy.component, policy.task_type, policy.token_limit) == (
            fact["component"], fact["task_type"], fact["limit"],
        )  # fmt: skip
        assert float(policy.warning_threshold) == fact["warning_threshold"]
        ended = fact["end_date"] is not None and fact["end_date"] < "2026"
        assert policy.enabled == (fact["enabled"] and not ended)
        assert (policy.end_date is None) == (fact["end_date"] is None)
    assert len(found) == APOLLO["policies"]["valid_count"] == report["sources"][0]["policies"]["imported"]
    named = [p["policy_id"] for p in report["policies"] if p["type"] == "hard_limit" and p["notes"]]
    assert len(named) == APOLLO["policies"]["by_type"]["hard_limit"]


async def test_apollos_allocations_are_as_they_were_when_exported(old, clock):
    clock.time = EXPORTED  # the ledger's own entries are later: what is open then is open
    await old.of_apollo()
    facts = APOLLO["allocations_export"]
    rows = await old.book.rows(
        "SELECT allocation_id, tier, state, tokens_allocated, tokens_used, held_tokens FROM holds"
    )
    found = {row[0]: tuple(row[1:]) for row in rows}
    for item in facts["items"]:
        tier, _, allocated, used, held = found[item["allocation_id"]]
        assert (tier, allocated, used) == (item["tier"], item["tokens_allocated"], item["tokens_used"])
        assert held in (0, item["remaining_tokens"])
    assert sum(max(0, row[3] - row[4]) for row in rows) == sum(
        tier["remaining_tokens"] for tier in facts["by_tier"].values()
    )


async def test_a_limit_with_an_end_is_switched_off_by_the_sweep_after_it(old, clock):
    (old.folder / "budget_policies.json").write_text(
        json.dumps([{"policy_id": "p", "type": "hard_limit", "period": "daily", "tier": "local_lightweight", "limit": 5,
                     "end_date": "2026-11-25T00:00:00"}])
    )  # fmt: skip
    await old.migrate("apollo", str(old.folder))
    await old.book.sweep()
    assert [policy.enabled for policy in await old.policies()] == [True]
    clock.time += 24 * 3600 * 1_000_000
    await old.book.sweep()
    assert [policy.enabled for policy in await old.policies()] == [False]


# Again, twice, before, back


@pytest.mark.parametrize("kind", ["rhetor", "apollo"])
async def test_a_second_run_adds_nothing_and_says_so(old, kind):
    paths = old_ledgers.copied(
        old.folder, *(["rhetor/budget.db", "rhetor/rhetor.db"] if kind == "rhetor" else ["apollo"])
    )
    hashes = old_ledgers.hashes(old.folder / "old")
    await old.migrate(kind, *paths)
    before = await old.contents()
    again = await old.migrate(kind, *paths)
    assert await old.contents() == before
    assert all(
        source[each]["imported"] == 0 for source in again["sources"] for each in ("usage", "policies", "allocations")
    )
    assert again["state"] == "complete"
    assert old_ledgers.hashes(old.folder / "old") == hashes


@pytest.mark.parametrize("kind", ["rhetor", "apollo"])
async def test_a_rehearsal_predicts_and_writes_nothing(old, kind):
    paths = old_ledgers.copied(
        old.folder, *(["rhetor/budget.db", "rhetor/rhetor.db"] if kind == "rhetor" else ["apollo"])
    )
    before = len(await old.book.entries())
    foretold = await old.rehearse(kind, *paths)
    assert len(await old.book.entries()) == before
    report = await old.migrate(kind, *paths)
    for would, did in zip(foretold["sources"], report["sources"], strict=True):
        for each in ("usage", "policies", "allocations"):
            would[each]["imported"] = would[each].pop("would_import")
        assert would == did


async def test_two_at_once_end_as_one(old):
    paths = old_ledgers.copied(old.folder, "rhetor/budget.db", "rhetor/rhetor.db")
    first, second = await asyncio.gather(*(old.migrate("rhetor", *paths) for _ in range(2)))
    assert first == second
    assert first["state"] == "complete"
    assert_same(await old.sums("provider"), _expected(COMBINED["usage"]["by_provider"], "provider"))
    assert len(await old.policies()) == len(COMBINED["effective_settings"])


async def test_a_record_that_takes_a_sum_past_64_bits_is_refused_alone(old):
    rows = [a_row(cost=9e7, timestamp=f"2025-06-10T12:00:0{second}") for second in range(3)] + [a_row(), a_row()]
    report = await old.migrate("rhetor", old_ledgers.rhetor(old.folder / "budget.db", rows))
    usage = report["sources"][0]["usage"]
    refused = 2 if old.book.ledger.database.path else 0  # PostgreSQL's sums are wide enough
    assert (usage["imported"], usage["invalid"]) == (5 - refused, refused)
    assert all("92 million dollars" in each["reason"] for each in report["sources"][0]["rejected"])


async def test_a_source_that_has_grown_adds_only_what_is_new(old):
    path = old_ledgers.rhetor(old.folder / "rhetor.db", [a_row(), a_row()])
    await old.migrate("rhetor", path)
    old_ledgers.rhetor(old.folder / "rhetor.db", [a_row(component="athena")])
    (source,) = (await old.migrate("rhetor", path))["sources"]
    assert (source["usage"]["imported"], source["usage"]["already_present"]) == (1, 2)


async def test_a_limit_that_was_edited_here_is_not_overwritten(old):
    path = old_ledgers.rhetor(old.folder / "rhetor.db", [], [a_limit()])
    await old.migrate("rhetor", path)
    (policy,) = await old.policies()
    await old.book.do(commands.UpdatePolicy(policy_id=policy.policy_id, cost_limit=Decimal(9)))
    report = await old.migrate("rhetor", path)
    assert report["sources"][0]["policies"]["skipped"] == 1
    assert "edited" in report["policies"][0]["outcome"]
    assert [p.cost_limit for p in await old.policies()] == [Decimal(9)]


async def test_a_limit_that_was_set_anew_in_rhetor_follows(old):
    path = old_ledgers.rhetor(old.folder / "a.db", [], [a_limit()])
    await old.migrate("rhetor", path)
    newer = old_ledgers.rhetor(old.folder / "b.db", [], [a_limit(limit_amount=7.5, start_date="2025-07-01T00:00:00")])
    await old.migrate("rhetor", newer)
    assert [p.cost_limit for p in await old.policies()] == [Decimal("7.5")]
    await old.migrate("rhetor", path)
    assert [p.cost_limit for p in await old.policies()] == [Decimal("7.5")]


async def test_limits_that_were_never_enforced_can_be_had_as_warnings(old):
    limits = [a_limit(provider="all"), a_limit(), a_limit(period="weekly", provider="all", limit_amount=0)]
    path = old_ledgers.rhetor(old.folder / "rhetor.db", [], limits)
    report = await old.migrate("rhetor", path, as_warn=True)
    found = {(p.period, p.provider): p.type for p in await old.policies()}
    assert found == {("daily", None): "warn", ("daily", "openai"): "hard_limit", ("weekly", None): "hard_limit"}
    assert [p["becomes"] for p in report["policies"]] == ["warn", "hard_limit", "hard_limit"]


async def test_history_raises_no_alert_and_the_current_window_counts(old):
    now = "2026-11-24T05:00:00"  # the book's clock stands at 10:30 UTC, half past five in New York
    rows = [a_row(cost=100.0) for _ in range(3)] + [a_row(timestamp=now, cost=6.0)]
    await old.migrate("rhetor", old_ledgers.rhetor(old.folder / "rhetor.db", rows, [a_limit()]))
    (policy,) = await old.policies()
    assert (await old.book.balance(policy))[2] == 600_000_000_000
    assert {alert.policy_id for alert in await old.book.alerts()} == {policy.policy_id}


async def test_what_is_taken_back_is_gone_and_can_be_migrated_anew(old):
    paths = old_ledgers.copied(old.folder, "apollo")
    report = await old.migrate("apollo", *paths)
    before = await old.contents()
    undone = await migrations.undo(old.book.ledger, report["migration_id"])
    assert undone["undone"]["usage"] == report["sources"][0]["usage"]["imported"]
    assert await old.sums("provider") == {}
    assert not any(policy.enabled for policy in await old.policies())
    assert {row[0] for row in await old.book.rows("SELECT held_tokens FROM holds")} == {0}
    assert (await old.book.verify()).differences == 0
    again = await old.migrate("apollo", *paths)
    assert again["sources"][0]["usage"] == report["sources"][0]["usage"]
    assert await old.contents() == before


async def test_an_undo_takes_back_what_a_record_has_become_and_leaves_edited_limits(old):
    path = old_ledgers.rhetor(old.folder / "rhetor.db", [a_row(), a_row()], [a_limit()])
    report = await old.migrate("rhetor", path)
    first, second = [row[0] for row in await old.book.rows("SELECT record_id FROM usage_records ORDER BY seq")]
    await old.book.do(commands.Correct(record_id=first, output_tokens=60, reason="recount"))
    await old.book.do(commands.Void(record_id=second, reason="not ours"))
    (policy,) = await old.policies()
    await old.book.do(commands.UpdatePolicy(policy_id=policy.policy_id, cost_limit=Decimal(9)))
    undone = await migrations.undo(old.book.ledger, report["migration_id"])
    assert undone["undone"]["usage"] == 1
    assert [kept["policy_id"] for kept in undone["kept_policies"]] == [policy.policy_id]
    assert await old.sums("provider") == {}


async def test_a_migration_with_a_key_is_run_once(old):
    path = old_ledgers.rhetor(old.folder / "rhetor.db", [a_row()])
    request = old.request("rhetor", path)
    first, _ = await migrations.take_over(old.book.ledger, request, key="k")
    old_ledgers.rhetor(old.folder / "rhetor.db", [a_row()])
    again, replayed = await migrations.take_over(old.book.ledger, request, key="k")
    assert (again, replayed) == (first, True)


async def test_what_came_from_apollo_counts_in_totals_only_where_it_is_asked_for(old):
    report = await old.of_apollo()
    ledger, facts = old.book.ledger, APOLLO["usage_records"]["from_intact_files"]
    span: Any = {"start": "2025-01-01", "end": "2026-01-01"}
    totals = [
        (await summaries.usage_summary(ledger, "monthly", **span, **more))["total_tokens"]
        for more in ({}, {"include_overlap": True}, {"budget_id": report["budget_id"]})
    ]
    assert totals == [0, facts["tokens"], facts["tokens"]]
    rows = await summaries.usage_analytics(ledger, "monthly", **span, include_overlap=True)
    assert sum(row["total_tokens"] for row in rows) == facts["tokens"]


async def test_a_budget_that_an_adapter_made_is_the_one(old):
    budget = await old.book.budget("Rhetor Budget", metadata={"mine": 1})
    report = await old.migrate("rhetor", old_ledgers.rhetor(old.folder / "rhetor.db", [a_row()]))
    assert report["budget_id"] == budget.budget_id
    (row,) = await old.book.rows("SELECT metadata FROM budgets WHERE budget_id = ?", budget.budget_id)
    assert json.loads(row[0]) == {"mine": 1, "imported": {"origin": "rhetor"}}
