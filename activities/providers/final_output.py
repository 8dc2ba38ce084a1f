"""How the final output's schema reaches a model: in a field of the request, in the prompt, or as a tool of its own."""

import json

from activities.providers.capabilities import Known
from contracts.conversation import ModelReply, ModelRequest, ToolCall, ToolSpec

NAME = "final_output"
"""The tool whose arguments are the final output, where `schema_with_tools` is tool."""


def prepared(request: ModelRequest, known: Known) -> ModelRequest:
    """The request with the schema in its instructions or among its tools, where the endpoint needs it there."""
    tools = bool(request.tools)
    if tools and known.schema_with_tools == "tool":
        about = "Call this tool once, when you are finished: its arguments are your final output, instead of a JSON text."
        final = ToolSpec(name=NAME, description=about, parameters=request.answer_schema)
        return request.model_copy(update={"tools": (*request.tools, final)})
    if not known.schema_in_prompt(tools=tools):
        return request
    schema = json.dumps(request.answer_schema, ensure_ascii=False, sort_keys=True)
    text = f"The final output is one JSON object, without text around it, that fits this JSON Schema:\n{schema}\n"
    return request.model_copy(update={"system": f"{request.system}\n{text}" if request.system else text})


def read(reply: ModelReply) -> ModelReply:
    """The reply with a call of that tool as its text. Beside other calls it is left out: their results come first.

    What it cannot be read from, broken arguments or two different outputs, is the text, too: it is judged as an output, and
    the model is told what is wrong with it. As a call it would be one of a tool that no agent has.
    """
    final = [call for call in reply.calls if call.name == NAME]
    if not final:
        return reply
    others = tuple(call for call in reply.calls if call.name != NAME)
    # Without the native form: it holds the call, which nobody answers.
    if others:
        return reply.model_copy(update={"calls": others, "native": None})
    texts = dict.fromkeys(_text(call) for call in final)
    return reply.model_copy(update={"text": "\n".join(texts), "calls": (), "stop": "end", "native": None})


def _text(call: ToolCall) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
