"""Models at home: Ollama's own counters, and Rhetor, which counts words and calls them tokens.

Sources: Ollama API documentation (generate, chat); observed replies of Rhetor.
"""

from budget.domain.usage import Counts
from budget.domain.usage_formats.reading import Reader
from budget.domain.usage_formats.translated import Translated, assemble


def translate_ollama(reader: Reader) -> Translated:
    """Translate a final Ollama response or the counters cut out of it; its other numbers are durations."""
    counts = Counts(
        input_tokens=reader.count("prompt_eval_count"),
        output_tokens=reader.count("eval_count"),
    )
    reader.ignore_rest()
    return assemble(reader, counts)


def translate_rhetor(reader: Reader) -> Translated:
    """Translate Rhetor's usage; being word counts, it is an estimate."""
    counts = Counts(
        input_tokens=reader.count("prompt_tokens"),
        output_tokens=reader.count("completion_tokens"),
    )
    return assemble(reader, counts, total=reader.count("total_tokens"), estimated=True)
