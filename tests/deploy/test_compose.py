"""docker-compose.yml: what it promises, and that each check catches a file that breaks the promise."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import server
from tests.children import PATIENCE
from tests.deploy import rules
from tests.deploy.rules import Compose

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
BIN = Path(sys.executable).parent
DENIED_BY_DOCKER = {"clone", "unshare", "mount", "umount2", "pivot_root", "sethostname"}
"""What bubblewrap calls to make our sandbox and Docker's own filter refuses (measured with strace)."""


def load(text: str = "") -> Compose:
    """The compose file, or another text of one."""
    found: Compose = yaml.safe_load(text or FILE.read_text())
    return found


def lint(file: Path) -> str:
    """What the linters say: yamllint, the specification's schema, and Compose itself where it is installed. "" when nothing."""
    commands: list[list[str | Path]] = [
        [BIN / "yamllint", "--strict", "--config-file", ROOT / ".yamllint.yaml", file],
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file],
    ]
    if shutil.which("docker") and _run(["docker", "compose", "version"]).returncode == 0:
        commands.append(["docker", "compose", "--project-directory", ROOT, "--file", file, "config", "--quiet"])
    answers = [_run(command) for command in commands]
    return "\n".join(one.stdout + one.stderr for one in answers if one.returncode != 0)


def _run(command: list[str | Path]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_the_linters_accept_the_file() -> None:
    """Style and form are in order."""
    assert lint(FILE) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("name: baton", "name:  baton", "too many spaces"),
        ("  postgres:\n    # With", "  postgres:\n    image: postgres:1\n    # With", "duplication of key"),
        ("    healthcheck:", "    helthcheck:", "helthcheck"),
        ("condition: service_healthy", "condition: healthy", "healthy"),
        ("    build: .", "    build: 7", "build"),
    ],
)
def test_the_linters_catch_a_broken_file(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    """Style, a key given twice, a misspelt key, an unknown condition and a wrong type are all found."""
    text = FILE.read_text()
    assert right in text
    file = tmp_path / "docker-compose.yml"
    file.write_text(text.replace(right, wrong, 1))
    assert said in lint(file)


def test_make_lint_runs_the_linters() -> None:
    """CI, which runs `make test`, lints the compose file."""
    text = (ROOT / "Makefile").read_text()
    target = text.partition("\nlint-compose:")[2].partition("\n\n")[0]
    assert re.search(r"^lint:.*\blint-compose\b", text, re.MULTILINE)
    assert "yamllint --strict" in target
    assert "vendor.compose-spec docker-compose.yml" in target


@pytest.mark.parametrize("rule", rules.RULES)
def test_the_file_keeps_every_rule(rule: Callable[[Compose], list[str]]) -> None:
    """Pinned, watched, on loopback only, with settings that exist and secrets in files."""
    assert rule(load()) == []


Change = Callable[[dict[str, Any]], Any]
BREAKS: list[tuple[Callable[[Compose], list[str]], str, Change, str]] = [
    (rules.pinned, "postgres", lambda one: one.update(image="postgres:latest"), "not pinned"),
    (rules.pinned, "postgres", lambda one: one.update(image="postgres"), "not pinned"),
    (rules.pinned, "temporal", lambda one: one.update(image="temporalio/server:1"), "not pinned"),
    (rules.pinned, "temporal-ui", lambda one: one.update(image="registry.example/ui:2.54.1"), "names a registry"),
    (rules.pinned, "worker", lambda one: one.pop("pull_policy"), "pulled from somebody else"),
    (rules.watched, "worker", lambda one: one.pop("healthcheck"), "no health check"),
    (rules.watched, "temporal", lambda one: one["healthcheck"].update(disable=True), "no health check"),
    (rules.watched, "postgres", lambda one: one["healthcheck"].update(test=["NONE"]), "no health check"),
    (rules.watched, "temporal-schema", lambda one: one.update(restart="always"), "no health check"),
    (rules.watched, "worker", lambda one: one["depends_on"].pop("temporal-namespace"), "temporal-namespace: has no health"),
    (rules.loopback, "temporal-ui", lambda one: one.update(ports=["8233:8080"]), "beyond 127.0.0.1"),
    (rules.loopback, "temporal-ui", lambda one: one.update(ports=["0.0.0.0:8233:8080"]), "beyond 127.0.0.1"),
    (rules.loopback, "temporal-ui", lambda one: one.update(ports=[{"published": 8233, "target": 8080}]), "beyond 127.0.0.1"),
    (rules.loopback, "postgres", lambda one: one.update(ports=["127.0.0.1:5432:5432"]), "only the UI's"),
    (rules.loopback, "worker", lambda one: one.update(network_mode="host"), "network_mode"),
    (rules.real_settings, "worker", lambda one: one["environment"].update(BATON_STATTE="x"), "BATON_STATTE is no setting"),
    (rules.secrets_by_file, "worker", lambda one: one["environment"].update(BATON_OPENAI_API_KEY="k"), "give a file"),
    (rules.secrets_by_file, "worker", lambda one: one["environment"].update(BATON_LEDGER_URL="sqlite://"), "give a file"),
    (rules.secrets_by_file, "temporal", lambda one: one["environment"].update(POSTGRES_PWD="x"), "give a file"),
    (rules.secrets_by_file, "temporal", lambda one: one["environment"].update(DB="sql://a:b@c"), "holds a password"),
    (rules.secrets_by_file, "temporal", lambda one: one["environment"].update(LOG_LEVEL="${LEVEL}"), "from outside"),
    (rules.secrets_by_file, "worker", lambda one: one["secrets"].remove("ledger_url"), "not mounted"),
    (rules.secrets_by_file, "worker", lambda one: one.update(env_file=".env"), "come from a file"),
    (rules.secrets_by_file, "worker", lambda one: one.update(build={"args": {"TOKEN": "x"}}), "go into the build"),
]


@pytest.mark.parametrize(("rule", "service", "change", "said"), BREAKS)
def test_every_rule_catches_what_breaks_it(
    rule: Callable[[Compose], list[str]], service: str, change: Change, said: str
) -> None:
    """A file that breaks the rule in one place is refused in words that name the place."""
    broken = load()
    change(broken["services"][service])
    found = rule(broken)
    assert [one for one in found if said in one], found


def test_an_inline_secret_is_caught() -> None:
    """A secret that is no file of the secrets' folder is refused."""
    broken = load()
    broken["secrets"]["ledger_url"] = {"environment": "LEDGER_URL"}
    assert rules.secrets_by_file(broken) == ["secret ledger_url: is not a file of ./deploy/secrets/"]


def test_the_server_is_the_one_that_the_tests_run_on() -> None:
    """The images have the versions of the development server and of its UI."""
    said = _run([server.temporal_program(), "--version"]).stdout
    found = re.search(r"Server ([\d.]+), UI ([\d.]+)", said)
    assert found, said
    images = {name: one["image"] for name, one in load()["services"].items()}
    assert images["temporal"] == f"temporalio/server:{found[1]}"
    assert images["temporal-schema"] == images["temporal-namespace"] == f"temporalio/admin-tools:{found[1]}"
    assert images["temporal-ui"] == f"temporalio/ui:{found[2]}"


def test_the_server_gets_the_settings_of_baton_up() -> None:
    """The dynamic configuration says the same as the flags of the development server."""
    file = yaml.safe_load((ROOT / "deploy/temporal/dynamic-config.yaml").read_text())
    flags = {name: json.loads(value) for name, _, value in (one.partition("=") for one in server.DYNAMIC_CONFIG)}
    assert {name: values[0]["value"] for name, values in file.items()} == flags
    assert flags["limit.blobSize.error"] == 6_000_000


def test_all_speak_of_one_namespace_and_one_address() -> None:
    """Worker, job and UI name the same namespace and server, and printed links lead to the published port."""
    found = load()["services"]
    worker, job, ui = (rules.environment(found[name]) for name in ("worker", "temporal-namespace", "temporal-ui"))
    assert worker["TEMPORAL_NAMESPACE"] == job["TEMPORAL_NAMESPACE"] == ui["TEMPORAL_DEFAULT_NAMESPACE"]
    assert worker["TEMPORAL_ADDRESS"] == job["TEMPORAL_ADDRESS"] == ui["TEMPORAL_ADDRESS"] == "temporal:7233"
    assert worker["BATON_UI_URL"].removeprefix("http://") == found["temporal-ui"]["ports"][0].rpartition(":")[0]
    assert ui["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"


def test_what_is_used_is_there() -> None:
    """Every mounted file exists, and every secret, network and volume that is named is declared and used."""
    compose = load()
    every = compose["services"].values()
    sources = [one.split(":")[0] for service in every for one in service.get("volumes", [])]
    assert [one for one in sources if one.startswith(".") and not (ROOT / one).is_file()] == []
    assert {one for one in sources if not one.startswith(".")} == set(compose["volumes"])
    assert {one for service in every for one in service["networks"]} == set(compose["networks"])
    used = {one["source"] if isinstance(one, dict) else one for service in every for one in service.get("secrets", [])}
    assert used == set(compose["secrets"])


def test_databases_and_server_have_no_way_out() -> None:
    """Only the worker reaches beyond this machine, and only the UI is on a network that can publish."""
    compose = load()
    inside = {name for name, one in compose["networks"].items() if one.get("internal")}
    outside = {name for name, one in compose["services"].items() if set(one["networks"]) - inside}
    assert outside == {"worker", "temporal-ui"}


def test_the_worker_may_make_a_sandbox_and_little_else() -> None:
    """The filter lets bubblewrap's calls pass; the worker has no capability, cannot gain one and writes to its volume only."""
    worker = load()["services"]["worker"]
    options = dict(one.split("=", 1) for one in worker["security_opt"])
    profile = json.loads((ROOT / options["seccomp"]).read_text())
    denied = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}
    assert denied & DENIED_BY_DOCKER == set()
    assert {"bpf", "ptrace", "keyctl", "kexec_load", "init_module", "setns", "io_uring_setup"} <= denied
    assert (worker["cap_drop"], worker.get("cap_add"), options["no-new-privileges"]) == (["ALL"], None, "true")
    assert worker["read_only"] is True
    assert all(not one.get("privileged") for one in load()["services"].values())


def test_every_service_is_bounded_and_comes_back() -> None:
    """Each has limits for processors, memory and processes, bounded logs, and a restart policy."""
    for name, service in rules.services(load()):
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] in {"unless-stopped", "on-failure:3"}, name
        assert "no-new-privileges=true" in service["security_opt"], name
