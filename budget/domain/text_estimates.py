"""How many tokens a text may have, for Tekton's callers who send the text and not the counts (rule 4.5)."""

CHARACTERS_PER_TOKEN = 4
OUTPUT_PER_INPUT = 4
"""What a core check expects of the answer (wire contract, section 11)."""


def tokens_of(text: str) -> int:
    """About how many tokens a text has; none for an empty one.

    >>> tokens_of(""), tokens_of("Hi"), tokens_of("What is left?")
    (0, 1, 4)
    """
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def output_of(input_tokens: int) -> int:
    """About how many tokens the answer to so many may have."""
    return input_tokens * OUTPUT_PER_INPUT
