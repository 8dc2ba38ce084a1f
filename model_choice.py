"""Which models a worker can reach, and which of them an agent gets. The only place that builds providers."""

from collections.abc import Mapping

import config
from activities.agents.agent import Agent
from activities.agents.catalogue import Catalogue
from activities.money.prices import refuse_unknown_vendors
from activities.providers.base import ENDPOINTS, Provider
from activities.providers.endpoints import ShortForm, caches, key_source, resolved
from activities.providers.keys import Key
from activities.providers.program import Program
from activities.providers.proxy import VARIABLES, Way, way_to
from activities.providers.scripted import Scripted
from activities.sandbox import find_bubblewrap
from contracts.agents import Choice
from contracts.endpoints import Capabilities, EndpointSetting
from contracts.errors import Misconfigured, NoModel
from contracts.programs import PROGRAM

BEST = 9
"""The highest quality of a choice: good enough for any minimum of routes.toml."""

LEAST_THINKING = 1024
"""Fewest tokens of a thinking budget that Anthropic's Messages accepts, by its documentation of extended thinking."""


def build_providers(settings: config.Settings) -> dict[str, Provider]:
    """The providers this worker can reach: those with an API key, an endpoint that wants none, or a script."""
    found: dict[str, Provider] = {}
    for name, setting in endpoints(settings).items():
        key = key_of(settings, name, setting)
        if key is not None:
            found[name] = _provider(settings, name, setting, key)
    if settings.script is not None:
        found["scripted"] = Scripted(settings.script)
    if settings.programs and find_bubblewrap(settings.bubblewrap) is not None:
        found[PROGRAM] = Program()
    return found


def build_provider(settings: config.Settings, name: str, capable: Capabilities) -> Provider:
    """The provider of an endpoint that has a key or wants none, as if it and each of its models could do just this.

    For a probe; in runs the settings say what an endpoint can do. Raises `Misconfigured` if there is no such endpoint.
    """
    setting = endpoints(settings).get(name)
    key = None if setting is None else key_of(settings, name, setting)
    if setting is None or key is None:
        raise Misconfigured(f"there is no endpoint {name!r} with a key")
    return _provider(settings, name, setting.model_copy(update={"capabilities": capable, "models": {}}), key)


def endpoints(settings: config.Settings) -> dict[str, EndpointSetting]:
    """Every endpoint that the settings name, with or without its key. Raises `Misconfigured`."""
    short = {
        "anthropic": ShortForm(settings.anthropic_base_url, "messages", bool(settings.anthropic_key)),
        "openai": ShortForm(settings.openai_base_url, settings.openai_api, bool(settings.openai_key)),
    }
    return resolved(settings.providers, short)


def key_of(settings: config.Settings, name: str, setting: EndpointSetting) -> Key | None:
    """The key of an endpoint; an empty one where it wants none, and None where it wants one that is not there.

    Raises `Misconfigured` if its file cannot be read.
    """
    if setting.auth == "none":
        return Key()
    key = _named_key(settings, name, setting)
    if key.current():
        return key
    return None if key_source(setting) or setting.base_url == ENDPOINTS.get(name) else key


def lacking(settings: config.Settings, provider: str) -> str:
    """What is not there, for people, where `build_providers` has no provider of this name."""
    if provider == "scripted":
        return "no script is set"
    if provider == PROGRAM:
        return "no [programs.NAME] is declared" if not settings.programs else "there is no sandbox for programs to run in"
    setting = endpoints(settings).get(provider)
    if setting is not None and key_source(setting):
        return f"[providers.{provider}] names {key_source(setting)}, which holds no key"
    if provider in ENDPOINTS:
        return f"{provider} has no key"
    named = ", ".join(sorted(settings.providers))
    return f"there is no table [providers.{provider}]" + (f", only {named}" if named else "")


def _named_key(settings: config.Settings, name: str, setting: EndpointSetting) -> Key:
    if setting.key_env:
        return Key(settings.environment([setting.key_env]).get(setting.key_env, "").strip())
    if setting.key_file is not None:
        return Key(file=setting.key_file)
    if name == "anthropic":
        direct, file, shared = settings.anthropic_api_key, settings.anthropic_api_key_file, settings.anthropic_key
    elif name == "openai":
        direct, file, shared = settings.openai_api_key, settings.openai_api_key_file, settings.openai_key
    else:
        return Key()
    return Key(file=file) if file is not None and not direct.get_secret_value() else Key(shared)


def _provider(settings: config.Settings, name: str, setting: EndpointSetting, key: Key) -> Provider:
    # Imported only if used: each SDK costs at least a third of a second and tens of megabytes.
    proxy = way(settings, name).proxy or None
    cache = settings.prompt_cache and caches(name, setting)
    url = setting.base_url
    if setting.speaks == "messages":
        from activities.providers.anthropic import Anthropic

        return Anthropic(key, url, name=name, proxy=proxy, prompt_cache=cache, setting=setting)
    if setting.speaks == "responses":
        from activities.providers.openai_responses import OpenAIResponses

        return OpenAIResponses(key, url, name=name, proxy=proxy, prompt_cache=cache, setting=setting)
    from activities.providers.openai import OpenAI

    return OpenAI(key, url, name=name, proxy=proxy, prompt_cache=cache, setting=setting)


def way(settings: config.Settings, provider: str) -> Way:
    """How this process reaches a provider's endpoint; empty for one that is not on a network. Raises `Misconfigured`."""
    setting = endpoints(settings).get(provider)
    if setting is None and provider not in ENDPOINTS:
        return Way()
    url, own = (ENDPOINTS[provider], "") if setting is None else (setting.base_url, setting.proxy.get_secret_value().strip())
    variables = settings.environment((*VARIABLES, *(name.upper() for name in VARIABLES)))
    return way_to(url, own or settings.proxy.get_secret_value().strip(), variables)


def vendors(settings: config.Settings) -> dict[str, str]:
    """Whose prices count at each endpoint that is named; "" for one whose table does not say.

    Raises `Misconfigured` for a vendor that the list of prices does not have.
    """
    found = {name: setting.vendor for name, setting in endpoints(settings).items()}
    if settings.providers:  # the shipped names are known to be there
        refuse_unknown_vendors(found)
    return found


def choices(
    settings: config.Settings, catalogue: Catalogue, providers: dict[str, Provider], agent: Agent
) -> tuple[Choice, ...]:
    """The models this worker can call for an agent, in order. Raises `NoModel` if there is none."""
    wanted = routed(settings, catalogue, agent)
    usable = tuple(choice for choice in wanted if choice.is_person or choice.provider in providers)
    if not usable:
        names = dict.fromkeys(choice.provider for choice in wanted)
        raise NoModel(
            f"no model is configured for {agent.file.name}: {', '.join(choice.model for choice in wanted)} cannot be reached "
            f"({'; '.join(lacking(settings, name) for name in names)}). "
            "Set ANTHROPIC_API_KEY or OPENAI_API_KEY for the worker, or BATON_MODEL and a table [providers.NAME]; "
            "`make demo` needs none"
        )
    return usable


def routed(settings: config.Settings, catalogue: Catalogue, agent: Agent) -> tuple[Choice, ...]:
    """The models routed to an agent, whether or not this worker can reach them. Raises `Misconfigured` as `at_endpoint`."""
    named = endpoints(settings)
    own = catalogue.routes.of(agent.file.name, agent.file.model_class)
    found = tuple(at_endpoint(one, named) for one in in_force(settings, {"": own})[""])
    limit = agent.file.limits.output_tokens
    for one in found:
        # What is thought counts as output: with nothing left for an answer the endpoint refuses every call.
        if one.thinking_budget is not None and one.thinking_budget >= limit:
            raise Misconfigured(
                f"routes.toml, {one.model}: thinking_budget is {one.thinking_budget}, and one reply of {agent.file.name} has "
                f"at most {limit} tokens, thoughts included; set it below that, or give class {agent.file.model_class!r} a "
                "choice without it"
            )
    return found


def in_force(settings: config.Settings, classes: Mapping[str, tuple[Choice, ...]]) -> dict[str, tuple[Choice, ...]]:
    """The choices of each class: those of routes.toml, unless the setting `model` names the only model.

    It stands for the models, not for people or outside programs: where a route leads to one it still does.
    """
    if not settings.model:
        return dict(classes)
    # Who names one model for everything means it for every risk, too.
    only = Choice(model=settings.model, free=settings.model_free, quality=BEST)
    return {name: _with_only(only, choices) for name, choices in classes.items()}


def _with_only(only: Choice, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    if not _is_model(only) or all(_is_model(one) for one in choices):
        return (only,)
    return tuple(dict.fromkeys(only if _is_model(one) else one for one in choices))


def _is_model(choice: Choice) -> bool:
    return not choice.is_person and choice.provider != PROGRAM


def at_endpoint(choice: Choice, named: Mapping[str, EndpointSetting]) -> Choice:
    """The choice with what its endpoint's table says of it. Raises `Misconfigured` for options that its format has not."""
    setting = None if choice.is_person else named.get(choice.provider)
    if setting is None:
        return choice
    problem = choice.unsupported(setting.speaks) if setting.speaks is not None else ""
    if setting.vendor == "anthropic" and choice.thinking_budget is not None and choice.thinking_budget < LEAST_THINKING:
        problem = f"thinking_budget is {choice.thinking_budget}, and Anthropic takes {LEAST_THINKING} or more"
    if problem:
        raise Misconfigured(f"routes.toml, {choice.model}: {problem}")
    return choice.model_copy(update={"free": True}) if setting.free else choice
