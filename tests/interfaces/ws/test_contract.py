"""Tekton's frames, row by row (wire contract 4 and 15.13)."""

from typing import Any

from tests.live import served

TOPICS = {
    "/ws": "budget_events",
    "/ws/budget/updates": "budget_events",
    "/ws/budget/alerts": "budget_alerts",
    "/ws/budget/allocations": "allocation_updates",
    "/ws/budget/prices": "price_updates",
    "/ws/alerts": "budget_alerts",
    "/ws/events": "events",
}
HOLD = {"context_id": "c", "component": "x", "provider": "openai", "model": "gpt-4o", "tokens_allocated": 1000}
PRICE = {"provider": "acme", "model": "m", "input_cost_per_token": 0.001, "output_cost_per_token": 0.002}


async def test_each_path_greets_on_its_own_topic_before_anything_else(live):
    for path, topic in TOPICS.items():
        async with live.listener(path) as listener:
            assert (await listener.ask("heartbeat", topic=topic))["topic"] == topic


DONE = {"success": True}
REPLIES = [
    ("subscription", "budget_events", {"topic": "budget_alerts"}, "budget_alerts", {**DONE, "topic": "budget_alerts"}),
    ("subscription", "x", {}, "budget_events", {**DONE, "topic": "budget_events"}),
    ("subscription", "x", {"topic": "anything"}, "anything", {**DONE, "topic": "anything"}),
    ("unsubscription", "x", {"topic": "budget_alerts"}, "budget_alerts", {**DONE, "topic": "budget_alerts"}),
    ("unsubscription", "x", {}, "budget_events", {**DONE, "topic": "budget_events"}),
    ("authentication", "mine", {"api_key": "k", "client_id": "c"}, "mine", {"success": True}),
    ("authentication", "mine", {"client_id": "c"}, "mine", {"success": False}),
]


async def test_each_client_frame_has_its_reply(live):
    async with live.listener("/ws") as listener:
        for kind, topic, payload, answered_topic, answer in REPLIES:
            frame = await listener.ask(kind, payload, topic)
            assert (frame["topic"], frame["payload"]) == (answered_topic, answer)


async def test_a_heartbeat_is_answered_on_its_topic_with_the_time(live):
    async with live.listener("/ws/budget/prices") as listener:
        frame = await listener.ask("heartbeat", {"sent": "now"}, "price_updates")
        assert (frame["topic"], list(frame["payload"])) == ("price_updates", ["timestamp"])


async def test_valid_types_that_ask_nothing_get_no_reply(live):
    async with live.listener("/ws/budget/alerts") as listener:
        for kind in ("budget_update", "allocation_update", "policy_update", "alert", "price_update", "error"):
            await listener.say(kind)
        await listener.say("heartbeat")
        assert (await listener.hear())["type"] == "heartbeat"


BAD = [
    ("no json", "frame"),
    ("[" * 5000, "frame"),
    ("[]", "frame"),
    ('{"type":"subscription"}', "topic"),
    ('{"type":"subscription","topic":"t"}', "payload"),
    ('{"type":"subscription","topic":5,"payload":{}}', "topic"),
    ('{"type":"dance","topic":"t","payload":{}}', "type"),
    ('{"topic":"t","payload":{}}', "type"),
    ('{"type":"subscription","topic":"t","payload":{"topic":5}}', "payload.topic"),
    ('{"type":"subscribe","channels":"alerts"}', "channels"),
    ('{"type":"authenticate","data":"k"}', "data"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","after":"x"}}', "after"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","after":-1}}', "after"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","after":999999}}', "after"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","types":["nix"]}}', "types"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","severity":"bad"}}', "severity"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","colour":"red"}}', "colour"),
    ('{"type":"subscription","topic":"t","payload":{"topic":"events","after":1,"snapshot":true}}', "after"),
    (
        '{"type":"subscription","topic":"t","payload":{"topic":"events","budget_id":"b","snapshot":true}}',
        "budget_id",
    ),
    (b"\x00\x01", "frame"),
]


async def test_a_bad_frame_gets_an_error_that_names_what_is_wrong_and_the_socket_stays_open(live):
    async with live.listener("/ws/budget/alerts") as listener:
        for sent, field in BAD:
            await listener.socket.send(sent)
            error = await listener.hear()
            assert (error["type"], error["topic"], error["payload"]["field"]) == ("error", "error", field), sent
        assert (await listener.ask("heartbeat"))["type"] == "heartbeat"


async def test_variants_of_older_documents_are_understood(live):
    async with live.listener("/ws/budget/prices") as listener:
        await listener.socket.send('{"type":"authenticate","data":{"apiKey":"k"}}')
        assert (await listener.hear())["payload"] == {"success": True}
        await listener.socket.send('{"type":"subscribe","channels":["budget_updates","alerts"]}')
        topics = [(await listener.hear())["payload"]["topic"] for _ in range(2)]
        assert topics == ["budget_events", "budget_alerts"]
        await live.record(2_000_000)
        assert "alert" in {(await listener.hear())["type"] for _ in range(2)}


async def test_an_allocation_is_told_with_its_fields(live):
    async with live.listener("/ws/budget/allocations") as listener:
        made = await live.post("/allocations", **HOLD)
        frame = await listener.hear()
        assert (frame["type"], frame["topic"]) == ("allocation_update", "allocation_updates")
        assert frame["payload"]["allocation"] == {
            name: value for name, value in made.items() if name not in ("decision_id", "warnings", "offers")
        }


async def test_usage_drawn_on_an_allocation_is_told_by_how_the_allocation_stands(live):
    held = (await live.post("/allocations", **HOLD))["allocation_id"]
    async with live.listener("/ws/budget/allocations") as listener:
        await live.record(299, allocation_id=held)
        frame = await listener.hear()
        assert (frame["payload"]["allocation"]["remaining_tokens"], "seq" in frame) == (700, False)


async def test_an_alert_is_told_as_a_list_and_flat(live):
    async with live.listener("/ws/alerts") as listener:
        await live.record(900_000)
        frame = await listener.hear()
        (alert,) = frame["payload"]["alerts"]
        assert frame["payload"] == {**alert, "alerts": [alert]}
        assert frame["severity"] == alert["severity"]


async def test_a_price_is_told_with_provider_and_model(live):
    async with live.listener("/ws/budget/prices") as listener:
        made = await live.post("/prices", **PRICE)
        frame = await listener.hear()
        assert frame["payload"] == {"provider": "acme", "model": "m", "update": made}


async def test_a_policy_is_told_on_budget_events(live):
    async with live.listener("/ws/budget/updates") as listener:
        made = await live.post("/policies", type="warn", period="daily", token_limit=5)
        frames = await listener.hear_until("policy_update")
        assert (frames[-1]["topic"], frames[-1]["payload"]) == ("budget_events", made)


async def test_a_change_of_a_budget_is_told_as_ratio_and_as_percentage(live):
    async with live.listener("/ws/budget/updates") as listener:
        await live.record(1_000_000, cost=250)
        payload = (await listener.hear_until("budget_update"))[-1]["payload"]
        daily = next(row for row in payload["summaries"] if row["period"] == "daily")
        assert [row["period"] for row in payload["summaries"]] == ["daily", "weekly", "monthly"]
        assert payload["summary"]["period"] == payload["period"] == "daily"
        assert daily["cost_usage_percentage"] == 100 * payload["summary"]["cost_usage_percentage"] > 0


async def test_the_periodic_push_brings_three_summaries_and_then_the_alerts_of_its_time(folder):
    async with served(folder, push_seconds=0.2) as live, live.listener("/ws/budget/updates") as listener:
        await listener.ask("subscription", {"topic": "budget_alerts"})
        await live.record(900_000)
        pushed: list[dict[str, Any]] = []
        while not pushed or pushed[-1]["topic"] != "budget_alerts":
            frame = await listener.hear()
            if frame.get("event", "").startswith(("summary.d", "summary.w", "summary.m", "alerts.")):
                pushed.append(frame)
        assert [frame["topic"].rpartition("_")[2] for frame in pushed[-4:]] == ["daily", "weekly", "monthly", "alerts"]


async def test_a_topic_that_is_left_is_not_heard_any_more(live):
    async with live.listener("/ws/budget/prices") as listener:
        await listener.ask("unsubscription", {"topic": "price_updates"})
        await live.post("/prices", **PRICE)
        await listener.say("subscription", {"topic": "budget_events"})
        assert (await listener.hear())["type"] == "subscription"
