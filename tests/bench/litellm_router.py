# ruff: noqa: T201  # its output is what bench_routing.py reads
"""litellm's Router on the servers of bench_routing.py. It needs an environment of its own, with an older openai.

    uv run --no-project --with litellm==1.106.0 python tests/bench/litellm_router.py speed URL MODEL ROUNDS
    uv run --no-project --with litellm==1.106.0 python tests/bench/litellm_router.py chaos URLS FILE

Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices when it is imported

import litellm
from litellm import Router
from openai import OpenAI

QUESTION = [{"role": "user", "content": "Why do chat apps stream tokens?"}]


def entry(name: str, url: str, model: str) -> dict[str, Any]:
    """Gives one deployment in litellm's format."""
    return {"model_name": name, "litellm_params": {"model": f"openai/{model}", "api_base": url, "api_key": "none"}}


def speed(url: str, model: str, rounds: int) -> dict[str, list[float]]:
    """Times whole answers and streams, through the Router and through the client that it uses."""
    router = Router([entry("only", url, model)], num_retries=0)
    client = OpenAI(base_url=url, api_key="none", max_retries=0)

    def bare_stream() -> None:
        for _ in client.chat.completions.create(model=model, messages=QUESTION, stream=True):  # type: ignore[call-overload]
            pass

    def routed_stream() -> None:
        for _ in router.completion("only", QUESTION, stream=True):  # type: ignore[arg-type]
            pass

    readers = {
        "openai complete": lambda: client.chat.completions.create(model=model, messages=QUESTION),  # type: ignore[arg-type]
        "litellm complete": lambda: router.completion("only", QUESTION),  # type: ignore[arg-type]
        "openai stream": bare_stream,
        "litellm stream": routed_stream,
    }
    times: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(rounds + 5):
        for name, read in readers.items():
            started = time.perf_counter()
            read()
            if number >= 5:
                times[name].append(time.perf_counter() - started)
    return times


async def chaos(
    urls: dict[str, str], requests: list[dict[str, Any]], answers: list[str], cooldowns: bool
) -> dict[str, Any]:
    """Sends the requests of the real-time chaos run, with the next backends as fallbacks."""
    names = list(urls)
    router = Router(
        [entry(name, url, "fixed-text") for name, url in urls.items()],
        fallbacks=[{name: [other for other in names if other != name]} for name in names],
        num_retries=1,
        timeout=10,
        disable_cooldowns=not cooldowns,
    )
    outcomes: Counter[str] = Counter()

    async def one(request: dict[str, Any]) -> None:
        await asyncio.sleep(request["at"])
        messages = [{"role": "user", "content": request["prompt"]}]
        first = "azure" if len(request["prompt"].split()) >= 20 else "local"
        try:
            if request["stream"]:
                stream = await router.acompletion(first, messages, stream=True)
                text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            else:
                text = (await router.acompletion(first, messages)).choices[0].message.content or ""
        except Exception as error:  # whatever it raises is what is counted here
            outcomes[type(error).__name__] += 1
        else:
            outcomes["answered" if text in answers else "wrong or mixed"] += 1

    await asyncio.gather(*(one(request) for request in requests))
    return dict(outcomes)


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    if sys.argv[1] == "speed":
        print(json.dumps(speed(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        plan = json.loads(Path(sys.argv[3]).read_text("utf-8"))
        print(
            json.dumps(
                asyncio.run(chaos(json.loads(sys.argv[2]), plan["requests"], plan["answers"], plan["cooldowns"]))
            )
        )
