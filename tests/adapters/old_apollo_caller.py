"""A program as Apollo's callers were: only its import line is another one."""

import asyncio
import json
import sys

from budget.adapters.apollo import BudgetPolicy, TokenBudgetManager


async def main(data_dir=None):
    manager = TokenBudgetManager(data_dir=data_dir)
    await manager.start()
    exceeded = []
    manager.register_callback("on_budget_exceeded", lambda policy: exceeded.append(policy.limit))
    manager.add_policy(BudgetPolicy(type="hard_limit", period="daily", tier="remote_heavyweight", limit=5000))
    allocation = await manager.allocate_budget(context_id="telos:1", component="telos", task_type="chat", priority=5)
    if allocation is None:
        raise SystemExit("refused")
    used = manager.record_usage("telos:1", 4500, usage_type="total")
    refused = await manager.allocate_budget(context_id="telos:2", component="telos", task_type="coding")
    summary = manager.get_budget_summary(tier="remote_heavyweight", period="daily")[0]
    await manager.stop()
    print(json.dumps([allocation.tokens_allocated, used, allocation.is_active, refused, exceeded, summary.total_used]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
