"""`docs/asyncapi.yaml` is whole, and says what the code does."""

import json
import re

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import yaml  # type: ignore[import-untyped]  # likewise

from budget.domain.events import TYPES
from budget.interfaces.ws import incoming
from budget.interfaces.ws.topics import PATHS
from tests import asyncapi


def test_it_names_every_path_with_its_topic_and_every_type_of_event():
    document = asyncapi.document()
    sockets = {channel["address"]: channel for channel in document["channels"].values()}
    assert set(sockets) == {*PATHS, "/events"}
    for path, topic in PATHS.items():
        assert f"`{topic}`" in sockets[path]["description"]
    assert document["components"]["schemas"]["EventType"]["enum"] == list(TYPES)


def test_it_says_which_fields_a_stream_takes():
    schemas = asyncapi.document()["components"]["schemas"]
    taken = set(incoming.EventsRequest.__struct_fields__)
    assert set(schemas["EventsQuery"]["properties"]) == taken
    assert set(schemas["Subscribe"]["properties"]["payload"]["properties"]) == taken | {"topic"}


def test_its_schemas_are_schemas_and_its_references_lead_somewhere():
    document = asyncapi.document()
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        found = document
        for part in reference.split("/"):
            found = found[part]


def test_its_examples_of_frames_are_understood():
    text = asyncapi.PATH.read_text()
    assert yaml.safe_load(text)["asyncapi"] == "3.0.0"
    variants = re.findall(r'`(\{"type":[^`]+\})`', text)
    assert [incoming.parse(variant.replace("…", "k")).type for variant in variants] == [
        "subscription",
        "authentication",
    ]
