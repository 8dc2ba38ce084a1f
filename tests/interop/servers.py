"""Servers that others wrote, started from the environment that `make interop` makes; each ends with its block."""

import asyncio
import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests import ports
from tests.children import PATIENCE, started_here
from tests.docs.pages import ROOT
from tests.stack import until

HOME = ROOT / ".venv" / "interop"
PYTHON = HOME / "bin" / "python"
HERE = Path(__file__).parent

KEY = "sk-of-the-gateway"
"""LiteLLM's master key."""

MODELS = ("gpt-6.1-terra", "claude-sonnet-5-5")
"""What LiteLLM calls its models: one behind OpenAI's formats, one behind Anthropic's."""

PRICE = (0.000002, 0.00001)
"""What LiteLLM is told that a token in and out costs, in US dollars."""


@contextlib.asynccontextmanager
async def answering(url: str, log: Path, *command: str | Path, **variables: str) -> AsyncIterator[str]:
    """The program, once it answers at this address; `log` is what it printed."""
    with log.open("wb") as out:
        how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": subprocess.STDOUT}
        async with started_here(*command, env=os.environ | variables, cwd=log.parent, **how) as process:

            async def look() -> bool | None:
                assert process.returncode is None, f"it has ended: {log.read_text(errors='replace')[-2000:]}"
                return await asyncio.to_thread(_answers, url)

            await until(look, f"{command[0]} answered at {url}", 2 * PATIENCE)
            yield url


def _answers(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status == 200 or None
    except (urllib.error.URLError, OSError):
        return None


@contextlib.asynccontextmanager
async def litellm(folder: Path, upstream: str) -> AsyncIterator[str]:
    """A LiteLLM proxy in front of an upstream; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port, config = ports.reserved(), folder / "litellm.json"
    config.write_text(json.dumps(_litellm(upstream)))  # YAML takes JSON
    url = f"http://127.0.0.1:{port}"
    command = (HOME / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port))
    # Without the first it would fetch a list of prices from outside.
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    async with answering(f"{url}/health/readiness", folder / "litellm.log", *command, **quiet):
        yield url


def _litellm(upstream: str) -> dict[str, Any]:
    made = (("openai", MODELS[0], f"{upstream}/v1"), ("anthropic", MODELS[1], upstream))
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"{speaks}/{name}", "api_base": base, "api_key": "key-of-the-upstream"},
            "model_info": {"input_cost_per_token": PRICE[0], "output_cost_per_token": PRICE[1]},
        }
        for speaks, name, base in made
    ]
    return {
        "model_list": models,
        "general_settings": {"master_key": KEY, "forward_client_headers_to_llm_api": True},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


@contextlib.asynccontextmanager
async def llama(folder: Path, model: str) -> AsyncIterator[str]:
    """llama.cpp's server with a model of `tiny_model.py`; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port, file = ports.reserved(), folder / f"{model}.gguf"
    subprocess.run([PYTHON, HERE / "tiny_model.py", file, model], check=True, timeout=PATIENCE)
    url = f"http://127.0.0.1:{port}"
    async with answering(f"{url}/health", folder / "llama.log", PYTHON, HERE / "llama_server.py", file, str(port)):
        yield url


@contextlib.asynccontextmanager
async def aimock(folder: Path, fixtures: Iterable[Mapping[str, Any]], upstream: str = "") -> AsyncIterator[str]:
    """An aimock with these fixtures; what fits none of them goes to the upstream, if there is one. Its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port, file = ports.reserved(), folder / "fixtures.json"
    file.write_text(json.dumps({"fixtures": list(fixtures)}))
    url = f"http://127.0.0.1:{port}"
    passed = ("--proxy-only", "--provider-openai", upstream, "--provider-anthropic", upstream) if upstream else ()
    program = HOME / "node_modules" / ".bin" / "llmock"
    command = ("node", program, "--host", "127.0.0.1", "--port", str(port), "--fixtures", file, *passed)
    async with answering(f"{url}/health", folder / "aimock.log", *command):
        yield url


async def statuses(url: str) -> list[int]:
    """The statuses that an aimock has answered with, by its journal."""

    def read() -> list[int]:
        with urllib.request.urlopen(f"{url}/__aimock/journal", timeout=PATIENCE) as response:
            return [entry["response"]["status"] for entry in json.load(response)]

    return await asyncio.to_thread(read)


def table(url: str, speaks: str, **more: Any) -> dict[str, Any]:
    """The table `[providers.NAME]` of a server at this address."""
    return {"speaks": speaks, "base_url": url if speaks == "messages" else f"{url}/v1"} | more
