"""One setting of a configuration file gets another value, and every other byte stays. What is not clear is not changed."""

import pytest

from activities.files.setting_formats import NotClear
from activities.files.settings import changed, readable

INI = "; the shop\r\n[pay]\r\nbank = here\r\ncurrency_decimals = two\r\n\r\n[log]\r\nbank: there\r\nlong = a\r\n  b\r\n"
ENV = "# local\nexport SHOP_PORT=8080\nSHOP_NAME='the shop'\nSHOP_RATE=7 # percent\nSHOP_KEY=\n"
TOML = """title = "shop"   # port = 1
[pay]
port = 8080  # of the bank
hosts = ["a", "b"]
text = '''
port = 9
'''
[pay.log]
level = "info"
since = 2026-11-30
"""
JSON = '{\n  "pay": {"port": 8080, "name": "port", "on": true},\n  "log": {"port": "8080"}, "none": null, "ports": [1, 2]\n}\n'
YAML = """# of the shop
pay: {port: 8080, bank: here}
log:
  level: info   # or debug
  port: '8080'
  on: yes
  note: |
    level: debug
list:
  - name: a
    size: 1
  - name: b
    size: 2
"""


@pytest.mark.parametrize(
    ("name", "text", "setting", "value", "before", "after"),
    [
        ("pay.ini", INI, "currency_decimals", "2", "= two\r\n", "= 2\r\n"),
        ("pay.cfg", INI, "[log] bank", "home", "bank: there", "bank: home"),
        ("pay.conf", INI, "pay.bank", "at home", "", ""),
        (".env", ENV, "SHOP_PORT", "9090", "SHOP_PORT=8080", "SHOP_PORT=9090"),
        ("shop.env", ENV, "SHOP_NAME", "our shop", "'the shop'", "'our shop'"),
        (".env.local", ENV, "SHOP_KEY", "k", "SHOP_KEY=\n", "SHOP_KEY=k\n"),
        ("a.toml", TOML, "port", "9", "port = 8080", "port = 9"),
        ("a.toml", TOML, "pay.log.level", "debug", '"info"', '"debug"'),
        ("a.toml", TOML, "title", "stock", '"shop"', '"stock"'),
        ("a.json", JSON, "pay.port", "1.5", '"port": 8080', '"port": 1.5'),
        ("a.json", JSON, "log.port", "9090", '"8080"', '"9090"'),
        ("a.json", JSON, "on", "false", "true", "false"),
        ("a.yaml", YAML, "log.level", "warning", "level: info ", "level: warning "),
        ("a.yml", YAML, "pay.port", "9", "port: 8080,", "port: 9,"),
        ("a.yml", YAML, "bank", "at home", "bank: here}", "bank: at home}"),
        ("a.yml", YAML, "log.port", "9", "'8080'", "'9'"),
    ],
)
def test_one_value_changes_and_nothing_else(name: str, text: str, setting: str, value: str, before: str, after: str) -> None:
    """Comments, blanks, line ends, quotes and the order of keys are as they were."""
    if not before:  # blanks where there were none, and no quotes
        with pytest.raises(NotClear, match="blanks"):
            changed(name, text, setting, value)
        return
    assert text.count(before) == 1
    made = changed(name, text, setting, value)
    assert made.text == text.replace(before, after)
    assert changed(name, made.text, setting, value).text == made.text


@pytest.mark.parametrize(
    ("name", "text", "setting", "value", "why"),
    [
        ("pay.ini", INI, "bank", "home", "2 settings are called bank: pay.bank, log.bank"),
        ("pay.ini", INI, "banks", "home", "no setting in it is called banks"),
        ("pay.ini", INI, "long", "c", "several lines"),
        ("pay.ini", "[a]\nb = 1\nb = 2\n", "b", "3", "stands in it twice"),
        ("nginx.conf", "server {\n  listen 80;\n}\n", "listen", "81", "line 1 is neither"),
        (".env", 'A="1\nB=2\n"\n', "B", "3", "quotes that do not enclose"),
        (".env", ENV, "SHOP_RATE", "8", "a comment begins"),
        (".env", ENV, "SHOP_PORT", "$HOME", "read in different ways"),
        (".env", ENV, "SHOP_PORT", "1\nSHOP_ADMIN=yes", "read in different ways"),
        (".env", ENV, "SHOP_PORT", "1\u202e", "written as it is"),
        (".env", ENV, "SHOP_PORT", "", "written as it is"),
        ("a.toml", TOML, "port", "true", "is a number"),
        ("a.toml", TOML, "port", "9 # x", "more than one value"),
        ("a.toml", TOML, "hosts", "c", "no setting in it is called hosts"),
        ("a.toml", TOML, "hosts.0", "c", "cannot be changed without doubt"),
        ("a.toml", TOML, "since", "2026-11-29", "neither text, number"),
        ("a.toml", TOML, "title", "7", "may be meant as one or not"),
        ("a.json", JSON, "port", "9", "2 settings are called port"),
        ("a.json", JSON, "none", "9", "neither text"),
        ("a.json", JSON.replace('"name"', '"port"'), "pay.on", "false", "stands in it twice"),
        ("a.json", "// of the shop\n" + JSON, "on", "false", "cannot be read"),
        ("a.yaml", YAML, "size", "3", "2 settings are called size"),
        ("a.yaml", "a: &x 1\nb: *x\n", "a", "2", "cannot be changed without doubt"),
        ("a.yaml", "a: 1\na: 2\n", "a", "3", "twice"),
        ("a.yaml", YAML, "log.level", "b: c", "more than one value"),
        ("a.yaml", YAML, "log.level", "b # c", "cannot be changed without doubt"),
        ("a.yaml", "".join(f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]\n" for n in range(9)), "x", "1", "many"),
        ("a.yaml", "a: &a [*a]\nb: 1\n", "b", "2", "cannot be read"),
        ("a.json", "[" * 100_000, "b", "2", "cannot be read"),
        ("shop.xml", "<port>1</port>", "port", "2", "known formats"),
    ],
)
def test_what_is_not_clear_is_not_changed(name: str, text: str, setting: str, value: str, why: str) -> None:
    """The reason says what a person has to decide or do."""
    with pytest.raises(NotClear, match=why):
        changed(name, text, setting, value)


def test_what_has_become_unreadable_is_refused() -> None:
    """Of a format that is known; any other text may be anything."""
    readable("a.json", JSON)
    readable("nginx.conf", "listen 80;\n")
    readable("notes.txt", "{")
    with pytest.raises(NotClear, match="cannot be read"):
        readable("a.json", JSON.replace("true", "true,,"))
