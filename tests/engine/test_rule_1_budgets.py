"""Rules 1: which budget a usage belongs to, and the default budget."""

import pytest

from budget.domain import commands
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, NotFound
from tests.engine.conftest import a_usage, an_allocation


async def test_rule_1_1_a_usage_belongs_to_the_budget_it_names(book):
    budget = await book.budget()
    assert (await book.record(budget_id=budget.budget_id)).budget_id == budget.budget_id


async def test_rule_1_1_else_to_its_allocations(book):
    budget = await book.budget()
    hold = await book.hold(budget_id=budget.budget_id)
    assert (await book.record(allocation_id=hold.allocation_id)).budget_id == budget.budget_id


async def test_rule_1_1_else_to_its_keys_only_budget(book):
    budget = await book.budget()
    caller = Caller(key_id="k", budgets=frozenset((budget.budget_id,)))
    assert (await book.do(a_usage(), caller=caller)).budget_id == budget.budget_id


async def test_rule_1_1_else_to_the_budget_that_names_its_component(book):
    budget = await book.budget(components=("rhetor",))
    assert (await book.record()).budget_id == budget.budget_id


async def test_rule_1_1_else_to_the_default_budget(book):
    assert (await book.record()).budget_id == book.ledger.configuration().default_budget.budget_id


async def test_rule_1_1_an_unknown_budget_is_not_found(book):
    assert isinstance(await book.error(a_usage(budget_id="nobody")), NotFound)
    assert isinstance(await book.error(an_allocation(budget_id="nobody")), NotFound)


async def test_rule_1_1_an_inactive_budget_takes_usage_but_no_hold(book):
    budget = await book.budget()
    await book.do(commands.UpdateBudget(budget_id=budget.budget_id, is_active=False))
    assert (await book.record(budget_id=budget.budget_id)).budget_id == budget.budget_id
    assert isinstance(await book.error(an_allocation(budget_id=budget.budget_id)), Conflict)


async def test_rule_1_2_the_first_start_makes_the_default_budget_with_19_policies(book):
    configuration = book.ledger.configuration()
    assert configuration.default_budget.name == "Default Budget"
    assert len(configuration.policies) == 19


async def test_rule_1_2_the_default_budget_cannot_be_deactivated(book):
    default = book.ledger.configuration().default_budget.budget_id
    error = await book.error(commands.UpdateBudget(budget_id=default, is_active=False))
    assert isinstance(error, Conflict)


async def test_rule_1_2_exactly_one_budget_is_default(book):
    budget = await book.budget()
    await book.do(commands.UpdateBudget(budget_id=budget.budget_id, is_default=True))
    await book.record()
    defaults = [b.budget_id for b in book.ledger.configuration().budgets.values() if b.is_default]
    assert defaults == [budget.budget_id]


@pytest.mark.parametrize(("wanted", "count"), [(True, 19), (False, 0)])
async def test_rule_1_3_a_new_budget_has_tektons_policies_unless_it_says_otherwise(book, wanted, count):
    budget = await book.budget(default_policies=wanted)
    await book.record()
    policies = [p for p in book.ledger.configuration().policies.values() if p.budget_id == budget.budget_id]
    assert len(policies) == count
    assert {p.type for p in policies if p.period == "per_session"} <= {"ignore"}
