"""Tokens and money of one call, worked out naively: exact fractions, rounded once."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from budget.domain import commands

NANOCENTS = 10**11
"""In a dollar."""

_COSTS_AS = {"cache_read": "input", "cache_write": "input", "reasoning": "output"}


class Price(NamedTuple):
    """Nanocents per token and per request, from an instant on; of two from the same instant the later counts."""

    effective_at: int
    number: int
    end_at: int | None
    rates: Mapping[str, Fraction]
    request: Fraction

    def rate(self, part: str) -> Fraction:
        """What a token of a part costs: its own rate, or that of the part it costs as much as."""
        if part == "other":
            return max(self.rates["input"], self.rates["output"])
        return self.rates[part] if part in self.rates else self.rates[_COSTS_AS[part]]

    def hold(self, tokens: int, given: int, made: int) -> int:
        """What so many tokens may cost: the stated ones at their rates, all others at the dearest (rule 4.5)."""
        output = max(self.rates["output"], self.rate("reasoning"))
        dearest = max(self.rates.values())
        return round(given * self.rates["input"] + made * output + (tokens - given - made) * dearest + self.request)


class Counts(NamedTuple):
    """What a call used: all input and all output, what of these was special, and what only a total told of."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    other: int = 0

    @property
    def tokens(self) -> int:
        """Every token, once."""
        return self.input + self.output + self.other

    @property
    def parts(self) -> dict[str, int]:
        """The disjoint parts that are not empty."""
        parts = {
            "input": self.input - self.cache_read - self.cache_write,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
            "output": self.output - self.reasoning,
            "reasoning": self.reasoning,
            "other": self.other,
        }
        return {part: count for part, count in parts.items() if count}

    @property
    def possible(self) -> bool:
        """Whether its parts fit into its totals."""
        return self.cache_read + self.cache_write <= self.input and self.reasoning <= self.output

    def cost(self, price: Price | None) -> int:
        """Exactly summed, rounded once, half to even (rule 8.1); without a price nothing."""
        if price is None:
            return 0
        return round(sum(count * price.rate(part) for part, count in self.parts.items()) + price.request)


def nanocents(dollars: Any) -> int:
    """An amount of dollars, rounded once."""
    return round(Fraction(dollars) * NANOCENTS)


def counts_of(command: commands.RecordUsage) -> Counts:
    """What a usage says it used, in its own fields or in a provider's object."""
    if command.usage is not None:
        return _READERS[command.usage_format or ""](command.usage)
    return Counts(
        command.input_tokens or 0,
        command.output_tokens or 0,
        command.cache_read_tokens,
        command.cache_write_tokens,
        command.reasoning_tokens,
    )


def corrected(command: commands.Correct, old: Counts) -> Counts:
    """What is not given stays; a provider's object says everything anew (rule 9)."""
    if command.usage is not None:
        return counts_of(command)
    return Counts(
        old.input if command.input_tokens is None else command.input_tokens,
        old.output if command.output_tokens is None else command.output_tokens,
        command.cache_read_tokens or old.cache_read,
        command.cache_write_tokens or old.cache_write,
        command.reasoning_tokens or old.reasoning,
        old.other,
    )


# Providers' objects, each in two directions: as a provider would report some counts, and what they were.


def as_openai(counts: Counts) -> dict[str, Any]:
    """Chat Completions: totals contain everything; the stated total may hold more than the two."""
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cache_read},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def _from_openai(usage: dict[str, Any]) -> Counts:
    given, made = usage["prompt_tokens"], usage["completion_tokens"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    return Counts(given, made, cached, 0, thought, usage["total_tokens"] - given - made)


def as_anthropic(counts: Counts) -> dict[str, Any]:
    """Messages: the input is what did not go through the cache."""
    return {
        "input_tokens": counts.input - counts.cache_read - counts.cache_write,
        "cache_read_input_tokens": counts.cache_read,
        "cache_creation_input_tokens": counts.cache_write,
        "output_tokens": counts.output,
    }


def _from_anthropic(usage: dict[str, Any]) -> Counts:
    read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
    return Counts(usage["input_tokens"] + read + written, usage["output_tokens"], read, written)


def as_google(counts: Counts) -> dict[str, Any]:
    """Gemini: the candidates leave out what was thought."""
    return {
        "promptTokenCount": counts.input,
        "cachedContentTokenCount": counts.cache_read,
        "candidatesTokenCount": counts.output - counts.reasoning,
        "thoughtsTokenCount": counts.reasoning,
        "totalTokenCount": counts.input + counts.output,
    }


def _from_google(usage: dict[str, Any]) -> Counts:
    thought = usage["thoughtsTokenCount"]
    made = usage["candidatesTokenCount"] + thought
    return Counts(usage["promptTokenCount"], made, usage["cachedContentTokenCount"], 0, thought)


WRITERS = {"openai_chat": as_openai, "anthropic": as_anthropic, "google": as_google}
_READERS = {"openai_chat": _from_openai, "anthropic": _from_anthropic, "google": _from_google}
