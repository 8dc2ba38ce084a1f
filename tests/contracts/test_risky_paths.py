"""Paths whose change means more than its lines say: seen in every ecosystem, at any depth, in any case; look-alikes are not."""

import pytest

from contracts.repositories import RiskKind
from contracts.risky_paths import LEVELS, RULES, SHOWN, WHY, kinds_of, risks_of

RISKY: tuple[tuple[RiskKind, str], ...] = (
    (
        "runs_itself",
        ".github/workflows/ci.yml services/api/.circleci/config.yml Jenkinsfile ci/Jenkinsfile.release .GITLAB-CI.yml",
    ),
    ("runs_itself", ".husky/pre-commit .pre-commit-config.yaml sub/.gitattributes .gitmodules .githooks/commit-msg"),
    ("runs_itself", "conftest.py tests/unit/conftest.py pyproject.toml sitecustomize.py src/x.pth tox.ini noxfile.py"),
    ("runs_itself", "package.json web/package.json jest.config.ts web/vite.config.mjs .pnpmfile.cjs .eslintrc.json"),
    ("runs_itself", "build.rs .cargo/config.toml pom.xml app/build.gradle.kts gradlew gradle/wrapper/gradle-wrapper.jar"),
    ("runs_itself", "makefile GNUmakefile tools/x.mk justfile CMakeLists.txt Rakefile BUILD.bazel"),
    ("runs_itself", "Dockerfile api/Dockerfile.dev docker-compose.override.yml .devcontainer/devcontainer.json infra/main.tf"),
    ("runs_itself", ".vscode/tasks.json .envrc AGENTS.md docs/CLAUDE.md .claude/settings.json .cursor/rules/a.mdc .mcp.json"),
    (
        "runs_itself",
        "binding.gyp turbo.json .lintstagedrc.json .releaserc .pnp.cjs web/.storybook/main.ts deno.jsonc postinstall.js",
    ),
    (
        "runs_itself",
        "mypy.ini .pylintrc .flake8 hatch.toml WORKSPACE mise.toml renovate.json5 .goreleaser.yaml debian/postinst",
    ),
    ("runs_itself", "Podfile Vagrantfile rebar.config project.clj Setup.hs shop.cabal Tiltfile wrangler.toml k8s/deploy.yaml"),
    ("runs_itself", "serverless.ts charts/web/values.yaml roles/web/tasks/main.yml ansible.cfg .htaccess .bashrc .zshenv"),
    (
        "installed",
        "pnpm-workspace.yaml deno.lock .nvmrc .tool-versions rust-toolchain.toml uv.toml global.json go.work ivy.xml",
    ),
    ("secret", "config/database.yml kubeconfig"),
    ("secret", ".env .env.production api/.env deploy/tls.pem server.key id_ed25519 .aws/credentials infra/prod.tfvars .netrc"),
    ("installed", "requirements.txt requirements-dev.txt uv.lock web/package-lock.json Cargo.lock go.sum pnpm-lock.yaml"),
    (
        "generated",
        "dist/app.js web/dist/index.html static/app.min.js api/x_pb2.py node_modules/left-pad/index.js lib/x.so vendor/a.go",
    ),
)

ORDINARY = (
    "src/app.py README.md docs/environment.md src/makefile_parser.py tests/test_config.py src/dist.py src/environment.ts "
    "env/readme.txt keys.py github/workflows.md src/vendor.py package.json.md configure.py distance/a.py .env.example "
    "src/k8s/client.py helm/notes.md pulumi.py src/spec.py docs/profile.md "
    "deploy/.env.sample lib/conftest_helpers.py src/dockerfile_parser.go monkey.keyboard"
)


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, paths in RISKY for path in paths.split()])
def test_a_risky_path_is_seen(kind: RiskKind, path: str) -> None:
    """As it is, in capitals, and deep in a monorepo."""
    for spelt in (path, path.upper(), f"services/one/{path}"):
        assert kind in kinds_of(spelt), spelt


@pytest.mark.parametrize("path", ORDINARY.split())
def test_an_ordinary_path_is_not(path: str) -> None:
    """A warning that is always there is read by nobody."""
    assert kinds_of(path) == ()


def test_each_kind_has_paths_and_says_what_it_means() -> None:
    """A kind without paths, words or a level would be asked for and never found."""
    assert all(RULES.values())
    assert set(RULES) == set(WHY) == set(LEVELS)


def test_the_first_of_each_kind_are_named() -> None:
    """A change of a thousand lock files names some of them."""
    found = risks_of([f"a{number}/uv.lock" for number in range(1000)] + ["src/a.py", ".env"])
    assert found == {"installed": tuple(f"a{number}/uv.lock" for number in range(SHOWN)), "secret": (".env",)}
