"""The measure: a FastAPI endpoint that reads a model of ten fields and does nothing, served as Budget is."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.service import free_port, launch, wait_until_answering

PATH = "/usage"
BODY = (
    '{"request_id":"bench-{n}","context_id":"context-{n}","component":"apollo","provider":"openai","model":"gpt-4o",'
    '"task_type":"chat","input_tokens":900,"output_tokens":250,"user_id":"ann","requests":1}'
)


class Usage(BaseModel):
    request_id: str
    context_id: str
    component: str
    provider: str
    model: str
    task_type: str
    input_tokens: int
    output_tokens: int
    user_id: str
    requests: int


app = FastAPI()


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post(PATH, status_code=201)
async def record(usage: Usage) -> dict[str, str]:
    return {"request_id": usage.request_id}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of the endpoint, in a process of its own."""
    port = free_port()
    process = launch([sys.executable, "-m", "benchmarks.reference", str(port)], {}, folder / "reference.log")
    try:
        wait_until_answering(f"http://127.0.0.1:{port}/ready", process)
        yield port
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http="httptools",
        ws="websockets-sansio",
        access_log=False,
        server_header=False,
        log_config=None,
        backlog=2048,
    )
