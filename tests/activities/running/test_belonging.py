"""Which activities a worker with another ledger leaves alone: all of them, whatever they are asked."""

import importlib
import inspect
import pkgutil
import typing

import activities
from contracts.runs import Request


def _asked() -> dict[str, list[typing.Any]]:
    """The types of the arguments of every activity."""
    found = {}
    for module in pkgutil.walk_packages(activities.__path__, "activities."):
        if ".sabotage" in module.name:
            continue  # it runs in the sandbox, with another Python's modules
        loaded = importlib.import_module(module.name)
        for _, owner in inspect.getmembers(loaded, inspect.isclass):
            for name, method in inspect.getmembers(owner, inspect.isfunction):
                if owner.__module__ == module.name and hasattr(method, "__temporal_activity_definition"):
                    hints = typing.get_type_hints(method)
                    found[name] = [hints[one] for one in hints if one != "return"]
    return found


def test_every_activity_says_for_which_run_it_is_asked() -> None:
    """One that took something else would be done by whatever worker has the queue, into a ledger that has no such run."""
    asked = _asked()
    assert len(asked) >= 30
    others = {name for name, types in asked.items() if not (len(types) == 1 and issubclass(types[0], Request))}
    assert others == set()
