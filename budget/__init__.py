"""Budget: one place for LLM tokens and money."""

__version__ = "0.1.0"
