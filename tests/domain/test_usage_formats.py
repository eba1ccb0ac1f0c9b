"""Providers' usage objects, as their references show them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.domain.usage import INPUT_PARTS, OUTPUT_PARTS, UsageError, token_total
from budget.domain.usage_formats import FORMATS, format_for, translate, translated_parts

Json = dict[str, Any]

CHAT: Json = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 192,
        "audio_tokens": 8,
        "accepted_prediction_tokens": 10,
        "rejected_prediction_tokens": 4,
    },
}
RESPONSES: Json = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 128},
    "output_tokens": 552,
    "output_tokens_details": {"reasoning_tokens": 320},
    "total_tokens": 880,
}
REALTIME: Json = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
ANTHROPIC: Json = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 556,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 503,
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3},
    "service_tier": "standard",
}
GOOGLE: Json = {
    "promptTokenCount": 1500,
    "cachedContentTokenCount": 1000,
    "candidatesTokenCount": 200,
    "toolUsePromptTokenCount": 40,
    "thoughtsTokenCount": 300,
    "totalTokenCount": 2040,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 900},
        {"modality": "AUDIO", "tokenCount": 400},
        {"modality": "VIDEO", "tokenCount": 150},
        {"modality": "DOCUMENT", "tokenCount": 50},
    ],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 700}, {"modality": "AUDIO", "tokenCount": 300}],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 180}, {"modality": "AUDIO", "tokenCount": 20}],
    "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
    "trafficType": "ON_DEMAND",
}
BEDROCK: Json = {
    "inputTokens": 125,
    "outputTokens": 60,
    "totalTokens": 785,
    "cacheReadInputTokens": 400,
    "cacheWriteInputTokens": 200,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 150}, {"ttl": "1h", "inputTokens": 50}],
}
OPENROUTER: Json = {
    "prompt_tokens": 194,
    "completion_tokens": 20,
    "total_tokens": 214,
    "cost": 0.00095,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0.00095, "upstream_inference_prompt_cost": 0.0005},
    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50, "audio_tokens": 0, "video_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5, "image_tokens": 0},
}
DEEPSEEK: Json = {
    "prompt_tokens": 1000,
    "completion_tokens": 250,
    "total_tokens": 1250,
    "prompt_cache_hit_tokens": 640,
    "prompt_cache_miss_tokens": 360,
    "completion_tokens_details": {"reasoning_tokens": 200},
}
OLLAMA: Json = {
    "model": "llama3.2",
    "done": True,
    "context": [1, 2, 3],
    "total_duration": 4883583458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}
RHETOR: Json = {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42}

WHOLE_OBJECTS = [
    ("openai_chat", CHAT, {"input": 86, "cache_read": 1920, "output": 100, "reasoning": 192, "output_audio": 8}),
    ("openai_responses", RESPONSES, {"input": 200, "cache_read": 128, "output": 232, "reasoning": 320}),
    (
        "openai_responses",
        REALTIME,
        {"input": 59, "cache_read": 64, "input_audio": 9, "output": 30, "output_audio": 91},
    ),
    (
        "anthropic",
        ANTHROPIC,
        {
            "input": 50,
            "cache_read": 1000,
            "cache_write": 456,
            "cache_write_1h": 100,
            "output": 503,
            "web_searches": 2,
        },
    ),
    (
        "google",
        GOOGLE,
        {
            "input": 290,
            "cache_read": 1000,
            "input_audio": 100,
            "input_video": 150,
            "output": 180,
            "reasoning": 300,
            "output_audio": 20,
        },
    ),
    ("bedrock", BEDROCK, {"input": 125, "cache_read": 400, "cache_write": 150, "cache_write_1h": 50, "output": 60}),
    (
        "openrouter",
        OPENROUTER,
        {"input": 40, "cache_read": 100, "cache_write": 50, "input_video": 4, "output": 15, "reasoning": 5},
    ),
    ("deepseek", DEEPSEEK, {"input": 360, "cache_read": 640, "output": 50, "reasoning": 200}),
    ("ollama", OLLAMA, {"input": 26, "output": 282}),
    ("rhetor", RHETOR, {"input": 12, "output": 30}),
]


@pytest.mark.parametrize(("usage_format", "usage", "parts"), WHOLE_OBJECTS)
def test_P7_each_format_splits_into_its_disjoint_parts(usage_format: str, usage: Json, parts: Json) -> None:
    assert translated_parts(translate(usage, usage_format)) == {**parts, "requests": 1}


@pytest.mark.parametrize(("usage_format", "usage", "parts"), WHOLE_OBJECTS)
def test_P7_parts_add_up_to_the_totals_of_the_provider(usage_format: str, usage: Json, parts: Json) -> None:
    translated = translate(usage, usage_format)
    assert sum(parts.get(part, 0) for part in INPUT_PARTS) == translated.counts.input_tokens
    assert sum(parts.get(part, 0) for part in OUTPUT_PARTS) == translated.counts.output_tokens
    assert not translated.total_differs


@pytest.mark.parametrize(("usage_format", "usage", "parts"), WHOLE_OBJECTS)
def test_documented_objects_hold_nothing_unknown(usage_format: str, usage: Json, parts: Json) -> None:
    assert parts
    assert translate(usage, usage_format).unknown == {}


def test_every_format_is_covered_here() -> None:
    assert {usage_format for usage_format, _, _ in WHOLE_OBJECTS} == set(FORMATS)


def test_embeddings_have_input_alone() -> None:
    translated = translate({"prompt_tokens": 8, "total_tokens": 8}, "openai_chat")
    assert (translated.counts.output_tokens, translated.other_tokens) == (None, 0)
    assert not translated.total_differs


def test_P7_audio_is_not_counted_beside_the_cache_that_holds_it() -> None:
    usage = {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 80, "audio_tokens": 60}}
    assert translated_parts(translate(usage, "openai_chat")) == {"cache_read": 80, "input_audio": 20, "requests": 1}


def test_media_beyond_the_whole_input_are_refused() -> None:
    usage = {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 101}}
    with pytest.raises(UsageError, match="contradicts itself"):
        translate(usage, "openai_chat")


def test_P7_reasoning_that_xai_leaves_out_of_the_completion_is_added() -> None:
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
        "num_sources_used": 0,
        "cost_in_usd_ticks": 37756000,
    }
    translated = translate(usage, "openai_chat")
    assert translated_parts(translated) == {"input": 32, "output": 9, "reasoning": 94, "requests": 1}
    assert (translated.reported_cost, translated.total_differs) == (Decimal("0.0037756"), False)


def test_perplexity_counts_searches_and_states_its_cost() -> None:
    usage = {
        "prompt_tokens": 33,
        "completion_tokens": 7163,
        "total_tokens": 7196,
        "citation_tokens": 20016,
        "num_search_queries": 40,
        "reasoning_tokens": 193954,
        "search_context_size": "low",
        "cost": {"input_tokens_cost": 0.00007, "total_cost": 0.8795},
    }
    translated = translate(usage, "openai_chat")
    assert translated_parts(translated)["web_searches"] == 40
    assert translated_parts(translated)["reasoning"] == 193954
    assert translated.unknown == {"citation_tokens": 20016}
    assert (translated.reported_cost, translated.total_differs) == (Decimal("0.8795"), True)


def test_mistral_reads_documents_by_the_page() -> None:
    translated = translate({"pages_processed": 29, "doc_size_bytes": 3002783}, "openai_chat")
    assert (translated_parts(translated), translated.unknown) == ({"pages": 29, "requests": 1}, {})


def test_transcription_is_priced_by_the_second() -> None:
    assert translated_parts(translate({"type": "duration", "seconds": 8.4704}, "openai_responses")) == {
        "milliseconds": 8470,
        "requests": 1,
    }


def test_xai_searches_are_counted_and_its_other_tools_are_kept_raw() -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 5,
        "num_server_side_tools_used": 3,
        "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 1},
    }
    translated = translate(usage, "openai_responses")
    assert translated.counts.web_searches == 2
    assert translated.unknown == {"server_side_tool_usage_details.x_search_calls": 1}


def test_images_made_by_a_chat_model_are_output_and_named_as_unknown() -> None:
    usage = {"input_tokens": 5, "output_tokens": 1060, "output_tokens_details": {"image_tokens": 1056}}
    translated = translate(usage, "openai_responses")
    assert translated.unknown == {"output_tokens_details.image_tokens": 1056}
    assert translated_parts(translated)["output"] == 1060


def test_images_made_by_gemini_are_output_and_named_as_unknown() -> None:
    details = [{"modality": "IMAGE", "tokenCount": 1290}]
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 1290, "candidatesTokensDetails": details}
    assert translate(usage, "google").unknown == {"candidatesTokensDetails.IMAGE": 1290}


def test_gemini_may_come_in_snake_case_and_in_its_envelope() -> None:
    usage = {"usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 3, "total_token_count": 10}}
    assert translated_parts(translate(usage, "google")) == {"input": 7, "output": 3, "requests": 1}


def test_claude_without_a_breakdown_writes_to_the_usual_cache() -> None:
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 7, "output_tokens": 1}
    assert translated_parts(translate(usage, "anthropic"))["cache_write"] == 7


def test_claude_may_state_the_breakdown_alone() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 7}}
    assert translated_parts(translate(usage, "anthropic"))["cache_write_1h"] == 7


def test_claude_thinking_is_part_of_its_output() -> None:
    usage = {"input_tokens": 3, "output_tokens": 10, "output_tokens_details": {"thinking_tokens": 4}}
    parts = translated_parts(translate(usage, "anthropic"))
    assert (parts["output"], parts["reasoning"]) == (6, 4)


@pytest.mark.parametrize(("kind", "is_unknown"), [("message", False), ("compaction", True)])
def test_turns_that_claude_bills_on_top_are_kept_raw(kind: str, is_unknown: bool) -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "iterations": [{"type": kind, "input_tokens": 9}]}
    assert ("iterations" in translate(usage, "anthropic").unknown) == is_unknown


def test_tools_that_nobody_has_a_price_for_are_kept_raw() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "server_tool_use": {"code_execution_requests": 5}}
    assert translate(usage, "anthropic").unknown == {"server_tool_use.code_execution_requests": 5}


@pytest.mark.parametrize(
    ("usage_format", "usage"),
    [
        ("anthropic", {"cache_creation_input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 2}}),
        ("bedrock", {"cacheWriteInputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 2}]}),
    ],
)
def test_an_hour_in_the_cache_is_part_of_what_was_written(usage_format: str, usage: Json) -> None:
    with pytest.raises(UsageError, match="exceeds"):
        translate(usage, usage_format)


def test_openrouter_reports_its_cost_exactly() -> None:
    assert translate(OPENROUTER, "openrouter").reported_cost == Decimal("0.00095")


def test_with_ones_own_key_the_cost_is_the_fee_and_the_bill_of_the_provider() -> None:
    usage = {**OPENROUTER, "is_byok": True, "cost": 0.00005, "cost_details": {"upstream_inference_cost": 0.001}}
    assert translate(usage, "openrouter").reported_cost == Decimal("0.00105")


def test_with_ones_own_key_the_fee_alone_is_not_the_cost() -> None:
    translated = translate({**OPENROUTER, "is_byok": True, "cost_details": None}, "openrouter")
    assert translated.reported_cost is None
    assert translated.unknown == {"cost": Decimal("0.00095")}


def test_openrouter_speaks_responses_too() -> None:
    translated = translate({**RESPONSES, "cost": 0.01}, "openrouter")
    assert (translated.counts.cache_read_tokens, translated.reported_cost) == (128, Decimal("0.01"))


def test_deepseek_without_a_prompt_total_adds_hits_and_misses() -> None:
    usage = {"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4, "completion_tokens": 1}
    assert translated_parts(translate(usage, "deepseek")) == {"input": 4, "cache_read": 6, "output": 1, "requests": 1}


def test_rhetor_counts_words_so_it_is_an_estimate() -> None:
    assert translate(RHETOR, "rhetor").estimated
    assert not translate(CHAT, "openai_chat").estimated


def test_P7_a_larger_total_wins_and_the_rest_is_other() -> None:
    translated = translate({"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 17}, "openai_chat")
    assert (translated.other_tokens, translated.total_differs) == (7, True)
    assert token_total(translated_parts(translated)) == 17


def test_a_smaller_total_is_only_flagged() -> None:
    translated = translate({"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 9}, "openai_chat")
    assert (translated.other_tokens, translated.total_differs) == (0, True)


def test_a_total_without_a_split_is_other() -> None:
    translated = translate({"total_tokens": 9}, "openai_chat")
    assert translated.counts.input_tokens is None
    assert (translated_parts(translated), translated.total_differs) == ({"other": 9, "requests": 1}, False)


def test_null_is_absent() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None, "total_tokens": None}
    assert translated_parts(translate(usage, "openai_chat")) == {"input": 5, "output": 1, "requests": 1}


@pytest.mark.parametrize("value", [True, 1.0, -1, "5", [], {}, 2**53 + 1])
def test_what_is_not_a_count_is_refused_by_its_path(value: object) -> None:
    with pytest.raises(UsageError) as refused:
        translate({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": value}}, "openai_chat")
    assert refused.value.field == "usage.prompt_tokens_details.cached_tokens"


def test_an_entry_of_a_list_is_named_by_its_index() -> None:
    details = [{"modality": "TEXT", "tokenCount": 1}, {"modality": "AUDIO", "tokenCount": "x"}]
    with pytest.raises(UsageError) as refused:
        translate({"promptTokenCount": 9, "promptTokensDetails": details}, "google")
    assert refused.value.field == "usage.promptTokensDetails[1].tokenCount"


@pytest.mark.parametrize(
    "value", [True, -1, "NaN", "dear", [], float("inf"), 10**12, pytest.param(10**5000, id="huge")]
)
def test_what_is_not_a_cost_is_refused(value: object) -> None:
    with pytest.raises(UsageError) as refused:
        translate({**OPENROUTER, "cost": value}, "openrouter")
    assert refused.value.field == "usage.cost"


@pytest.mark.parametrize(
    ("usage", "usage_format"),
    [({}, "openai_chat"), (ANTHROPIC, "bedrock"), (CHAT, "nonsense"), ({"promptTokensDetails": 5}, "google")],
)
def test_an_object_of_another_kind_is_refused(usage: Json, usage_format: str) -> None:
    with pytest.raises(UsageError):
        translate(usage, usage_format)


NAMES = sorted(
    {name for _, usage, _ in WHOLE_OBJECTS for name in usage}
    | {name for _, usage, _ in WHOLE_OBJECTS for part in usage.values() if isinstance(part, dict) for name in part}
    | {"usageMetadata", "seconds", "iterations", "cached_tokens_details", "modality", "tokenCount", "ttl"}
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(min_value=-5, max_value=99), st.integers(), st.floats(), st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text()), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text()), JSON, max_size=8), st.sampled_from(FORMATS))
def test_any_object_is_translated_or_refused(usage: Json, usage_format: str) -> None:
    try:
        translated = translate(usage, usage_format)
    except UsageError:
        return
    assert min(translated_parts(translated).values()) > 0


def test_a_deep_object_is_no_trouble() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert translate({"prompt_tokens": 1, "completion_tokens": 1, "deep": deep}, "openai_chat").unknown


@pytest.mark.parametrize(
    ("provider", "usage", "usage_format"),
    [
        ("openai", CHAT, "openai_chat"),
        ("openai", RESPONSES, "openai_responses"),
        ("OpenAI", REALTIME, "openai_responses"),
        ("azure", CHAT, "openai_chat"),
        ("groq", CHAT, "openai_chat"),
        ("x-ai", RESPONSES, "openai_responses"),
        ("huggingface_together", CHAT, "openai_chat"),
        ("anthropic", ANTHROPIC, "anthropic"),
        ("anthropic", {"input_tokens": 1, "output_tokens": 1}, "anthropic"),
        ("anthropic", CHAT, "openai_chat"),
        ("aws", BEDROCK, "bedrock"),
        ("aws", ANTHROPIC, "anthropic"),
        ("google", GOOGLE, "google"),
        ("google", {"usageMetadata": GOOGLE}, "google"),
        ("google", {"input_tokens": 1, "output_tokens": 1}, "anthropic"),
        ("google", CHAT, "openai_chat"),
        ("openrouter", OPENROUTER, "openrouter"),
        ("deepseek", DEEPSEEK, "deepseek"),
        ("ollama", OLLAMA, "ollama"),
        ("ollama", CHAT, "openai_chat"),
        ("rhetor", RHETOR, "rhetor"),
        ("nobody", CHAT, None),
    ],
)
def test_provider_and_keys_tell_the_format(provider: str, usage: Json, usage_format: str | None) -> None:
    assert format_for(provider, usage) == usage_format


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(UsageError, match="must be an object"):
        translate([], "openai_chat")  # type: ignore[arg-type]  # bodies come from outside
