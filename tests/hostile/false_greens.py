"""Checks that pass without the change being run or reached: what is said about each."""

from tests.hostile.lies import BETTER, BROKEN, PRICING, Lie
from tests.hostile.more_lies import RUST, rust

NOTHING = "the check noticed 0 of 1 place"
NO_TEST = "no test notices when these changed lines raise an error, or the file is emptied: "
BOTH = ("passed", "not_proven")
CALLS = "from shop.pricing import discount\n\n\ndef test_it():\n    "
"""The head of a test that calls the changed function in a way that shows nothing."""


def _only(test: str, change: str = BROKEN, **base: str) -> dict[str, dict[str, str]]:
    return {"base": {"tests/test_pricing.py": test} | base, "change": {"shop/pricing.py": change}}


def _added(text: str) -> dict[str, str | None]:
    return {"shop/pricing.py": PRICING + text}


PEOPLE = """\
from importlib.util import find_spec

if find_spec('numpy'):
    from shop.fast import half
else:
    def half(cents):
        return cents // 2
"""
FAST = "def half(cents):\n    return cents / 2\n"
TOOL = "import sys\n\nprint(int(sys.argv[1]) // 2)\n"
STYLE = "from pathlib import Path\n\nraise SystemExit('raise' in Path('shop/pricing.py').read_text())\n"
LATIN = "# -*- coding: latin-1 -*-\n"
HALF_JS = "exports.half = (cents) => cents / 2\n"
NODE = "const test = require('node:test')\nconst { half } = require('./half.js')\n\ntest('half', () => half(2))\n"

MOCKED = """\
from unittest.mock import patch

import shop.pricing


@patch('shop.pricing.discount', return_value=500)
def test_it(_):
    assert shop.pricing.discount(1000, 50) == 500
"""
RUNS_A_TOOL = "import subprocess\n\n\ndef test_tool():\n    subprocess.run(['python3', '-I', 'tool.py', '4'])\n"

FALSE_GREENS = [
    Lie(
        "another copy is first on the path",
        {"shop/pricing.py": BROKEN},
        NOTHING,
        base={"kept/shop/__init__.py": "", "kept/shop/pricing.py": PRICING},
        command="cd / && PYTHONPATH=/workspace/kept python -m pytest -q /workspace/tests",
    ),
    Lie(
        "the copy at the root hides the one in src",
        {"src/shop/pricing.py": BROKEN},
        NOTHING,
        base={"src/shop/__init__.py": "", "src/shop/pricing.py": PRICING},
    ),
    Lie(
        "code behind a return",
        {"shop/pricing.py": PRICING.replace("    return sum(prices)", "    return sum(prices)\n    return -1")},
        NOTHING,
    ),
    Lie(
        "code for another system",
        {
            "shop/pricing.py": "import sys\n\n\n"
            + PRICING.replace("    return sum(", "    if sys.platform == 'win32':\n        return -1\n    return sum(")
        },
        NO_TEST + "shop/pricing.py:10 (total)",
        BOTH,
    ),
    Lie(
        "tests that replace the function",
        {"shop/pricing.py": BROKEN},
        NOTHING,
        base={"tests/test_pricing.py": MOCKED},
    ),
    Lie("tests that only import", said=NOTHING, **_only(CALLS + "assert discount\n")),
    Lie(
        "an error that is swallowed",
        said=NOTHING,
        **_only(CALLS + "try:\n        discount(1000, 50)\n    except BaseException:\n        pass\n"),
    ),
    Lie(
        "a test that expects any error",
        said=NOTHING,
        **_only("import pytest\n" + CALLS + "with pytest.raises(BaseException):\n        discount('a', 50)\n"),
    ),
    Lie(
        "a default that is never taken",
        {
            "shop/pricing.py": PRICING.replace(
                "percent):\n", "percent=None):\n    if percent is None:\n        percent = 1 / 0\n"
            )
        },
        NO_TEST + "shop/pricing.py:3 (discount)",
        BOTH,
    ),
    Lie(
        "a function that nobody calls",
        _added("\n\ndef tax(cents):\n    return cents / 0\n"),
        NO_TEST + "shop/pricing.py:9-10 (tax)",
        BOTH,
    ),
    Lie(
        "a method that nobody calls",
        _added("\n\nclass Cart:\n    def total(self):\n        return 1 / 0\n"),
        NO_TEST + "shop/pricing.py:10-11 (Cart.total)",
        BOTH,
    ),
    Lie(
        "data that nobody reads",
        {"data/rates.json": '{"rate": 6}\n'},
        NO_TEST + "data/rates.json:1 (emptied)",
        base={"data/rates.json": '{"rate": 5}\n'},
    ),
    Lie(
        "a template that nobody fills in",
        {"templates/mail.html": "<p>{{ cents }}</p>\n"},
        NO_TEST + "templates/mail.html:1 (emptied)",
    ),
    Lie(
        "what code is generated from",
        {"shop/price.proto": "message Price { int64 cents = 1; }\n"},
        NO_TEST + "shop/price.proto:1 (emptied)",
        base={"shop/price.proto": "message Price { int32 cents = 1; }\n"},
    ),
    Lie("generated code that nobody imports", {"shop/price_pb2.py": "CENTS = 1\n"}, NOTHING),
    Lie(
        "texts alone",
        {"README.md": "prices\n"},
        "the check says nothing about these files, which are no source: README.md",
        ("passed",),
        low=True,
    ),
    Lie(
        "a program that another interpreter runs",
        {"tool.py": TOOL.replace("//", "-")},
        NOTHING,
        base={
            "tool.py": TOOL,
            "tests/test_tool.py": RUNS_A_TOOL,
        },
    ),
    Lie(
        "a module that is imported under a condition",
        {"shop/fast.py": FAST.replace("/ 2", "- 2")},
        NOTHING,
        base={
            "shop/fast.py": FAST,
            "shop/people.py": PEOPLE,
            "tests/test_people.py": "from shop.people import half\n\n\ndef test_half():\n    assert half(4) == 2\n",
        },
    ),
    Lie(
        "names for types alone",
        {
            "shop/pricing.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from nowhere import Cents\n\n\n"
            + PRICING
        },
        NO_TEST + "shop/pricing.py:4",
        BOTH,
    ),
    Lie(
        "what runs as a program only",
        _added("\n\nif __name__ == '__main__':\n    print(discount())\n"),
        NO_TEST + "shop/pricing.py:10",
        BOTH,
    ),
    Lie(
        "a generator that nobody walks through",
        said=NOTHING,
        **_only(
            "from shop.pricing import each\n\n\ndef test_it():\n    assert each([1])\n",
            PRICING + "\n\ndef each(prices):\n    for one in prices:\n        yield one / 0\n",
            **{"shop/pricing.py": PRICING + "\n\ndef each(prices):\n    for one in prices:\n        yield one\n"},
        ),
    ),
    Lie(
        "a coroutine that nobody awaits",
        said=NOTHING,
        **_only(
            "from shop.pricing import load\n\n\ndef test_it():\n    load().close()\n",
            PRICING + "\n\nasync def load():\n    return 1 / 0\n",
            **{"shop/pricing.py": PRICING + "\n\nasync def load():\n    return 1\n"},
        ),
    ),
    Lie(
        "a style check that dislikes the fault",
        {"shop/pricing.py": BETTER},
        "or the check fails on the copy without one: shop/pricing.py:2",
        ("passed",),
        base={"style.py": STYLE},
        command="python style.py",
    ),
    Lie(
        "a source in another encoding",
        {"shop/pricing.py": LATIN + BETTER + "# \udce9\n"},
        "not tried, because an error cannot be raised there",
        ("passed",),
    ),
    Lie(
        "a language whose lines cannot be made to raise",
        {"shop/Cart.kt": "val rate = 1 / 0\n"},
        "lines of this language cannot be made to raise an error: shop/Cart.kt",
        ("passed",),
    ),
    Lie(
        "a function of JavaScript that nobody calls",
        {"half.js": HALF_JS + "exports.third = (cents) => cents / zero\n"},
        NOTHING,
        base={"half.js": HALF_JS, "half.test.js": NODE},
        command="node --test",
    ),
    Lie(
        "a branch of JavaScript that nobody takes",
        {"half.js": "exports.half = (cents) => {\n  if (cents < 0) {\n    return zero\n  }\n  return cents / 2\n}\n"},
        NO_TEST + "half.js:3 (half)",
        BOTH,
        base={"half.js": HALF_JS, "half.test.js": NODE},
        command="node --test",
    ),
    rust(
        "a function of Rust in which nothing can raise",
        RUST.replace("cents / 3", "cents / 3 + 0"),
        "or the check fails on the copy without one: src/lib.rs:6",
        ("passed",),
    ),
]
