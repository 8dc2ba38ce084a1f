"""How projects of each ecosystem say how they are tested: names of files, commands and messages, with where that is documented.

Data alone; `detection.py` and `usability.py` read it. A further ecosystem is further rows here.
"""

import re
from dataclasses import dataclass

SOURCES = {
    "pytest": "https://docs.pytest.org/en/stable/reference/customize.html",
    "pytest names": "https://docs.pytest.org/en/stable/explanation/goodpractices.html",
    "pytest exit codes": "https://docs.pytest.org/en/stable/reference/exit-codes.html",
    "tox": "https://tox.wiki/en/stable/config.html",
    "nox": "https://nox.thea.codes/en/stable/config.html",
    "npm": "https://docs.npmjs.com/cli/commands/npm-test",
    "node": "https://nodejs.org/docs/latest-v20.x/api/test.html#running-tests-from-the-command-line",
    "unittest": "https://docs.python.org/3/library/unittest.html#test-discovery",
    "django": "https://docs.djangoproject.com/en/stable/topics/testing/overview/",
    "pnpm": "https://pnpm.io/cli/test",
    "yarn": "https://yarnpkg.com/cli/run",
    "packageManager": "https://nodejs.org/api/corepack.html",
    "cargo": "https://doc.rust-lang.org/cargo/commands/cargo-test.html",
    "go": "https://pkg.go.dev/cmd/go#hdr-Test_packages",
    "make": "https://www.gnu.org/software/make/manual/html_node/Makefile-Names.html",
    "just": "https://just.systems/man/en/",
    "gradle": "https://docs.gradle.org/current/userguide/gradle_wrapper.html",
    "maven": "https://maven.apache.org/wrapper/",
    "deno": "https://docs.deno.com/runtime/reference/cli/task/",
    "task": "https://taskfile.dev/usage/",
    "rake": "https://ruby.github.io/rake/Rake/TestTask.html",
    "composer": "https://getcomposer.org/doc/articles/scripts.md",
    "prove": "https://perldoc.perl.org/prove",
    "mix": "https://hexdocs.pm/mix/Mix.Tasks.Test.html",
    "dotnet": "https://learn.microsoft.com/dotnet/core/tools/dotnet-test",
    "swift": "https://docs.swift.org/swiftpm/documentation/packagemanagerdocs/swifttest/",
    "cmake": "https://cmake.org/cmake/help/latest/manual/ctest.1.html",
    "shell": "https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02",
}
"""Where each convention is documented."""

PYTEST = "pytest -q"
PYTEST_FROM_ROOT = "python -m pytest -q"
"""Puts the root on the import path (pytest alone only the tests' own folder)."""

PYTEST_NAMES = ("test_*.py", "*_test.py")
"""Files that pytest collects by itself."""

UNITTEST_NAMES = "test*.py"
"""What unittest looks for: more than pytest does, such as tests.py."""

DJANGO_MANAGE, DJANGO, DJANGO_TEST = "manage.py", "DJANGO_SETTINGS_MODULE", "python manage.py test"
"""The script of a Django project, what tells it from others of that name, and how it runs the tests."""

PYTEST_FILES = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
"""Files that are pytest's alone: that they are there is enough, even empty."""

PYTEST_SECTIONS = (("setup.cfg", "tool:pytest"), ("tox.ini", "pytest"))
"""Sections of files that have others, too. `[tool.pytest…]` of pyproject.toml is read as TOML."""

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")
TARGETS = ("test", "check", "tests")
"""Targets and recipes that test, the best first."""

NOXFILE = "noxfile.py"

NPM_PLACEHOLDER = "no test specified"
"""In the script that `npm init` writes; it tests nothing."""

NODE = {"pnpm": "pnpm test", "yarn": "yarn test", "bun": "bun run test", "npm": "npm test --silent"}
"""Package managers of Node, and how each runs `scripts.test`."""

NPM_ALONE = " --ignore-scripts"
"""Has npm run a script without those before and after it."""

NOT_A_TEST = re.compile(
    r"(?:npm run |npx )?(?:[\w:.-]*lint[\w:.-]*|standard|xo|prettier|aud|audit|npm audit|codecov|coveralls)(?: [^&|;]*)?\Z"
)
"""What stands in `pretest` and `posttest` beside builds: looks at style, and at the network."""

NODE_TEST = "node --test"
NODE_TESTS = re.compile(r"(?:^|/)(?:test|test-[^/]+|[^/]+[._-]test)\.[cm]?js$|(?:^|/)test/.*\.[cm]?js$")
"""Node's own runner, and the files that it looks for by itself."""

NODE_LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}
"""Which manager a lock file belongs to. `packageManager` of package.json comes first; without either it is npm."""


@dataclass(frozen=True)
class Manifest:
    """A file whose tool has one way to run a project's tests. With `wrapper`: that program of the project runs it.

    `holds` is a pattern that the file has to match, "" for any; without it there are no tests to run.
    """

    name: str
    command: str
    ecosystem: str
    wrapper: str = ""
    holds: str = ""


MANIFESTS = (
    Manifest("Cargo.toml", "cargo test", "Rust (cargo)"),
    Manifest("go.mod", "go test ./...", "Go"),
    *(
        Manifest(name, "sh ./gradlew test --offline", "Gradle", "gradlew")
        for name in ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
    ),
    *(Manifest(name, "gradle test --offline", "Gradle") for name in ("build.gradle", "build.gradle.kts")),
    Manifest("pom.xml", "sh ./mvnw --batch-mode --offline test", "Maven", "mvnw"),
    Manifest("pom.xml", "mvn --batch-mode --offline test", "Maven"),
    *(Manifest(name, "deno task test", "Deno", holds=r"\"test\"\s*:") for name in ("deno.json", "deno.jsonc")),
    *(Manifest(name, "deno test", "Deno") for name in ("deno.json", "deno.jsonc")),
    *(
        Manifest(name, "task test", "Task", holds=r"(?m)^ +test:")
        for name in ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml")
    ),
    Manifest("Rakefile", "rake test", "Ruby (Rake)", holds=r"TestTask|\btask\b[ (]+(?::test\b|test:|\"test\")"),
    Manifest("composer.json", "composer test", "PHP (Composer)", holds=r"\"scripts\"\s*:\s*\{[^}]*\"test\"\s*:"),
    *(Manifest(name, "prove -l", "Perl") for name in ("Makefile.PL", "Build.PL", "cpanfile")),
    Manifest("mix.exs", "mix test", "Elixir"),
    Manifest("Package.swift", "swift test", "Swift", holds=r"\.testTarget\("),
    Manifest(
        "CMakeLists.txt",
        "cmake -S . -B /tmp/build && cmake --build /tmp/build && ctest --test-dir /tmp/build --output-on-failure",
        "CMake",
        holds=r"(?i)\benable_testing\s*\(|include\s*\(\s*CTest\s*\)",
    ),
)
"""The wrapper before the installed program. Offline, because a check has no network: it then says at once what is missing."""

INSIDE = {"Cargo.toml": "cargo test --manifest-path {}/Cargo.toml", "go.mod": "go -C {} test ./..."}
"""How a project in a folder is tested from the top, by its manifest; npm, make and pytest have options for it."""

PYTHON_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg")

LOCKS = (
    *("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "requirements.txt"),
    *NODE_LOCKS,
    *("Cargo.lock", "go.sum", "gradle.lockfile"),
)
"""Files that say which versions a project was made with."""

NOT_OURS = frozenset(
    {"node_modules", "vendor", "third_party", "site-packages", "venv", "build", "dist", "target", "__pycache__"}
)
"""Folders whose files say nothing about the project: other people's, and what was built. Hidden ones are left out, too."""

NOT_PACKAGES = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "example", "scripts", "tools", "bin", "benchmarks", "bench", "src"}
)
"""Folders at the root that are not taken for a Python package, whatever lies in them."""

NOT_MODULES = frozenset({"setup.py", "conftest.py", NOXFILE, "tasks.py", "fabfile.py", "manage.py"})
"""Files at the root that steer tools and are not imported by tests."""

NAMED_ENVIRONMENT = (
    "make an environment with `baton prepare PATH`, which installs what the repository declares, or name a prepared one with "
    "--environment FOLDER (`baton checks PATH --environment FOLDER` tries it)"
)

PROGRAMS = {
    "cargo": "Rust's cargo (Debian: cargo)",
    "go": "Go (Debian: golang-go)",
    "gradle": "Gradle (Debian: gradle)",
    "mvn": "Maven (Debian: maven)",
    "java": "a JDK (Debian: default-jdk)",
    "just": "just (Debian: just)",
    "rake": "Ruby and Rake (Debian: rake)",
    "composer": "Composer (Debian: composer)",
    "prove": "Perl (Debian: perl)",
    "mix": "Elixir (Debian: elixir)",
    "swift": "Swift",
    "deno": "Deno",
    "task": "Task",
    "cmake": "CMake and a compiler (Debian: cmake, build-essential)",
    "make": "make (Debian: make)",
    "node": "Node (Debian: nodejs)",
    "npm": "npm (Debian: npm)",
    "pnpm": "pnpm (`npm install --global --prefix /usr/local pnpm`)",
    "yarn": "Yarn (`npm install --global --prefix /usr/local yarn`)",
    "bun": "Bun",
}
"""Programs that come with a toolchain, and what to install for them."""

RUN_BY_NPM = ("pnpm", "yarn", "bun")
"""Package managers whose test script npm can run as well."""

NEEDS_NETWORK = ("tox", "nox")
"""Programs that fetch what they need over the network, which a check does not have."""

ANOTHER_PYTEST = "the repository's tests are written for another version of pytest than Baton's; " + NAMED_ENVIRONMENT

MISSING_PROGRAM = (
    r"(?:sh: (?:\d+: |line \d+: )?(?:exec: )?|make(?:\[\d+\])?: )([\w./@-]+): "
    r"(?:(?:command )?not found|No such file or directory)"
)
"""How shells and make say that a program is not there."""

HINTS = (
    (
        r"(?:ModuleNotFoundError: |ImportError: )?No module named '?([\w.]+)'?",
        "the Python package {0} is not in the environment; " + NAMED_ENVIRONMENT,
    ),
    (
        r"unrecognized arguments: ([^\n]{1,120})",
        "pytest does not know {0}, which a plugin adds that is not in the environment; " + NAMED_ENVIRONMENT,
    ),
    (
        r"No package metadata was found for ([\w.-]+)",
        "the tests ask for the metadata of {0}, which is not installed there; where that is the project itself, put it in a "
        "venv (`pip install . pytest`), and name that with --environment FOLDER: the checkout still comes first",
    ),
    (
        r"Unknown config option: (\w+)",
        "pytest does not know the setting {0}, which a plugin adds that is not in the environment; " + NAMED_ENVIRONMENT,
    ),
    (r"[Mm]issing required plugins?: ([^\n]{1,120})", "the pytest plugin {0} is not in the environment; " + NAMED_ENVIRONMENT),
    (
        r"Cannot find (?:module|package) '([^'\n]{1,120})'",
        "the npm package {0} is not there; " + NAMED_ENVIRONMENT,
    ),
    (
        r"(Could not resolve host|Temporary failure in name resolution|UnknownHostException|dial tcp|ENOTFOUND|EAI_AGAIN"
        r"|offline mode|--offline was specified|failed to download|unable to update registry|No cached version)",
        "the check wants the network, which it does not have: commit the dependencies (vendor them), or name a check that does "
        "without",
    ),
    (
        r"(can't start new thread|Cannot fork|fork: Resource temporarily unavailable|uv_thread_create|pthread_create failed"
        r"|BlockingIOError: \[Errno 11\])",
        "the check started more processes or threads than it may ({0}): raise `processes` in the table [checks] of baton.toml, "
        "or have it run fewer side by side",
    ),
    (
        r"(version https://git-lfs\.github\.com/spec/v1)",
        "the check has read a pointer of Git LFS, whose content is not here: name a check that does without such files",
    ),
    (r"(?:E   |- |_manager\.)(pytest\.PytestRemovedIn\d+Warning|PluginValidationError)", ANOTHER_PYTEST),
)
"""What tools print where something is missing, and what to do about it; `{0}` is what was missing."""
