"""Which tier a model belongs to, what it can do, what can stand in for it: an editable table (rule 2.7)."""

from collections.abc import Callable, Mapping

import msgspec

ANY = "*"
COMPONENT = "@component"
"""The provider under which a component's own tier is kept, its name in the place of the model."""

FALLBACK_TIER = "remote_heavyweight"

Alias = Callable[[str, str], tuple[str, str] | None]
"""The catalogue's own provider and model for what a caller wrote, or None."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; `provider` ANY fits a model of that name anywhere, `model` ANY a whole provider."""

    provider: str
    model: str
    tier: str | None = None
    capabilities: tuple[str, ...] = ()
    equivalents: tuple[tuple[str, str], ...] = ()


def tier_of(
    table: Mapping[tuple[str, str], Model],
    alias: Alias,
    *,
    component: str,
    provider: str | None,
    model: str | None,
    asked: str | None,
) -> str:
    """The tier of a request: by model (exact, then the catalogue's name), component, provider, else heavyweight.

    The request's own `asked` tier counts only when it names neither model nor provider.
    """
    if provider is None and model is None and asked is not None:
        return asked
    keys: list[tuple[str, str]] = []
    if model is not None:
        name = model.lower()
        keys += [(provider or ANY, name), (ANY, name)]
        if canonical := alias(provider or "", model):
            keys += [canonical, (ANY, canonical[1].lower())]
    keys += [(COMPONENT, component), (provider or "", ANY)]
    for key in keys:
        row = table.get(key)
        if row is not None and row.tier is not None:
            return row.tier
    return FALLBACK_TIER


_LIGHT = ("codellama", "deepseek-coder", "starcoder", "phi-2", "gemma-2b")
_MID = ("claude-haiku", "claude-3-haiku", "llama-3", "mistral", "qwen", "gemma-7b")
_HEAVY = ("gpt-4", "gpt-4o", "claude-3-opus", "claude-3-sonnet", "claude-3.5-sonnet", "claude-3.7-sonnet")


def default_models() -> tuple[Model, ...]:
    """Tekton's table (wire contract, section 10) for a new database."""
    by_tier = (("local_lightweight", _LIGHT), ("local_midweight", _MID), ("remote_heavyweight", _HEAVY))
    providers = {
        "openai": "remote_heavyweight",
        "anthropic": "remote_heavyweight",
        "ollama": "local_midweight",
        "local": "local_lightweight",
    }
    models = [Model(provider=ANY, model=name, tier=tier) for tier, names in by_tier for name in names]
    return (*models, *(Model(provider=name, model=ANY, tier=tier) for name, tier in providers.items()))
