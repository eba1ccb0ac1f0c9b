"""Where usage is posted and where it is undone are one function of what is frozen (rules 2.5, 4.6)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain.budgets import Budget
from budget.domain.configuration import Configuration, Rules, openings_for
from budget.domain.errors import Invalid, NotFound
from budget.domain.policies import Opening
from budget.domain.pricing import Price
from tests.domain.test_policies import a_policy, a_scope

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


def a_configuration(*policies, prices=None, alias=lambda *_: None, budgets=(), rules=None) -> Configuration:
    budget = Budget(budget_id="b", name="b", time_zone="UTC", is_default=True, created_at=0, updated_at=0)
    return Configuration(
        version=1,
        budgets=[budget, *budgets],
        policies=policies,
        prices=prices or {},
        table={},
        alias=alias,
        rules=rules or Rules(),
    )


def a_price(model="m", **fields) -> Price:
    return Price(price_id=f"{model}{fields}", provider="acme", model=model, rates={"input": Decimal(1)}, **fields)


def windows(configuration, booked_at, created_at, **scope):
    return [line.window_key for line in configuration.posting_set(a_scope(**scope), booked_at, created_at).lines]


def test_a_policy_contains_what_is_booked_in_its_windows():
    assert windows(a_configuration(a_policy()), 5 * DAY, 5 * DAY) == [f"{5 * 86400}-{6 * 86400}"]


def test_a_window_that_ended_when_the_policy_began_contains_nothing():
    configuration = a_configuration(a_policy(openings=(Opening(10 * DAY, "UTC"),)))
    assert windows(configuration, 9 * DAY, 20 * DAY) == []
    assert windows(configuration, 10 * DAY - 1, 20 * DAY) == []
    assert len(windows(configuration, 10 * DAY, 20 * DAY)) == 1


def test_what_was_there_when_a_policy_opened_is_in_it_though_it_is_older():
    configuration = a_configuration(a_policy(openings=(Opening(10 * DAY + HOUR, "UTC"),)))
    assert len(windows(configuration, 10 * DAY, 10 * DAY)) == 1


def test_a_change_of_zone_adds_the_windows_of_the_new_one():
    opened = (Opening(0, "UTC"), Opening(10 * DAY + HOUR, "Asia/Tokyo"))
    configuration = a_configuration(a_policy(openings=opened))
    before, after = windows(configuration, 10 * DAY, 10 * DAY), windows(configuration, 10 * DAY, 11 * DAY)
    assert len(before) == 2
    assert len(after) == 1
    assert after[0] == before[1]


def test_openings_before_the_one_in_force_do_not_count():
    policy = a_policy(openings=(Opening(0, "UTC"), Opening(10, "Asia/Tokyo"), Opening(20, "UTC")))
    assert [opening.at for opening in openings_for(policy, 15)] == [10, 20]
    assert [opening.at for opening in openings_for(policy, 25)] == [20]


def test_disabled_policies_contain_nothing():
    assert windows(a_configuration(a_policy(enabled=False, openings=())), DAY, DAY) == []


@given(
    opened=st.lists(st.tuples(st.integers(0, 40 * 24), st.sampled_from(["UTC", "Asia/Kathmandu"])), min_size=1),
    booked=st.integers(0, 40 * 24),
    created=st.integers(0, 40 * 24),
    earlier=st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(0, 40 * 24)), max_size=5),
)
def test_the_memory_never_changes_the_answer(opened, booked, created, earlier):
    openings = tuple(Opening(at * HOUR, zone) for at, zone in sorted(opened))
    fresh = a_configuration(a_policy(openings=openings), a_policy(policy_id="q", period="hourly", openings=openings))
    used = a_configuration(a_policy(openings=openings), a_policy(policy_id="q", period="hourly", openings=openings))
    for booked_at, created_at in earlier:
        used.posting_set(a_scope(), booked_at * HOUR, created_at * HOUR)
    wanted = fresh.posting_set(a_scope(), booked * HOUR, created * HOUR)
    assert used.posting_set(a_scope(), booked * HOUR, created * HOUR) == wanted


def test_a_posting_sets_number_names_its_content():
    one, two = a_configuration(a_policy()), a_configuration(a_policy(version=2))
    assert one.posting_set(a_scope(), 0, 0).set_id == a_configuration(a_policy()).posting_set(a_scope(), 0, 0).set_id
    assert one.posting_set(a_scope(), 0, 0).set_id != two.posting_set(a_scope(), 0, 0).set_id


def test_a_models_own_price_comes_before_the_catalogues_name_and_its_providers():
    prices = {
        ("acme", "m"): [a_price()],
        ("acme", "m-base"): [a_price("m-base")],
        ("acme", "*"): [a_price("*")],
    }
    configuration = a_configuration(prices=prices, alias=lambda _, model: ("acme", "m-base") if model != "x" else None)
    assert configuration.price("acme", "M", 5) is prices["acme", "m"][0]
    assert configuration.price("acme", "m-2026", 5) is prices["acme", "m-base"][0]
    assert configuration.price("acme", "x", 5) is prices["acme", "*"][0]
    assert configuration.price("other", "x", 5) is None
    assert configuration.price(None, None, 5) is None


@given(at=st.integers(0, 100), asked=st.lists(st.integers(0, 100), max_size=6))
def test_the_price_of_an_instant_does_not_depend_on_what_was_asked_before(at, asked):
    prices = {("acme", "m"): [a_price(effective_at=10, end_at=40), a_price(effective_at=30), a_price(effective_at=70)]}
    used = a_configuration(prices=prices)
    for earlier in asked:
        used.price("acme", "m", earlier)
    assert used.price("acme", "m", at) == a_configuration(prices=prices).price("acme", "m", at)


def test_an_unknown_budget_is_not_found():
    with pytest.raises(NotFound):
        a_configuration().budget_of("nobody", None, "rhetor")


def test_holding_unpriced_models_needs_both_worst_prices():
    with pytest.raises(Invalid):
        a_configuration(rules=Rules(unpriced="hold"))
