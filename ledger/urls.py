"""The ledger's URL: the forms that are taken, and what to write in place of others. Errors show nothing secret."""

import re
from typing import NoReturn

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from contracts.errors import Misconfigured

FORMS = "write sqlite:////FOLDER/FILE.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE"

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_SQLITE = ("sqlite", "sqlite+pysqlite")
_KIND = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,40})://")
_WORDS = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|password|service|sslmode)\s*=")


def read(text: str) -> URL:
    """The URL as SQLAlchemy takes it. `postgres://` and `postgresql://` mean the driver that is installed here.

    Raises `Misconfigured` for anything else than a file of SQLite or a database of PostgreSQL.
    """
    text = text.strip()
    kind = _KIND.match(text)
    if kind is None:
        _refuse(_unlike(text))
    name = kind[1].lower()
    if name not in (*_POSTGRESQL, *_SQLITE):
        _refuse(_unknown(name))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # a port that is no number is a plain ValueError
        _refuse(f"it cannot be read as a {name} URL; see that its port is a number and that each part is in its place")
    return _file(url) if name in _SQLITE else _server(url)


def shown(url: URL) -> str:
    """The URL for people, without its password, wherever that stands."""
    secret = [name for name in url.query if "password" in name.lower()]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def _file(url: URL) -> URL:
    if url.host:
        _refuse("it names a host; a file of SQLite has three slashes before a relative path and four before an absolute one")
    if not url.database or url.database == ":memory:":
        _refuse("it names no file, and the ledger has to outlive the process")
    return url


def _server(url: URL) -> URL:
    # What stands before an @ in the host is the end of a password, and a driver's error would show it.
    if url.host and "@" in url.host:
        _refuse("there is more than one @ in it; inside a password or a name write %40 for @")
    if url.port is not None and not 0 < url.port < 65_536:
        _refuse(f"{url.port} is no port")
    _check_options(url)
    return url.set(drivername="postgresql+psycopg")


def _check_options(url: URL) -> None:
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    for name in url.query:
        try:
            make_conninfo("", **{name: ""})
        except ProgrammingError:
            _refuse(f"PostgreSQL knows no option {name[:40]!r}; those after the ? are libpq's, such as sslmode=require")


def _unlike(text: str) -> str:
    if not text:
        return "it is empty"
    if text[0] in "\"'" and text[-1] == text[0]:
        return "it is in quotation marks, which only a shell takes away; leave them out"
    if text.startswith("jdbc:"):
        return "it is a URL of JDBC; leave jdbc: out, and put user and password before the host"
    if _WORDS.match(text):
        return "it is in libpq's form of words, and a URL is wanted"
    if text.startswith(("/", "./", "../", "~")):
        return "it is a path; put sqlite:/// before it"
    return "it is no URL"


def _unknown(name: str) -> str:
    base, _, driver = name.partition("+")
    if driver and base in (*_POSTGRESQL, *_SQLITE):
        return f"the driver {driver} is not used here; leave +{driver} out"
    return f"{name} is no database that can hold the ledger"


def _refuse(why: str) -> NoReturn:
    raise Misconfigured(f"ledger_url: {why}. For the ledger {FORMS}")
