"""What must hold in docker-compose.yml beyond its form. Each rule gives back what is wrong, in words; [] when it holds."""

import re
from collections.abc import Iterator
from typing import Any

from config import Settings

Compose = dict[str, Any]

SECRET_WORD = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|(?:LEDGER|DATABASE)_URL")
PASSWORD_IN_URL = re.compile(r"://[^/\s:]*:[^/\s@]+@")
FULL_VERSION = re.compile(r"\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?")
SECRET_FOLDER = "./deploy/secrets/"


def services(compose: Compose) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and description of each service."""
    yield from compose["services"].items()


def environment(service: dict[str, Any]) -> dict[str, str]:
    """The variables of a service, from either way to write them."""
    given = service.get("environment", {})
    if isinstance(given, list):
        given = dict(one.partition("=")[::2] for one in given)
    return {name: str(value) for name, value in given.items()}


def pinned(compose: Compose) -> list[str]:
    """Every image has a full version as its tag and comes from the default registry under its short name."""
    wrong = []
    for name, service in services(compose):
        image = service.get("image", "")
        repository, _, tag = image.partition(":")
        if not FULL_VERSION.fullmatch(tag.partition("@")[0]):
            wrong.append(f"{name}: image {image!r} is not pinned to a full version")
        if "." in repository:
            wrong.append(f"{name}: image {image!r} names a registry")
        if "build" in service and service.get("pull_policy") != "build":
            wrong.append(f"{name}: an image that we build could be pulled from somebody else")
    return wrong


def watched(compose: Compose) -> list[str]:
    """Every service has a health check, or is a job that ends and that somebody waits for."""
    waits = [wait for _, service in services(compose) for wait in _waits(service)]
    wrong = [f"{other}: waits for {name} without saying for what" for name, other in waits if not other]
    for name, service in services(compose):
        check = service.get("healthcheck", {})
        ends = str(service.get("restart", "no")).startswith(("no", "on-failure:"))
        if check.get("test", ["NONE"])[0] != "NONE" and not check.get("disable"):
            continue
        if not (ends and (name, "service_completed_successfully") in waits):
            wrong.append(f"{name}: has no health check and is no job that somebody waits for")
    return wrong


def _waits(service: dict[str, Any]) -> list[tuple[str, str]]:
    given = service.get("depends_on", {})
    if isinstance(given, list):
        return [(name, "") for name in given]
    return [(name, one["condition"]) for name, one in given.items()]


def loopback(compose: Compose) -> list[str]:
    """Ports are published on this machine's loopback only, and not those of databases or of Temporal's server."""
    wrong = []
    for name, service in services(compose):
        if "network_mode" in service:
            wrong.append(f"{name}: network_mode goes around the networks")
        for port in service.get("ports", []):
            host = port.get("host_ip", "") if isinstance(port, dict) else str(port).rpartition(":")[0].rpartition(":")[0]
            if host != "127.0.0.1":
                wrong.append(f"{name}: port {port} is published beyond 127.0.0.1")
            if name != "temporal-ui":
                wrong.append(f"{name}: port {port} is published, and only the UI's may be")
    return wrong


def real_settings(compose: Compose) -> list[str]:
    """Every BATON_ variable is a setting."""
    known = {f"BATON_{name.upper()}" for name in Settings.model_fields}
    named = [(name, one) for name, service in services(compose) for one in environment(service)]
    return [f"{name}: {one} is no setting" for name, one in named if one.startswith("BATON_") and one not in known]


def secrets_by_file(compose: Compose) -> list[str]:
    """No secret stands in the file, in a variable or in the image: all are files of deploy/secrets."""
    wrong = [
        f"secret {name}: is not a file of {SECRET_FOLDER}"
        for name, one in compose.get("secrets", {}).items()
        if one != {"file": SECRET_FOLDER + name}
    ]
    for name, service in services(compose):
        mounted = _mounted(service)
        for variable, value in environment(service).items():
            wrong += [f"{name}: {problem}" for problem in _leaks(variable, value, mounted)]
        if "env_file" in service or _arguments(service):
            wrong.append(f"{name}: variables come from a file or go into the build; name them here")
    return wrong


def _leaks(variable: str, value: str, mounted: set[str]) -> list[str]:
    if variable.endswith("_FILE"):
        return [] if value in mounted else [f"{variable} names {value}, which is not mounted"]
    if SECRET_WORD.search(variable):
        return [f"{variable} holds a secret; give a file"]
    return [f"{variable} holds a password or takes one from outside"] if PASSWORD_IN_URL.search(value) or "$" in value else []


def _mounted(service: dict[str, Any]) -> set[str]:
    given = [one if isinstance(one, dict) else {"source": one} for one in service.get("secrets", [])]
    return {one.get("target", f"/run/secrets/{one['source']}") for one in given}


def _arguments(service: dict[str, Any]) -> bool:
    build = service.get("build", {})
    return isinstance(build, dict) and ("args" in build or "secrets" in build)


RULES = (pinned, watched, loopback, real_settings, secrets_by_file)
