"""Paths whose change means more than its lines say: what runs by itself, holds secrets, is generated, or is installed.

One table for every ecosystem. Patterns are globs (`contracts/globs.py`) at any depth, and upper and lower case do not tell
paths apart: macOS and Windows open `makefile` for `Makefile`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from contracts.globs import at_any_depth, shape

RiskKind = Literal["runs_itself", "secret", "installed", "generated"]

SHOWN = 5
"""Most paths that are named for one kind."""


@dataclass(frozen=True)
class Rule:
    """Paths of one ecosystem, what they are, and the page that says so. `unless` are look-alikes."""

    kind: RiskKind
    ecosystem: str
    paths: str
    source: str
    unless: str = ""


RULES: tuple[Rule, ...] = (
    Rule(
        "runs_itself",
        "GitHub",
        ".github/workflows/** .github/actions/** action.yml action.yaml .github/dependabot.yml .github/codeowners codeowners",
        "https://docs.github.com/en/actions",
    ),
    Rule(
        "runs_itself",
        "GitLab",
        ".gitlab-ci.yml .gitlab-ci/** .gitlab/ci/** *.gitlab-ci.yml",
        "https://docs.gitlab.com/ci/yaml/",
    ),
    Rule(
        "runs_itself",
        "Gitea and Forgejo",
        ".gitea/workflows/** .forgejo/workflows/**",
        "https://forgejo.org/docs/latest/user/actions/",
    ),
    Rule(
        "runs_itself",
        "other CI services",
        ".ci/** .circleci/** .travis.yml azure-pipelines*.yml .azure-pipelines/** bitbucket-pipelines.yml .buildkite/** "
        ".drone.yml .woodpecker.yml .woodpecker/** .semaphore/** appveyor.yml .appveyor.yml cloudbuild.yaml "
        "buildspec.yml "
        ".tekton/** .cirrus.yml .teamcity/** codemagic.yaml",
        "the configuration reference of each service",
    ),
    Rule(
        "runs_itself",
        "Jenkins",
        "jenkinsfile jenkinsfile.* *.jenkinsfile",
        "https://www.jenkins.io/doc/book/pipeline/jenkinsfile/",
    ),
    Rule(
        "runs_itself",
        "git",
        ".husky/** .githooks/** githooks/** .pre-commit-config.yaml .pre-commit-hooks.yaml lefthook.yml .lefthook.yml "
        ".lefthook/** "
        ".gitattributes .gitmodules .gitconfig .lfsconfig",
        "https://git-scm.com/docs/githooks and https://git-scm.com/docs/gitattributes",
    ),
    Rule(
        "runs_itself",
        "Python",
        "conftest.py setup.py setup.cfg pyproject.toml pytest.ini .pytest.ini tox.ini noxfile.py sitecustomize.py "
        "usercustomize.py *.pth fabfile.py dodo.py",
        "https://docs.python.org/3/library/site.html and https://docs.pytest.org/en/stable/reference/customize.html",
    ),
    Rule(
        "runs_itself",
        "JavaScript",
        "package.json .npmrc .yarnrc .yarnrc.yml .yarn/** .pnpmfile.cjs *.config.js *.config.cjs *.config.mjs "
        "*.config.ts .babelrc* "
        ".eslintrc* gulpfile.* gruntfile.* karma.conf.* .mocharc.*",
        "https://docs.npmjs.com/cli/using-npm/scripts",
    ),
    Rule(
        "runs_itself", "Rust", "build.rs cargo.toml .cargo/**", "https://doc.rust-lang.org/cargo/reference/build-scripts.html"
    ),
    Rule(
        "runs_itself",
        "JVM",
        "pom.xml .mvn/** mvnw mvnw.cmd build.gradle* settings.gradle* gradlew gradlew.bat gradle/wrapper/** "
        "buildsrc/** build.sbt "
        "project/*.sbt build.xml",
        "https://docs.gradle.org/current/userguide/build_lifecycle.html",
    ),
    Rule(
        "runs_itself",
        "build tools",
        "makefile gnumakefile *.mk justfile .justfile taskfile.yml taskfile.yaml rakefile cmakelists.txt *.cmake "
        "meson.build build.bazel "
        "workspace.bazel module.bazel .bazelrc sconstruct configure configure.ac",
        "https://www.gnu.org/software/make/manual/ and the manual of each tool",
    ),
    Rule(
        "runs_itself",
        "other languages",
        "gemfile *.gemspec composer.json mix.exs package.swift *.csproj *.fsproj *.vbproj directory.build.* *.targets *.nix",
        "the build reference of each language",
    ),
    Rule(
        "runs_itself",
        "containers and hosting",
        "dockerfile dockerfile.* *.dockerfile docker-compose*.yml docker-compose*.yaml compose.yml compose.yaml "
        ".devcontainer/** "
        "procfile fly.toml vercel.json netlify.toml serverless.yml render.yaml *.tf crontab *.service *.timer",
        "https://docs.docker.com/reference/dockerfile/ and the reference of each host",
    ),
    Rule(
        "runs_itself",
        "editors and shells",
        ".vscode/** .idea/** .envrc .vimrc .exrc .nvimrc .dir-locals.el",
        "https://code.visualstudio.com/docs/editing/workspaces/workspace-trust and https://direnv.net/",
    ),
    Rule(
        "runs_itself",
        "agents",
        "agents.md claude.md gemini.md .claude/** .cursor/** .cursorrules .windsurfrules .windsurf/** "
        ".github/copilot-instructions.md "
        ".github/instructions/** .codex/** .gemini/** .aider* .continue/** .mcp.json mcp.json",
        "https://agents.md/ and the documentation of each agent",
    ),
    Rule(
        "secret",
        "settings",
        ".env .env.* *.env secrets.yml secrets.yaml secrets.json secrets.toml credentials credentials.* .netrc _netrc "
        ".pgpass .pypirc "
        ".npmrc .git-credentials .htpasswd .vault-token *.tfvars *.tfstate *.tfstate.* master.key",
        "https://docs.github.com/en/code-security/secret-scanning and https://12factor.net/config",
        unless="*.example *.sample *.template *.dist .env.example .env.sample .env.template .env.test",
    ),
    Rule(
        "secret",
        "keys",
        "*.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx *.ovpn id_rsa id_dsa id_ecdsa id_ed25519 .ssh/** .aws/** "
        ".kube/** .gnupg/** "
        ".docker/config.json service-account*.json",
        "https://man.openbsd.org/ssh and https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html",
    ),
    Rule(
        "installed",
        "dependencies",
        "requirements*.txt requirements/*.txt constraints*.txt pipfile pipfile.lock poetry.lock uv.lock pdm.lock "
        "package-lock.json "
        "npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb cargo.lock go.mod go.sum gemfile.lock "
        "composer.lock "
        "gradle.lockfile packages.lock.json mix.lock package.resolved flake.lock",
        "the lock file reference of each package manager",
    ),
    Rule(
        "generated",
        "build output",
        "dist/** node_modules/** .next/** coverage/** __pycache__/** *.egg-info/** *.pyc *.pyo *.class *.jar *.war "
        "*.whl *.so *.dylib *.dll "
        "*.exe *.o *.a *.wasm *.min.js *.min.css *.map *_pb2.py *_pb2_grpc.py *.pb.go *.pb.cc *.pb.h *.g.dart "
        "*.generated.*",
        "https://github.com/github-linguist/linguist/blob/main/lib/linguist/generated.rb",
    ),
    Rule(
        "generated",
        "vendored code",
        "vendor/** third_party/** bower_components/**",
        "https://github.com/github-linguist/linguist/blob/main/lib/linguist/vendor.yml",
    ),
)

WHY: Mapping[RiskKind, str] = {
    "runs_itself": "runs automatically, or instructs tools and agents",
    "secret": "is where secrets are kept",
    "installed": "decides what is installed and run from elsewhere",
    "generated": "is generated or built, so reading it does not show where it comes from",
}
"""What it means, as the change gate says it."""

LEVELS: Mapping[RiskKind, int] = {"runs_itself": 2, "secret": 2, "installed": 1, "generated": 1}
"""How much risk it is: 1 medium, 2 high."""


@lru_cache(maxsize=8192)
def kinds_of(path: str) -> tuple[RiskKind, ...]:
    """What a change of this path may be beside a change of lines; empty for ordinary files. Each kind once, in table "
    "order."""
    name = path.casefold()
    return tuple(dict.fromkeys(rule.kind for rule in RULES if _fits(rule.paths, name) and not _fits(rule.unless, name)))


def risks_of(paths: Iterable[str]) -> dict[RiskKind, tuple[str, ...]]:
    """The first paths of each kind that occurs."""
    found: dict[RiskKind, tuple[str, ...]] = {}
    for path in paths:
        for kind in kinds_of(path):
            if len(there := found.get(kind, ())) < SHOWN:
                found[kind] = (*there, path)
    return found


def _fits(patterns: str, name: str) -> bool:
    return any(shape(pattern).fullmatch(name) for pattern in _patterns(patterns))


@lru_cache(maxsize=64)
def _patterns(patterns: str) -> tuple[str, ...]:
    """A folder's pattern (`.circleci/**`) counts at any depth, too: a monorepo has several."""
    return tuple(at_any_depth(one) if "/" not in one else f"**/{one}" for one in patterns.split())
