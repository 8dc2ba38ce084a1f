"""Every setting of Baton, and the only place that reads the environment and `baton.toml`.

The first of these that sets it wins: a command's flag, `--context`, the environment (`BATON_…`), the context that
`BATON_CONTEXT` names, `baton.toml` in the working folder, the shipped `baton.toml` beside this file, the context in use, the
default here. The connection to Temporal is not here: it comes from the context and from Temporal's own profiles
(`temporal.toml`, `TEMPORAL_*`), which its CLI uses too.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

import contexts
import places
from contracts.authors import Author
from contracts.base_urls import Speaks, base_url_problem
from contracts.breakers import Breakers
from contracts.channels import Channel
from contracts.check_limits import CheckLimits
from contracts.console import ConsoleSetting
from contracts.desks import DeskSetting
from contracts.effects.targets import Target
from contracts.endpoints import EndpointSetting, declared
from contracts.errors import Misconfigured
from contracts.growth import Growth
from contracts.money import Ceilings
from contracts.programs import ProgramSetting
from contracts.relay import Relaying, Role
from contracts.step_resources import DatabaseSetting, FolderSetting, LogsSetting, Name
from contracts.value import MinutesBefore

HOME = Path(__file__).parent
"""Folder of agents/ and policy.toml unless settings say otherwise."""

FILES = (HOME / "baton.toml", Path("baton.toml"))
"""The shipped settings, then those of the working folder, which override them."""

UserPath = Annotated[Path, AfterValidator(places.expanded)]
"""A path as people write it: a leading `~` is their home, wherever the text comes from."""


def _unless_empty(otherwise: Callable[[], Path]) -> BeforeValidator:
    """An empty text sets nothing, as an empty variable does; taken as a path it would be the working folder."""
    return BeforeValidator(lambda value: otherwise() if value == "" else value)


OptionalPath = Annotated[UserPath | None, BeforeValidator(lambda value: None if value == "" else value)]
"""The same; an empty text names none, as an empty variable does that takes a setting of a file back."""

_Table = TypeVar(
    "_Table", ConsoleSetting, FolderSetting, LogsSetting, DatabaseSetting, DeskSetting, EndpointSetting, Target, ProgramSetting
)


def _expanded(tables: dict[str, _Table]) -> dict[str, _Table]:
    """The same with each path in them as `UserPath` takes it: the contracts do not know whose home it is."""
    paths = {name: [(key, value) for key, value in one if isinstance(value, Path)] for name, one in tables.items()}
    return {
        name: one.model_copy(update={key: places.expanded(value) for key, value in paths[name]}) for name, one in tables.items()
    }


def _base_url(url: str, speaks: Speaks | None = None) -> str:
    if url and (problem := base_url_problem(url, speaks)):
        raise ValueError(problem)
    return url


class Settings(BaseSettings):
    """All settings. An unknown key in baton.toml or an unknown BATON_ variable is refused by name."""

    # Split once: names below a table's keys have hyphens and capitals, which variables lose; what is deeper comes as JSON.
    model_config = SettingsConfigDict(
        env_prefix="BATON_", env_nested_delimiter="__", env_nested_max_split=1, toml_file=FILES, extra="forbid", frozen=True
    )

    state: Annotated[UserPath, AfterValidator(places.whole), _unless_empty(places.default_state)] = Field(
        default_factory=places.default_state, description="folder for everything that is kept on this machine"
    )
    ledger_url: str = Field(default="", description="SQLAlchemy URL of the ledger; empty: SQLite file ledger.db in `state`")
    ledger_url_file: OptionalPath = Field(default=None, description="file that holds the ledger's URL, for secrets")
    task_queue: str = Field(default="baton", description="Temporal task queue that workers serve and starters use")
    agents: Annotated[UserPath, _unless_empty(lambda: HOME / "agents")] = Field(
        default=HOME / "agents", description="folder of agent files, routes.toml and released.lock"
    )
    policy: Annotated[UserPath, _unless_empty(lambda: HOME / "policy.toml")] = Field(
        default=HOME / "policy.toml", description="the policy file"
    )
    model: str = Field(default="", description="provider:model that answers for every class, instead of routes.toml")
    model_free: bool = Field(default=False, description="the model in `model` costs nothing and needs no price")
    script: OptionalPath = Field(default=None, description="script that the `scripted` provider plays")
    # SecretStr, because settings may be printed in a log or a traceback, where a key must not be readable.
    anthropic_api_key: SecretStr = Field(default=SecretStr(""), description="also read from ANTHROPIC_API_KEY")
    anthropic_api_key_file: OptionalPath = Field(default=None, description="file that holds the key")
    anthropic_base_url: Annotated[str, AfterValidator(lambda url: _base_url(url, "messages"))] = Field(
        default="", description="another endpoint that speaks Anthropic's Messages: short for [providers.anthropic] base_url"
    )
    openai_api_key: SecretStr = Field(default=SecretStr(""), description="also read from OPENAI_API_KEY")
    openai_api_key_file: OptionalPath = Field(default=None, description="file that holds the key")
    openai_base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        default="", description="another endpoint that speaks one of OpenAI's formats: short for [providers.openai] base_url"
    )
    openai_api: Literal["auto", "responses", "chat"] = Field(
        default="auto", description="the format; auto: Responses for OpenAI itself, Chat Completions for openai_base_url"
    )
    providers: Annotated[dict[Name, EndpointSetting], AfterValidator(declared), AfterValidator(_expanded)] = Field(
        default={}, description="endpoints of models: tables in baton.toml"
    )
    proxy: SecretStr = Field(
        default=SecretStr(""),
        description='proxy to models, as http://USER:PASSWORD@HOST:PORT; "none": never one; empty: HTTPS_PROXY and the like',
    )
    prompt_cache: bool = Field(default=True, description="ask providers to cache prompt prefixes that will be sent again")
    ceilings: Ceilings = Field(default=Ceilings(), description="hard limits of money: a table in baton.toml")
    growth: Growth = Field(default=Growth(), description="when a step is unusually large: a table in baton.toml")
    checks: CheckLimits = Field(default=CheckLimits(), description="what one run of a check may use: a table in baton.toml")
    breakers: Breakers = Field(default=Breakers(), description="circuit breakers of models: a table in baton.toml")
    role: Role = Field(
        default="all", description="what a worker does; runs: all but actions; actions: only what is left to the relay"
    )
    relay: Relaying = Field(default=Relaying(), description="how often the relay tries an action: a table in baton.toml")
    folders: Annotated[dict[Name, FolderSetting], AfterValidator(_expanded)] = Field(
        default={}, description="folders that steps may read: tables in baton.toml"
    )
    logs: Annotated[dict[Name, LogsSetting], AfterValidator(_expanded)] = Field(
        default={}, description="log files that steps may read: tables in baton.toml"
    )
    databases: Annotated[dict[Name, DatabaseSetting], AfterValidator(_expanded)] = Field(
        default={}, description="databases that steps may ask: tables in baton.toml"
    )
    targets: Annotated[dict[Name, Target], AfterValidator(_expanded)] = Field(
        default={}, description="where actions may act: tables in baton.toml"
    )
    programs: Annotated[dict[Name, ProgramSetting], AfterValidator(_expanded)] = Field(
        default={}, description="outside programs that may do a step: tables in baton.toml"
    )
    desks: Annotated[dict[Name, DeskSetting], AfterValidator(_expanded)] = Field(
        default={}, description="support desks: tables in baton.toml"
    )
    minutes_before: MinutesBefore = Field(default={}, description="minutes that a case took before: a table in baton.toml")
    channels: dict[Name, Channel] = Field(default={}, description="where notices are sent: tables in baton.toml")
    console: Annotated[ConsoleSetting, AfterValidator(lambda one: _expanded({"": one})[""])] = Field(
        default=ConsoleSetting(), description="how people reach `baton console`: a table in baton.toml"
    )
    bubblewrap: OptionalPath = Field(default=None, description="the bwrap program; None: the bundled one, else the system's")
    sabotage_places: int = Field(
        default=12, ge=0, le=200, description="places of a change that are made to raise after a green check; 0: none"
    )
    sabotage_seconds: int = Field(default=600, ge=1, le=7200, description="seconds that all of these runs may take together")
    mirror_mib: int = Field(
        default=4096, gt=0, description="most MiB that the mirror of one repository may take on this machine"
    )
    keep_days: int = Field(
        default=0, ge=0, le=36_500, description="days after its end that a run keeps its conversations and files; 0: for ever"
    )
    push_author: Author = Field(default="Baton <baton@localhost>", description="author of the commits that are pushed")
    push_trailers: bool = Field(default=True, description="whether commits name the run and who approved them, as trailers")
    workflow_sandbox: bool = Field(default=False, description="run workflow code in Temporal's import sandbox (tests do)")
    log_format: Literal["auto", "json", "pretty"] = Field(default="auto", description="auto: pretty on a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least important lines that a worker logs"
    )
    failpoint: str = Field(default="", description="for tests: where a worker kills itself, see running/failpoints.py")
    server_replaced: bool = Field(
        default=False, description="the ledger's Temporal was replaced for good: the ledger belongs to the one that answers now"
    )
    ui_url: str = Field(default="http://127.0.0.1:8233", description="address of the Temporal Web UI, for the links we print")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the files; the context where it was named. Dotenv and secrets are not read."""
        del dotenv_settings, file_secret_settings
        chosen = contexts.chosen()
        set_here: dict[str, Any] = {} if chosen.context is None else dict(chosen.context.settings())
        context = InitSettingsSource(settings_cls, init_kwargs=set_here)
        # Deep: one key of a table in the working folder must not hide the shipped ones beside it.
        files = TomlConfigSettingsSource(settings_cls, deep_merge=True)
        order: dict[contexts.How, tuple[PydanticBaseSettingsSource, ...]] = {
            "flag": (init_settings, context, env_settings, files),
            "environment": (init_settings, env_settings, context, files),
            "use": (init_settings, env_settings, files, context),
        }
        return order[chosen.how]

    @property
    def database(self) -> str:
        """The ledger's SQLAlchemy URL. Raises `Misconfigured` if its secret file, or a home in it, cannot be read."""
        if self.ledger_url_file is not None:
            return places.whole_url(_secret_file(self.ledger_url_file))
        return places.whole_url(self.ledger_url) if self.ledger_url else places.sqlite_url(self.state.absolute() / "ledger.db")

    @property
    def artifacts(self) -> Path:
        """Folder of artifacts that are too large for the ledger."""
        return self.state.absolute() / "artifacts"

    @property
    def anthropic_key(self) -> str:
        """Anthropic's API key; "" if there is none. Raises `Misconfigured` if its file cannot be read."""
        return self._key(self.anthropic_api_key, self.anthropic_api_key_file, "ANTHROPIC_API_KEY")

    @property
    def openai_key(self) -> str:
        """OpenAI's API key; "" if there is none. Raises `Misconfigured` if its file cannot be read."""
        return self._key(self.openai_api_key, self.openai_api_key_file, "OPENAI_API_KEY")

    @property
    def environments(self) -> Path:
        """The folder of environments for checks that were made from what repositories declare."""
        return self.state.absolute() / "environments"

    def environment(self, names: Iterable[str]) -> dict[str, str]:
        """Environment variables for other programs, such as the ssh agent's for git, unchanged; unset ones are left out."""
        return {name: os.environ[name] for name in names if name in os.environ}

    def environment_like(self, pattern: re.Pattern[str]) -> dict[str, str]:
        """As `environment`, of all variables whose names begin as the pattern says: installers have many."""
        return {name: value for name, value in os.environ.items() if pattern.match(name)}

    def _key(self, value: SecretStr, file: Path | None, variable: str) -> str:
        # The vendor's own variable comes last: many programs share it, and what was set for Baton alone is more specific.
        return value.get_secret_value() or (_secret_file(file) if file else "") or os.environ.get(variable, "")


def load(**flags: Any) -> Settings:
    """The settings in force. Flags that are None are ignored. Raises `Misconfigured`, naming each wrong key."""
    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        # Place and message alone: pydantic's own text quotes the input, and that may be a secret.
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: {_wrong(one['type'], one['msg'])}" for one in error.errors()
        )
        raise Misconfigured(f"settings: {problems}. Look at baton.toml and the BATON_ variables") from None
    except SettingsError as error:
        # pydantic-settings names the field in its text only.
        named = re.search(r'field "(\w+)"', str(error))
        table = named[1] if named else "a table"
        raise Misconfigured(
            f"BATON_{table.upper()} is not JSON: set the keys of [{table}] one by one (BATON_{table.upper()}__KEY), "
            "or in baton.toml"
        ) from None
    except ValueError as error:  # last, as the two above are such, too; what is left is a file that is no TOML or no UTF-8
        raise Misconfigured(f"baton.toml cannot be read: {error}") from None


def _wrong(kind: str, said: str) -> str:
    """What is wrong with a value, for somebody who does not know what pydantic is."""
    if kind == "extra_forbidden":
        return "there is no such key; docs/reference.md lists them"
    if kind.startswith("time_delta"):
        return 'write a duration as ISO 8601, such as "PT90S", "PT30M" or "PT2H"'
    return said.removeprefix("Value error, ").replace("Input should", "it should", 1)


def _refuse_unknown_variables() -> None:
    """Raise `Misconfigured` for a BATON_ variable that is no setting: pydantic-settings would ignore a misspelt one."""
    known = {f"BATON_{name.upper()}" for name in Settings.model_fields} | {contexts.VARIABLE}
    given = [name for name in os.environ if re.match(r"BATON_", name)]
    # BATON_CEILINGS__RUN_USD is the key run_usd of the table [ceilings]; a wrong key is refused with the table.
    unknown = sorted(name for name in given if name.split("__")[0] not in known)
    if unknown:
        raise Misconfigured(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _secret_file(path: Path) -> str:
    try:
        # Editors and `echo` end a file with a line feed, which belongs to no key or URL.
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"the secret file {path} cannot be read: {error.strerror}") from None
