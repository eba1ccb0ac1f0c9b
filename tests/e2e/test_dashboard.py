"""The dashboard as people use it: a real browser, a real service, real figures."""

import asyncio
import datetime as dt
import re

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from benchmarks.service import Service
from tests.e2e import chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")

expect.set_options(timeout=20_000)

VIEWS = ("now", "trend", "usage", "allocations", "decisions", "alerts", "budgets", "prices")
WIDTHS = (360, 2560)
CALL = {"component": "ergon", "provider": "openai", "model": "gpt-4o", "task_type": "chat"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """With a month of usage, holds, a refusal, an alert, and a model without a price."""
    with Service(tmp_path_factory.mktemp("dashboard")) as running:
        now = dt.datetime.now(dt.UTC)
        records = [
            {
                **CALL,
                "component": ("ergon", "apollo")[number % 2],
                "model": ("gpt-4o", "gpt-4o-mini", "own-model")[number % 3],
                "context_id": f"c{number % 7}",
                "input_tokens": 1000 + number,
                "output_tokens": 100,
                "occurred_at": (now - dt.timedelta(hours=2 * number)).isoformat(),
            }
            for number in range(360)
        ]
        sent = [
            ("usage/batch", {"records": records}),
            ("policies", {"type": "hard_limit", "period": "daily", "cost_limit": 5, "component": "numa"}),
            ("policies", {"type": "warn", "period": "monthly", "token_limit": 1000}),
            ("allocations", {**CALL, "context_id": "running", "tokens_allocated": 40_000}),
        ]
        for path, body in sent:
            post(running, path, body).raise_for_status()
        refused = {**CALL, "component": "numa", "context_id": "much", "tokens_allocated": 900_000}
        assert post(running, "allocations", refused).status_code == 402
        record(running, 5)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with chromium.started() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser, service):
    """A page that notes what goes wrong in it, and every request that leaves for elsewhere."""
    context = await browser.new_context(base_url=service.url)
    made = await context.new_page()
    made.wrong = []
    made.on("console", lambda said: made.wrong.append(said.text) if said.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: made.wrong.append(str(error)))
    made.on("request", lambda asked: asked.url.startswith(service.url) or made.wrong.append(asked.url))
    yield made
    await context.close()


def post(service, path, body):
    return httpx.post(f"{service.url}/api/v1/{path}", json=body, trust_env=False)


def challenge(service):
    answer = httpx.get(service.url, headers={"Accept": "text/html"}, trust_env=False)
    return answer.status_code, answer.headers.get("www-authenticate")


def record(service, tokens):
    body = {**CALL, "context_id": "c", "input_tokens": tokens, "output_tokens": 0}
    post(service, "usage/record", body).raise_for_status()


async def show(page, view):
    await page.goto(f"/#{view}")
    await expect(page.get_by_role("status")).to_have_text("live")
    await expect(page.locator("main .loading")).to_have_count(0)


async def close(page):
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_walk_through_every_view(page, service):
    """Nothing goes wrong, nothing comes from elsewhere, and four fifths of the page's own code is run on the way."""
    covered = chromium.Covered("/dashboard/")
    async with covered.counting(page):
        await show(page, "now")
        await expect(page.get_by_role("article", name="monthly cost limit of everything")).to_be_visible()
        await page.locator("summary").click()
        record(service, 7)
        await expect(page.get_by_role("listitem").filter(has_text="usage recorded · gpt-4o · ergon")).to_be_visible()
        await _trend(page)
        await _usage(page)
        await _allocations(page)
        await _decisions(page)
        await _alerts(page)
        await _budgets(page)
        await _prices(page)
    assert page.wrong == []
    assert covered.shares[""] >= 0.8, covered.shares


async def _trend(page):
    await show(page, "trend")
    await expect(page.locator(".u-over")).to_be_visible()
    await page.locator(".u-over").hover(position={"x": 200, "y": 50})
    await expect(page.locator(".u-legend .u-value").last).not_to_have_text("")
    await page.get_by_role("link", name="gpt-4o-mini").click()
    await expect(page).to_have_url(re.compile(r"model=gpt-4o-mini.*by=component|by=component.*model=gpt-4o-mini"))
    await expect(page.get_by_role("link", name="apollo")).to_be_visible()
    await page.get_by_label("Unit").select_option("tokens")
    await page.get_by_role("button", name="remove model gpt-4o-mini").click()
    await expect(page).not_to_have_url(re.compile("model="))


async def _usage(page):
    await show(page, "usage")
    rows = page.get_by_role("table", name="Usage records").get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("gpt-4o")
    await page.locator(".records .window").evaluate("element => element.scrollTo(0, 200 * 36)")
    await expect(page.locator("[aria-rowindex='202']")).to_contain_text("ergon")
    await page.get_by_label("component").fill("apollo")
    await page.get_by_label("component").press("Enter")
    await expect(page).to_have_url(re.compile("component=apollo"))
    await page.get_by_label("Order").select_option("cost")
    await expect(rows.nth(1)).to_contain_text("apollo")
    await rows.nth(1).get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_contain_text("per input token")
    await expect(page.get_by_role("region", name="Parts")).to_contain_text("output")
    await close(page)


async def _allocations(page):
    await show(page, "allocations")
    await page.get_by_role("row").filter(has_text="running").get_by_role("button").click()
    await page.get_by_role("button", name="Release what is left").click()
    await expect(page.get_by_text("Nothing is held.")).to_be_visible()
    await page.get_by_label("State").select_option("all")
    await expect(page.get_by_role("row").filter(has_text="running")).to_contain_text("released")


async def _decisions(page):
    await show(page, "decisions")
    await page.get_by_role("row").filter(has_text="numa").get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_contain_text("$9.00 asked, of $5.00")
    await close(page)
    await page.get_by_role("link", name="daily · numa").click()
    await expect(page.get_by_text("refused in the last 90 days by one limit")).to_be_visible()


async def _alerts(page):
    await show(page, "alerts")
    alerts = page.locator(".alerts li")
    before = await alerts.count()
    await alerts.first.get_by_role("button", name="Acknowledge").click()
    await expect(alerts).to_have_count(before - 1)
    await page.get_by_label("State").select_option("true")
    await expect(page.locator(".alerts li").first).to_be_visible()
    await page.get_by_label("Severity").select_option("warning")


async def _budgets(page):
    await show(page, "budgets")
    await page.get_by_role("button", name="New budget").click()
    await page.get_by_label("Name").fill("From the page")
    await page.get_by_label("Time zone").fill("Nowhere/Land")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("time_zone")
    page.wrong.clear()  # the browser notes the 422 that was meant to come
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="New policy").click()
    await page.get_by_label("Period").select_option("daily")
    await page.get_by_label("Token limit").fill("2000")
    await expect(page.locator(".preview strong")).to_contain_text(re.compile(r"\d+ of \d+"))
    await page.get_by_label("Only this component").fill("ergon")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("row").filter(has_text="ergon")).to_contain_text("2,000")
    await page.get_by_label("Budget").select_option("From the page")
    await expect(page.get_by_text("Time zone Europe/Berlin.")).to_be_visible()


async def _prices(page):
    await show(page, "prices")
    await page.get_by_role("row").filter(has_text="own-model").get_by_role("button", name="Set its price").click()
    await page.get_by_label("Dollars per input token").fill("0.000001")
    await page.get_by_label("Dollars per output token").fill("0.000002")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Without a price")).to_have_count(0)
    await page.get_by_role("button", name="gpt-4o", exact=True).click()
    await expect(page.get_by_role("region", name="Versions")).to_contain_text("always")


async def test_a_record_is_seen_at_once_and_again_after_a_restart(page, service):
    await show(page, "now")
    news = page.locator(".news li")
    record(service, 11)
    await expect(news).to_have_count(1)
    await asyncio.to_thread(service.stop)
    await expect(page.get_by_role("status")).to_contain_text("reconnecting")
    await asyncio.to_thread(service.start)
    record(service, 12)
    await expect(page.get_by_role("status")).to_have_text("live", timeout=20_000)
    await expect(news).to_have_count(2)


async def test_a_policy_edited_on_the_page_is_in_force(page, service):
    made = post(
        service, "policies", {"type": "hard_limit", "period": "daily", "cost_limit": 9, "component": "edited"}
    ).json()
    await show(page, "budgets")
    await page.get_by_role("row").filter(has_text="edited").get_by_role("button").click()
    await page.get_by_label("Cost limit in dollars").fill("0.01")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("row").filter(has_text="edited")).to_contain_text("$0.01")
    asked = {**CALL, "component": "edited", "context_id": "x", "tokens_allocated": 100_000}
    refused = post(service, "allocations", asked)
    assert (refused.status_code, refused.json()["limits"][0]["policy_id"]) == (402, made["policy_id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everyone_can_use_every_view(browser, service, scheme):
    context = await browser.new_context(base_url=service.url, color_scheme=scheme)
    page = await context.new_page()
    found: dict[str, list[str]] = {}
    for view in VIEWS:
        await show(page, view)
        violations = (await Axe().run(page)).response["violations"]
        found |= {f"{view}: {each['id']}": [node["html"][:200] for node in each["nodes"][:3]] for each in violations}
    await context.close()
    assert found == {}


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_view_fits_the_screen(browser, service, width):
    context = await browser.new_context(base_url=service.url, viewport={"width": width, "height": 900})
    page = await context.new_page()
    for view in VIEWS:
        await show(page, view)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, view
    await context.close()


async def test_with_keys_on_the_browser_asks_and_the_page_is_live_with_a_key(browser, tmp_path):
    with Service(tmp_path) as open_doors:
        key = post(open_doors, "keys", {"name": "eyes", "scopes": ["read"]}).json()["key"]
    with Service(tmp_path, environment={"BUDGET_AUTH": "on"}) as running:
        assert challenge(running) == (401, 'Basic realm="Budget", charset="UTF-8"')
        context = await browser.new_context(
            base_url=running.url, http_credentials={"username": "", "password": key, "send": "always"}
        )
        page = await context.new_page()
        await show(page, "now")
        await expect(page.get_by_text("limits of which nothing is used")).to_be_visible()
        await context.close()
