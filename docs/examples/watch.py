"""Watch what happens in Budget: each event once and in order, also when the service stops and starts in between.

python docs/examples/watch.py                       # from now on, until Ctrl-C
python docs/examples/watch.py --after 0             # from the oldest event that is kept
python docs/examples/watch.py --types 'limit.*' --url http://localhost:8013
"""

import argparse
import asyncio
import contextlib
import sys

from budget.client import BudgetError, Reply, subscribe


def line(event: Reply) -> str:
    """An event in one line, by what its data holds."""
    data = event["data"]
    what = ""
    if "record" in data:
        what = f"{data['record']['model']}: {data['record']['total_tokens']} tokens, ${data['record']['cost']}"
    elif "allocation" in data:
        what = f"{data['allocation']['component']}: {data['allocation']['remaining_tokens']} tokens held"
    elif "message" in data:
        what = data["message"]
    return f"{event['seq']:>8}  {event['time']}  {event['type']:22} {what}"


async def watch(url: str, after: int | None, types: list[str]) -> None:
    """Print each event as it comes."""
    async with contextlib.aclosing(subscribe(url, after=after, types=types)) as events:
        async for event in events:
            print(line(event), flush=True)


def main() -> None:
    """Read the command line, and watch until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Watch what happens in Budget.")
    parser.add_argument("--url", default="http://localhost:8013")
    parser.add_argument("--after", type=int, help="the number of the last event that you know")
    parser.add_argument("--types", default="", help="types or families such as usage.*, comma-separated")
    arguments = parser.parse_args()
    types = [word for word in arguments.types.split(",") if word]
    if not arguments.url.startswith(("http://", "https://")):
        parser.error("argument --url: begins with http:// or https://")
    print(f"watching {arguments.url}; waiting for it where it does not answer", file=sys.stderr, flush=True)
    try:
        asyncio.run(watch(arguments.url, arguments.after, types))
    except BudgetError as error:
        parser.exit(1, f"{error.message}\n")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
