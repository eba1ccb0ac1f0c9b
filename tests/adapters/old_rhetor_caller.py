"""A program as Rhetor's callers were: only its import line is another one."""

import json
import sys

from budget.adapters.rhetor import BudgetManager


class Router:
    def __init__(self, db_path=None):
        self.budget_manager = BudgetManager(db_path) if db_path else BudgetManager()

    def answer(self, text, task_type, provider, model, component):
        provider, model, warnings = self.budget_manager.route_with_budget_awareness(
            input_text=text, task_type=task_type, default_provider=provider, default_model=model, component=component
        )
        done = self.budget_manager.record_completion(
            provider, model, text, f"{model} says yes", component=component, metadata={"context_id": "telos:1"}
        )
        return {"model": model, "warnings": warnings, "cost": done["total_cost"]}


def main():
    router = Router(*sys.argv[1:])
    opus = ("anthropic", "claude-3-opus-20240229")
    answers = [router.answer("Shall we?", "code", *opus, "telos")]
    router.budget_manager.set_budget_limit("daily", 0.0001, provider="all", enforcement="enforce")
    answers.append(router.answer("Shall we?", "code", *opus, "telos"))
    allowed, info = router.budget_manager.check_budget(*opus, "Shall we?", component="telos")
    if not allowed:
        answers.append(info["reason"])
    answers.append(len(router.budget_manager.get_usage(period="daily")))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
