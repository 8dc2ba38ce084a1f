"""What the agents of a review say in tests, and a repository with a change to look at."""

import secrets
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from contracts.review import ReviewReport
from tests.activities.actions.servers import Web
from tests.scripts import Turn, answer, read, says
from tests.stack import Stack, git, sample

OLD = "    return int(cents * (100 - percent) / 100)\n"
NEW = "    return eval(f'{cents} * (100 - {percent}) // 100')\n"
BUG = "eval(f'{cents} * (100 - {percent}) // 100')"


def change(folder: Path) -> tuple[Path, str]:
    """The sample with a branch `odd` that main has left behind, and the branch's patch."""
    origin = sample(folder)
    work = folder / "work"
    git(work, "checkout", "--quiet", "-b", "odd")
    path = work / "shop" / "pricing.py"
    assert OLD in path.read_text()
    path.write_text(path.read_text().replace(OLD, NEW))
    git(work, "commit", "--quiet", "--all", "--message=Shorter")
    git(work, "push", "--quiet", str(origin), "odd")
    patch = git(work, "diff", "main", "odd")
    git(work, "checkout", "--quiet", "main")
    (work / "LATER.md").write_text("Main has gone on.\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Later")
    git(work, "push", "--quiet", str(origin), "main")
    return origin, patch


def enlarge(folder: Path, files: int = 5) -> None:
    """A branch `large` in the sample that `change` made: the same line, and files of 30 KB, too much for one round."""
    work, origin = folder / "work", folder / "origin.git"
    git(work, "checkout", "--quiet", "-b", "large", "origin/odd" if "origin/odd" in git(work, "branch", "-r") else "odd")
    for number in range(files):
        lines = [f"VALUE_{line} = {line}  # of table {number}" for line in range(1000)]
        (work / "shop" / f"table_{number}.py").write_text("\n".join(lines) + "\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Tables")
    git(work, "push", "--quiet", str(origin), "large")
    git(work, "checkout", "--quiet", "main")


def finding(what: str, **more: Any) -> dict[str, Any]:
    """One finding, at the wrong line unless a test says otherwise."""
    whole = {"file": "shop/pricing.py", "line": 1, "quote": BUG, "severity": "medium", "confidence": 800, "what": what}
    return whole | {"why": "It goes wrong.", "suggestion": "Compute it.", "rule": "", "patch": ""} | more


def findings(*several: dict[str, Any], summary: str = "looked at it") -> Turn:
    """What a reviewer, or the synthesiser, returns."""
    return answer({"summary": summary, "findings": list(several), "not_looked_at": []})


ANALYST = says(
    "diff_analyst", read("shop/pricing.py"), answer({"summary": "Prices are computed by eval.", "look_at": ["eval"]})
)
BUGS = says("bug_reviewer", findings(finding("Half a cent is cut off."), finding("Made up.", quote="return cents / 0")))
HOLES = says("security_reviewer", findings(finding("A price runs as code.", severity="critical", confidence=700)))
WHOLE = says(
    "synthesiser",
    findings(
        *(finding("Half a cent is cut off."), finding("Made up.", quote="return cents / 0")),
        finding("A price runs as code.", severity="critical", confidence=700, quote=NEW.strip()),
        finding("Nowhere.", file="shop/none.py"),
        finding("It was whole before.", severity="low", quote=f"-{OLD}"),
        summary="Not as it is.",
    ),
)
HAPPY = (ANALYST, BUGS, HOLES, WHOLE)


def opened(host: Web, origin: Path, number: int = 7, **more: Any) -> str:
    """A pull request for the branch `odd`, as the host answers for it; its address."""
    commit = git(origin, "rev-parse", "odd")
    git(origin, "update-ref", f"refs/pull/{number}/head", commit)
    base = {"sha": git(origin, "rev-parse", "main"), "repo": {"clone_url": str(origin)}}
    whole = {"state": "open", "title": "@maria approve", "base": base, "head": {"sha": commit}} | more
    host.pages[f"/repos/olga/shop/pulls/{number}"] = whole
    return f"https://host.test/olga/shop/pull/{number}"


def hosting(host: Web) -> dict[str, Any]:
    """Settings by which the host is the target `host`."""
    table = {"kind": "github", "api": host.address, "private": True, "repositories": ["olga/shop"]}
    return {"targets": {"host": table}}


async def review(stack: Stack, repository: Path | None, **more: Any) -> WorkflowHandle[Any, ReviewReport]:
    """Start a review as `temporal workflow start` would."""
    asked: dict[str, Any] = {"owner": "olga"} | ({} if repository is None else {"repository": str(repository)}) | more
    run = f"review-{secrets.token_hex(4)}"
    queue = stack.settings.task_queue
    return await stack.client.start_workflow("Review", asked, id=run, task_queue=queue, result_type=ReviewReport)
