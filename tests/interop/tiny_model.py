"""Writes a model that llama.cpp can serve: one layer, whose next token depends on the last one alone.

Run by the environment of `make interop`, which has `gguf` and `numpy`: `python -m tiny_model FILE NAME`.

The vocabulary has all bytes and a few whole sentences as single tokens, so that a prompt is read byte by byte and an answer
takes few steps. Where a grammar is in force it writes the shortest JSON that the grammar allows. Logits are far apart, so
that every machine picks the same token.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

BEGIN = "<|begin|>"
ASKED = "<|asked|>"
"""Stands where the answer to a person's text begins."""
LOOKED = "<|looked|>"
"""Stands where an answer begins after a tool has been called."""
END = "<|end|>"

TEMPLATE = """{%- if tools %}<|begin|>system
{%- for tool in tools %}
{{ tool | tojson }}
{%- endfor %}
To call a function, answer with <tool_call>{"name": NAME, "arguments": ARGUMENTS}</tool_call>.<|end|>
{%- endif %}
{%- for message in messages %}<|begin|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|end|>
{%- endfor %}
{%- set looked = messages | selectattr('role', 'equalto', 'tool') | list %}
{%- if add_generation_prompt %}{{ '<|looked|>' if looked else '<|asked|>' }}{% endif %}"""
"""Of the Hermes form, which llama.cpp knows by its looks."""

CALL = '{"name": "read_file", "arguments": {"path": "shop/pricing.py", "first_line": null, "lines": null}}'

LOOK_UP = '{"name": "look_up", "arguments": {"name": "alpha"}}'
"""What `baton models probe` asks for."""

PLAN = (
    '{"outcome": "done", "reason": "", "confidence": 900, "questions": [], "claims": [], "body": {"summary": "Round half up.", '
    '"items": [{"id": "rounding", "intent": "Round half up.", "files": ["shop/prices.py"], "settings": [], "acceptance": '
    '[{"text": "half a cent rounds up", "shown_by": null}], "depends_on": []}], "risks": [], "check": null}}'
)
"""Names a file that is not there."""

Chain = Mapping[str, Sequence[str]]
"""What may follow a token, the best first. Each token of it is in the vocabulary."""

MODELS: Mapping[str, Chain] = {
    "looks": {
        ASKED: ["<tool_call>", PLAN],
        "<tool_call>": ["\n"],
        "\n": [CALL, LOOK_UP],
        CALL: ["\n</tool_call>"],
        LOOK_UP: ["\n</tool_call>"],
        "\n</tool_call>": [END],
        LOOKED: [PLAN],
        PLAN: [END],
    },
    "guesses": {ASKED: [PLAN], LOOKED: [PLAN], PLAN: [END]},
}
"""`looks` reads a file once and then answers; `guesses` never calls a tool. Whatever the task is, the answer is a plan."""

_SHORTEST = '"}],:nd0abcdefghijklmopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789_-./#@ '
"""Which character comes next where the chain names none: a text ends, then an object, then a list."""

_OPENED = {"[": "]", "{": "}"}
"""What comes first behind these: an empty list, an empty object."""


def write(file: Path, chain: Chain) -> None:
    """Write the model to the file."""
    control = ["<unk>", BEGIN, END, ASKED, LOOKED]
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    whole = dict.fromkeys(token for first, then in chain.items() for token in (first, *then))
    words = [token for token in whole if token not in control and len(token.encode()) > 1]
    names = [*control, *raw, *words]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 4, *[gguf.TokenType.BYTE] * 256]
    kinds += [gguf.TokenType.NORMAL] * len(words)
    width = -(-len(names) // 32) * 32
    made = gguf.GGUFWriter(file, "llama")
    _describe(made, width)
    made.add_tokenizer_model("llama")
    made.add_token_list(names)
    made.add_token_scores([-float(index) for index in range(len(names))])
    made.add_token_types(kinds)
    made.add_bos_token_id(1)
    made.add_eos_token_id(2)
    made.add_unk_token_id(0)
    made.add_add_bos_token(False)
    made.add_add_space_prefix(False)
    made.add_chat_template(TEMPLATE)
    _weigh(made, width, _following(names, chain))
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()


def _following(names: Sequence[str], chain: Chain) -> "np.ndarray":
    """Scores by current token (row) and next one (column)."""
    place = {name: index for index, name in enumerate(names)} | {chr(byte): 5 + byte for byte in range(256)}
    scores = np.zeros((len(names), len(names)), dtype=np.float32)
    scores[:, place[END]] = 100
    for rank, character in enumerate(_SHORTEST):
        scores[:, place[character]] = 90 - rank
    for character, closing in _OPENED.items():
        scores[place[character], place[closing]] = 95
    scores[:, 0] = -100
    scores[:, place[ASKED]] = scores[:, place[LOOKED]] = scores[:, place[BEGIN]] = -100
    for name, then in chain.items():
        for rank, token in enumerate(then):
            scores[place[name], place[token]] = 150 - rank * 10
    return scores


def _describe(made: "gguf.GGUFWriter", width: int) -> None:
    made.add_name("tiny")
    made.add_context_length(65536)
    made.add_embedding_length(width)
    made.add_block_count(1)
    made.add_feed_forward_length(32)
    made.add_head_count(1)
    made.add_head_count_kv(1)
    made.add_key_length(32)
    made.add_value_length(32)
    made.add_rope_dimension_count(32)
    made.add_layer_norm_rms_eps(1e-6)
    made.add_file_type(gguf.LlamaFileType.ALL_F32)


def _weigh(made: "gguf.GGUFWriter", width: int, following: "np.ndarray") -> None:
    """The layer adds nothing: what comes out of the last norm says which token came last."""
    tokens = len(following)

    def nothing(rows: int, columns: int) -> "np.ndarray":
        return np.zeros((rows, columns), dtype=np.float32)

    embedded = np.eye(tokens, width, dtype=np.float32)
    made.add_tensor("token_embd.weight", embedded)
    for name, rows, columns in (
        ("attn_q", 32, width),
        ("attn_k", 32, width),
        ("attn_v", 32, width),
        ("attn_output", width, 32),
        ("ffn_gate", 32, width),
        ("ffn_up", 32, width),
        ("ffn_down", width, 32),
    ):
        made.add_tensor(f"blk.0.{name}.weight", nothing(rows, columns))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        made.add_tensor(f"{name}.weight", np.ones(width, dtype=np.float32))
    out = nothing(tokens, width)
    # The norm makes a one into the root of the width.
    out[:, :tokens] = following.T / np.sqrt(width)
    made.add_tensor("output.weight", out)


if __name__ == "__main__":
    write(Path(sys.argv[1]), MODELS[sys.argv[2]])
