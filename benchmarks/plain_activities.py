"""Activities of the baseline P: the stock OpenAI client, pydantic for the answer, and nothing kept beside the history."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai
from pydantic import BaseModel
from temporalio import activity

from benchmarks.material import part_text


@dataclass
class StageCall:
    """One stage and what the one before it answered."""

    stage: str
    before: str


class _Note(BaseModel):
    text: str


class _Answer(BaseModel):
    outcome: str
    confidence: int
    body: _Note


class PlainModel:
    """The activity `ask_stage`. `calls` holds system text, task and schema of each stage: the same as Baton sends."""

    def __init__(self, base_url: str, calls: Mapping[str, Mapping[str, Any]]) -> None:
        self._client = openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0)
        self._calls = calls

    @activity.defn
    async def ask_stage(self, call: StageCall) -> str:
        """The text of the model's answer, checked."""
        said = self._calls[call.stage]
        reply = await self._client.chat.completions.create(
            model="bench",
            messages=[
                {"role": "system", "content": said["system"]},
                {"role": "user", "content": f"{said['user']}\n\n<data>\n{call.before}\n</data>"},
            ],
            max_completion_tokens=1000,
            response_format={"type": "json_schema", "json_schema": said["schema"]},
            extra_headers=said["headers"],
        )
        return _Answer.model_validate_json(reply.choices[0].message.content or "").body.text


@activity.defn
async def keep_text(text: str) -> str:
    """The text: the least that an activity can do."""
    return text


@activity.defn
async def answer_turn(messages: list[dict[str, str]], turns: int) -> dict[str, str]:
    """A scripted model: the next tool call, then the answer. No network: this loop is measured for bytes only."""
    done = sum(message["role"] == "tool" for message in messages)
    if done == turns:
        return {"role": "assistant", "content": json.dumps({"text": "all parts were read"})}
    return {"role": "assistant", "content": "", "tool": "read_part", "part": str(done)}


@activity.defn
async def run_part(number: int) -> str:
    """The tool: one part of 4 KB."""
    return part_text(number)
