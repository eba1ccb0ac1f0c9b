"""What callers of the combined service ask of the Apollo side: dicts with `success`, tiers by their short names."""

import datetime as dt
from typing import Any, Final

from budget.adapters.apollo import advice, allocations, policies, summaries, words
from budget.adapters.apollo.policies import BudgetPolicy
from budget.client.account import Account
from budget.client.errors import BudgetError

COMPONENT: Final = "apollo"
"""For calls that name none."""

_PLACE: Final = ("tier", "period", "component", "task_type")


class Enhanced:
    """These calls; a failure is an answer with `success: False` and what was wrong."""

    @property
    def account(self) -> Account:
        """The budget that they are about."""
        raise NotImplementedError

    def allocate_tokens(
        self,
        context_id: str,
        amount: int,
        tier: str = "heavyweight",
        model: str | None = None,
        provider: str | None = None,
        task_type: str = "generation",
        priority: int = words.TaskPriority.NORMAL,
    ) -> dict[str, Any]:
        """Hold tokens for a context, in the place of what it held; a model's own tier outranks the one given."""
        said = {"allocation_id": None, "context_id": context_id, "amount": 0, "remaining": 0, "tier": tier}
        try:
            made = allocations.allocate(
                self.account,
                expiration=None,
                metadata=None,
                context_id=context_id,
                component=COMPONENT,
                tier=words.tier(tier),
                model=model,
                provider=provider,
                task_type=task_type,
                priority=words.priority(priority),
                tokens_allocated=amount,
            )
        except (BudgetError, ValueError) as error:
            return {**said, "success": False, "error": str(error)}
        return {
            "allocation_id": made["allocation_id"],
            "context_id": context_id,
            "amount": made["tokens_allocated"],
            "remaining": made["remaining_tokens"],
            "tier": words.SHORT[made["tier"]],
            "success": True,
        }

    def release_allocation(self, allocation_id: str) -> dict[str, Any]:
        """Give back what an allocation still holds."""
        said: dict[str, Any] = {"allocation_id": allocation_id}
        try:
            self.account.ask("release_allocation", allocation_id=allocation_id, confirm_unused=True)
        except BudgetError as error:
            return {**said, "success": False, "error": str(error)}
        return {**said, "success": True}

    def record_token_usage(
        self,
        context_id: str,
        input_tokens: int,
        output_tokens: int,
        provider: str,
        model: str,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Book what a call really used: on its context's allocation, else by itself; never cut."""
        account = self.account
        said: dict[str, Any] = {"context_id": context_id, "recorded_tokens": 0, "remaining": 0}
        try:
            # By its context alone, so that a repeat after the allocation is used up is the same request.
            hold = allocations.newest(account, context_id)
            booked = account.call(
                "record_usage",
                context_id=context_id,
                component=COMPONENT if hold is None else hold["component"],
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                provider=provider,
                model=model,
                request_id=request_id,
            )
            left = allocations.active(account, context_id)
        except BudgetError as error:
            return {**said, "success": False, "error": str(error)}
        return {
            "context_id": context_id,
            "recorded_tokens": booked["total_tokens"],
            "remaining": left[0]["remaining_tokens"] if left else 0,
            "success": True,
        }

    def get_budget_status(self, period: str = "daily", tier: str | None = None) -> dict[str, Any]:
        """What every tier has used, or one of them."""
        try:
            wanted = None if tier is None else words.tier(tier)
            found = summaries.status(self.account, words.period(period), wanted)
        except (BudgetError, ValueError) as error:
            return {"period": period, "success": False, "tiers": {}, "error": str(error)}
        return {"period": period, "success": True, "tiers": found}

    def get_allocation_status(self, allocation_id: str) -> dict[str, Any]:
        """How an allocation stands."""
        try:
            shown = self.account.ask("get_allocation", allocation_id=allocation_id)
        except BudgetError as error:
            return {"allocation_id": allocation_id, "success": False, "error": str(error)}
        return {
            "allocation_id": allocation_id,
            "context_id": shown["context_id"],
            "allocated": shown["tokens_allocated"],
            "used": shown["tokens_used"],
            "remaining": shown["remaining_tokens"],
            "tier": words.SHORT[shown["tier"]],
            "is_active": shown["is_active"],
            "created_at": shown["creation_time"],
            "expires_at": shown["expiration_time"],
            "success": True,
        }

    def set_budget_limit(self, tier: str, period: str, limit: int, policy_type: str | None = None) -> dict[str, Any]:
        """Set a tier's limit: the one that is there keeps its type, a new one warns, unless a type is given."""
        said: dict[str, Any] = {"tier": tier, "period": period, "limit": limit}
        try:
            made = _limit(self.account, words.tier(tier), words.period(period), limit, policy_type)
        except (BudgetError, ValueError) as error:
            return {**said, "success": False, "error": str(error)}
        return {**said, "policy_id": made.policy_id, "success": True}

    def provide_model_guidance(
        self,
        context_id: str,
        task_type: str,
        task_description: str,  # noqa: ARG002 -- the callers' argument; nothing here reads prose
        provider_preferences: list[str] | None = None,
        max_cost: float | None = None,
        preferred_tier: str | None = None,
    ) -> dict[str, Any]:
        """Up to three models of a tier by their prices; a lighter tier where a limit is near."""
        wanted = None if preferred_tier is None else words.tier(preferred_tier)
        found = advice.guidance(self.account, task_type, provider_preferences, max_cost, wanted)
        return {"context_id": context_id, "task_type": task_type, **found}

    def get_token_usage_analytics(
        self,
        period: str = "daily",
        provider: str | None = None,
        model: str | None = None,
        component: str | None = None,
        task_type: str | None = None,
        start_date: dt.datetime | str | None = None,
        end_date: dt.datetime | str | None = None,
    ) -> dict[str, Any]:
        """Usage by provider and model, component and task type, with a series from ten records on."""
        found = self.account.call(
            "break_down_usage",
            period=words.period(period),
            provider=provider,
            model=model,
            component=component,
            task_type=task_type,
            start_date=words.instant(start_date),
            end_date=words.instant(end_date),
            include_overlap=True,  # Apollo's own records are what is asked for
        )
        shown: dict[str, Any] = advice.as_floats(found)
        return shown

    def get_completion_efficiency(
        self, provider: str, model: str, context_id: str | None = None, period: str = "daily"
    ) -> dict[str, Any]:
        """What a model gave for its tokens and its money."""
        return advice.efficiency(self.account, provider, model, context_id, words.period(period))


def _limit(account: Account, tier: str, period: str, limit: int, policy_type: str | None) -> BudgetPolicy:
    place = (tier, period, None, None)
    same = [
        policies.shown(account, policy)
        for policy in policies.every(account)
        if policy["enabled"] and tuple(policy[field] for field in _PLACE) == place
    ]
    if not same:
        return policies.add(account, BudgetPolicy(type=policy_type or "warn", period=period, tier=tier, limit=limit))
    known = next((policy for policy in same if policy.type == policy_type), same[0])
    changes = {"limit": limit, "type": policy_type or known.type}
    return policies.update(account, known.policy_id, changes) or known
