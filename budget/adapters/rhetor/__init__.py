"""Rhetor's budget manager, on Budget: `from budget.adapters.rhetor import BudgetManager` is the whole move."""

from budget.adapters.rhetor.manager import BudgetManager
from budget.adapters.rhetor.words import BudgetPeriod, BudgetPolicy

__all__ = ["BudgetManager", "BudgetPeriod", "BudgetPolicy"]
