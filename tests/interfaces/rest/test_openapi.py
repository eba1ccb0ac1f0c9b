"""The OpenAPI document is whole and true: Schemathesis tries all of it, and no answer differs from what it says."""

import os
from collections.abc import Callable

import httpx
import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from budget import app as wiring
from budget import settings
from tests.guarded import guarding

FULL = os.environ.get("BUDGET_TEST_FULL") == "1"
EXAMPLES = 200 if FULL else 5


@pytest.fixture(scope="module")
def guarded(new_database, tmp_path_factory):
    """A service with keys on."""
    with guarding(new_database, tmp_path_factory.mktemp("openapi")) as guarded:
        yield guarded


@schemathesis.serializer("application/x-ndjson")
def as_lines(_, value):
    return str(value).encode(errors="replace")


# The document needs no database, so its operations are known when the tests are collected.
schema = schemathesis.openapi.from_dict(
    wiring.create_app(settings.load({"BUDGET_DB_PATH": "unused.db", "HOME": "/nowhere"})).openapi()
)


@pytest.mark.load
@schema.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
def test_no_operation_fails_or_answers_otherwise_than_documented(case, guarded):
    case.call_and_validate(
        base_url=guarded.running.address,
        headers={"X-API-Key": guarded.secret},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )


async def test_the_document_is_valid_openapi(client):
    answer = await client.get("/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert not [path for path in document["paths"] if path.startswith("/api/") and not path.startswith("/api/v1/")]
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("description"), name


async def test_it_stands_below_both_prefixes(client):
    documents = [
        (await client.get(path)).content for path in ("/openapi.json", "/api/openapi.json", "/api/v1/openapi.json")
    ]
    assert documents[0] == documents[1] == documents[2]


async def test_every_operation_is_described_and_its_references_lead_somewhere(client):
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
    every(document, lambda name: name in document["components"]["schemas"])


def every(part: object, known: Callable[[str], bool]) -> None:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            assert known(part["$ref"].rpartition("/")[2]), part
        for item in part.values():
            every(item, known)
    elif isinstance(part, list):
        for item in part:
            every(item, known)


async def test_examples_are_accepted(client):
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "example" in content and "{" not in path and method == "post":
                answer: httpx.Response = await client.post(path, json=content["example"])
                # The example's ids are nobody's; everything else of it is right.
                assert answer.is_success or answer.status_code in (402, 404), (path, answer.text)
