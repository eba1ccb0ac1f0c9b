"""What Rhetor's code said a token costs, in dollars: it explains old costs, and is nobody's current price."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from budget.domain import money
from budget.domain.pricing import Price

SOURCE: Final = "rhetor"
_RANK: Final = 10
"""Below every other source."""


class Rates(NamedTuple):
    """A model's two prices: as Rhetor multiplied with them, and in whole nanocents."""

    input: float
    output: float
    input_nanocents: int
    output_nanocents: int


_DOLLARS: Final = {
    ("anthropic", "claude-3-opus-20240229"): ("0.000015", "0.000075"),
    ("anthropic", "claude-3-sonnet-20240229"): ("0.000003", "0.000015"),
    ("anthropic", "claude-3-haiku-20240307"): ("0.00000025", "0.00000125"),
    ("anthropic", "claude-3-5-sonnet-20240620"): ("0.000003", "0.000013"),
    ("openai", "gpt-4"): ("0.00003", "0.00006"),
    ("openai", "gpt-4-turbo"): ("0.00001", "0.00003"),
    ("openai", "gpt-4o"): ("0.00001", "0.00003"),
    ("openai", "gpt-3.5-turbo"): ("0.0000005", "0.0000015"),
    ("ollama", "llama3"): ("0", "0"),
    ("simulated", "simulated-standard"): ("0", "0"),
}

RATES: Final = {
    model: Rates(float(given), float(made), money.to_nanocents(Decimal(given)), money.to_nanocents(Decimal(made)))
    for model, (given, made) in _DOLLARS.items()
}


def split(model: Rates, input_tokens: int, output_tokens: int, cost: float, nanocents: int) -> tuple[int, int]:
    """The cost of input and of output, where Rhetor's arithmetic gives just what it stored; else not known."""
    given, made = input_tokens * model.input_nanocents, output_tokens * model.output_nanocents
    if input_tokens * model.input + output_tokens * model.output == cost and given + made == nanocents:
        return given, made
    return 0, 0


def prices(until: int) -> Iterator[Price]:
    """The table as dated prices that end."""
    for (provider, model), (given, made) in _DOLLARS.items():
        yield Price(
            price_id=f"{SOURCE}:{provider}:{model}",
            provider=provider,
            model=model,
            rates={"input": Decimal(given), "output": Decimal(made)},
            end_at=until,
            rank=_RANK,
            source=SOURCE,
            version="2025",
            metadata={"imported": {"origin": SOURCE}},
        )
