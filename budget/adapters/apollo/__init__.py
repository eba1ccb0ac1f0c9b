"""Apollo's token budgets, on Budget: `from budget.adapters.apollo import TokenBudgetManager` is the whole move."""

from budget.adapters.apollo.allocations import BudgetAllocation
from budget.adapters.apollo.manager import TokenBudgetManager
from budget.adapters.apollo.policies import BudgetPolicy
from budget.adapters.apollo.summaries import BudgetSummary
from budget.adapters.apollo.words import Period, PolicyType, TaskPriority, Tier

__all__ = [
    "BudgetAllocation",
    "BudgetPolicy",
    "BudgetSummary",
    "Period",
    "PolicyType",
    "TaskPriority",
    "Tier",
    "TokenBudgetManager",
]
