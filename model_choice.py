"""Which models a worker can reach, and which of them an agent gets. The only place that builds providers."""

import config
from activities.agents.agent import Agent
from activities.agents.catalogue import Catalogue
from activities.providers.base import ENDPOINTS, Provider
from activities.providers.proxy import VARIABLES, Way, way_to
from activities.providers.scripted import Scripted
from contracts.agents import Choice
from contracts.errors import Misconfigured


def build_providers(settings: config.Settings) -> dict[str, Provider]:
    """The providers this worker can reach: those with an API key, a base URL or a script."""
    found: dict[str, Provider] = {}
    # Imported only if used: each SDK costs at least a third of a second and tens of megabytes.
    if settings.anthropic_key:
        from activities.providers.anthropic import Anthropic

        found["anthropic"] = Anthropic(
            settings.anthropic_key,
            settings.anthropic_base_url or None,
            proxy=way(settings, "anthropic").proxy or None,
            prompt_cache=settings.prompt_cache,
        )
    if settings.openai_key or settings.openai_base_url:
        found["openai"] = _openai(settings)
    if settings.script is not None:
        found["scripted"] = Scripted(settings.script)
    return found


def _openai(settings: config.Settings) -> Provider:
    """OpenAI itself is called through Responses. Compatible endpoints speak Chat Completions and know fewer of its fields."""
    from activities.providers.openai import OpenAI
    from activities.providers.openai_responses import OpenAIResponses

    # The SDK wants a key, also for a local endpoint that takes none.
    key, url, proxy = settings.openai_key or "none", settings.openai_base_url or None, way(settings, "openai").proxy or None
    if settings.openai_api == "responses" or (settings.openai_api == "auto" and url is None):
        return OpenAIResponses(key, url, proxy=proxy, prompt_cache=settings.prompt_cache)
    cache = settings.prompt_cache and url is None
    return OpenAI(key, url, proxy=proxy, legacy_max_tokens=settings.openai_legacy_max_tokens, prompt_cache=cache)


def way(settings: config.Settings, provider: str) -> Way:
    """How this process reaches a provider's endpoint; empty for one that is not on a network. Raises `Misconfigured`."""
    own = {"anthropic": settings.anthropic_base_url, "openai": settings.openai_base_url}
    if provider not in ENDPOINTS:
        return Way()
    variables = settings.environment((*VARIABLES, *(name.upper() for name in VARIABLES)))
    return way_to(own[provider] or ENDPOINTS[provider], settings.proxy.get_secret_value().strip(), variables)


def choices(
    settings: config.Settings, catalogue: Catalogue, providers: dict[str, Provider], agent: Agent
) -> tuple[Choice, ...]:
    """The models this worker can call for an agent, in order. Raises `Misconfigured` if there is none."""
    wanted = routed(settings, catalogue, agent)
    usable = tuple(choice for choice in wanted if choice.provider in providers)
    if not usable:
        raise Misconfigured(
            f"no model is configured for {agent.file.name}: {', '.join(choice.model for choice in wanted)} cannot be reached. "
            "Set ANTHROPIC_API_KEY or OPENAI_API_KEY for the worker, or BATON_MODEL with BATON_OPENAI_BASE_URL; "
            "`make demo` needs none"
        )
    return usable


def routed(settings: config.Settings, catalogue: Catalogue, agent: Agent) -> tuple[Choice, ...]:
    """The models routed to an agent, whether or not this worker can reach them."""
    if settings.model:
        return (Choice(model=settings.model, free=settings.model_free),)
    return catalogue.routes.classes[agent.file.model_class]
