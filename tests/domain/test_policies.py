from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain import policies
from budget.domain.policies import Opening, Policy, Scope


def a_policy(**fields) -> Policy:
    values = {
        "policy_id": "p",
        "budget_id": "b",
        "type": "hard_limit",
        "period": "daily",
        "token_limit": 1000,
        "openings": (Opening(0, "UTC"),),
        "created_at": 0,
        "updated_at": 0,
        **fields,
    }
    return Policy(**values)


def a_scope(**fields) -> Scope:
    values = {
        "budget_id": "b",
        "tier": "remote_heavyweight",
        "provider": "acme",
        "model": "m",
        "component": "rhetor",
        "task_type": "default",
        "user_id": None,
        "key_id": None,
        **fields,
    }
    return Scope(**values)


def test_an_open_field_matches_everything():
    assert a_policy().matches(a_scope(user_id="ada"))


@pytest.mark.parametrize("field", policies.SCOPE_FIELDS)
def test_a_given_field_must_equal(field):
    policy = a_policy(**{field: "x"})
    assert policy.matches(a_scope(**{field: "x"}))
    assert not policy.matches(a_scope(**{field: "y"}))


def test_a_global_policy_matches_every_budget():
    assert a_policy(budget_id=None).matches(a_scope(budget_id="other"))
    assert not a_policy().matches(a_scope(budget_id="other"))


def test_only_a_hard_limit_that_is_enabled_refuses():
    assert a_policy().hard_tokens == 1000
    assert a_policy(enabled=False).hard_tokens == policies.UNLIMITED
    assert a_policy(type="warn").hard_tokens == policies.UNLIMITED
    assert a_policy(token_limit=None, cost_limit=Decimal(1)).hard_tokens == policies.UNLIMITED


def test_a_cost_limit_is_compared_as_whole_nanocents():
    assert a_policy(cost_limit=Decimal("0.000000000019")).hard_cost == 1


def test_levels_at_or_above_one_say_exceeded():
    levels = a_policy(thresholds=(Decimal(2),)).token_thresholds
    assert [(level.amount, level.severity, level.exceeded) for level in levels] == [
        (800, "warning", False),
        (950, "error", False),
        (1000, "error", True),
        (2000, "error", True),
    ]


def test_ignore_has_no_levels():
    assert a_policy(type="ignore").token_thresholds == ()


amounts = st.integers(0, 10**6)


@given(before=amounts, growth=amounts, limit=st.integers(0, 10**6))
def test_every_level_is_crossed_by_exactly_one_step(before, growth, limit):
    levels = a_policy(token_limit=limit).token_thresholds
    middle = before + growth // 2
    once = list(policies.crossed(levels, before, before + growth))
    twice = [*policies.crossed(levels, before, middle), *policies.crossed(levels, middle, before + growth)]
    assert once == twice
    assert all(before < level.amount <= before + growth for level in once)


@given(amount=amounts)
def test_the_next_level_is_the_first_not_reached(amount):
    levels = a_policy().token_thresholds
    reached = list(policies.crossed(levels, 0, amount))
    expected = levels[len(reached)].amount if len(reached) < len(levels) else policies.UNLIMITED
    assert policies.next_level(levels, amount) == expected


def test_the_same_identity_prefers_the_oldest_that_is_enabled():
    old = a_policy(policy_id="old", created_at=1, enabled=False)
    new = a_policy(policy_id="new", created_at=2)
    assert policies.same_identity([new, old], a_policy()) is new
    assert policies.same_identity([old], a_policy()) is old
    assert policies.same_identity([old], a_policy(period="weekly")) is None


def test_tekton_gave_every_budget_nineteen_policies():
    made = list(policies.default_policies())
    assert len(made) == 19
    assert sum("cost_limit" in fields for fields in made) == 4


def test_what_a_session_contains_is_summed_over_the_scopes_that_match() -> None:
    contents = [
        (a_scope(model="m"), (1, 2, 3, 4)),
        (a_scope(model="m"), (10, 20, 30, 40)),
        (a_scope(model="n"), (5,) * 4),
    ]
    assert policies.matching_sum(contents, a_policy(model="m")) == (11, 22, 33, 44)
