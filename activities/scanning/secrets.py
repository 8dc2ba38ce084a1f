"""Keys and passwords in added lines, by the forms that those who issue them publish. Pure.

A table of our own: the libraries that know such forms bring an HTTP client with them, to try keys out, and a good part of what
they find goes by how random a text looks. Decision 25 says more.
"""

import re
from collections.abc import Iterator

_FORMS: tuple[tuple[str, str, str], ...] = (
    ("private-key", "a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("aws-key", "an AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    ("github-token", "a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
    ("gitlab-token", "a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("slack-token", "a Slack token", r"\bxox[abposr]-[A-Za-z0-9-]{10,}"),
    ("slack-webhook", "the address of a Slack webhook", r"https://hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}"),
    ("stripe-key", "a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    ("google-key", "a Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("anthropic-key", "an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("openai-key", "an OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    ("pypi-token", "a PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    ("npm-token", "an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("sendgrid-key", "a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"),
    ("twilio-key", "a Twilio key", r"\bSK[0-9a-f]{32}\b"),
    ("azure-key", "an Azure storage key", r"\bAccountKey=[A-Za-z0-9+/]{86}=="),
    ("jwt", "a signed JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    (
        "password-in-url",
        "a password in an address",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,80}:(?![$%{<*])[^\s/:@'\"]{3,80}@[\w.-]+",
    ),
)
_KNOWN = tuple((rule, what, re.compile(form)) for rule, what, form in _FORMS)

_STAND_IN = re.compile(r"EXAMPLE|(?i:x{6}|placeholder|changeme|your[_-]|dummy)|(.)\1{7}")
"""What documentation writes where a key would stand."""

SCANNED = 20_000
"""Characters of one line that are looked at."""

_LOOSE = frozenset({"password-in-url", "jwt"})


def secrets_in(line: str) -> Iterator[tuple[str, str, int, int]]:
    """The rule, what it is, how sure, and where in the line it begins, for each key in a line."""
    for rule, what, form in _KNOWN:
        found = form.search(line, 0, SCANNED)
        if found is not None and not _STAND_IN.search(found[0]):
            yield f"secret-{rule}", what, 500 if rule in _LOOSE else 900, found.start()
