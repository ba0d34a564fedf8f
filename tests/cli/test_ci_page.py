"""The pipelines of docs/ci.md: their commands are run on a server, from a pull request to drift."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from command_line import BITPEAK, CANARY, Run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
GITHUB, GITLAB = (
    yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    for name in ("github-actions.yml", "gitlab-ci.yml")
)
SPECS = """
- {name: Mail, type: email, settings: {email: a@example.com}}
- {name: Chat, type: slack, settings: {slack: "${SLACK_HOOK}"}}
"""
SECRETS = {
    "SLACK_HOOK": f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    "REVIEW_TOKEN": CANARY,
}
# Stand-ins that fail without the token, or on another pull request.
COMMANDS = f"""
set -eo pipefail
bitpeak() {{ {" ".join(BITPEAK)} "$@"; }}
pip() {{ :; }}
gh() {{ : "${{GH_TOKEN:?}}"; [ "$3" = 7 ]; echo comment; }}
curl() {{ : "${{REVIEW_TOKEN:?}}"; echo comment; }}
"""

Step = tuple[str, Mapping[str, str]]


def github_steps(secrets: Mapping[str, str]) -> dict[str, list[Step]]:
    """Return the command and the variables of each step; a secret that is missing is empty."""
    context = {f"secrets.{name}": value for name, value in secrets.items()}
    context |= {"github.token": "token", "github.event.number": "7"}

    def variables(*scopes: Mapping) -> dict[str, str]:
        merged = {key: value for scope in scopes for key, value in scope.get("env", {}).items()}
        return {
            key: re.sub(r"\$\{\{ ?(.*?) ?\}\}", lambda found: context.get(found[1], ""), value)
            for key, value in merged.items()
        }

    return {
        name: [
            (step["run"], variables(GITHUB, job, step)) for step in job["steps"] if "run" in step
        ]
        for name, job in GITHUB["jobs"].items()
    }


def gitlab_steps(secrets: Mapping[str, str]) -> dict[str, list[Step]]:
    """Return one step for each job; every job has all variables of the project."""
    jobs = {name: job for name, job in GITLAB.items() if isinstance(job, dict)}
    return {
        name: [("\n".join(job["script"]), secrets)] for name, job in jobs.items() if "script" in job
    }


@pytest.mark.deployments
@pytest.mark.parametrize("steps", [github_steps, gitlab_steps], ids=["github", "gitlab"])
def test_a_pipeline_checks_plans_applies_and_reports_drift(
    steps, run: Run, server: dict[str, str], tmp_path: Path
):
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "all.yaml").write_text(SPECS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BITPEAK_")}
    clean["BITPEAK_BASE_URL"] = server["BITPEAK_BASE_URL"]
    secrets = {**SECRETS, "BITPEAK_API_KEY": server["BITPEAK_API_KEY"]}

    def job(name: str, secrets: Mapping[str, str] = secrets) -> tuple[int, str]:
        shown = ""
        for command, variables in steps(secrets)[name]:
            done = subprocess.run(
                ["bash", "-c", COMMANDS + command],
                cwd=tmp_path,
                env={**clean, **variables},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert CANARY not in done.stdout + done.stderr
            shown += done.stdout
            if done.returncode:
                return done.returncode, shown + done.stderr
        return 0, shown

    assert {"check", "plan", "apply", "drift"} == set(steps(secrets))
    code, shown = job("check", secrets={})  # as for a fork
    assert 0 == code, shown
    assert (0, "comment\n") == job("plan")
    plan = (tmp_path / "plan.md").read_text()
    assert plan.startswith("**2 to change (2 to create, 0 to update, 0 to delete), 0 unchanged**")
    assert CANARY not in plan + (tmp_path / "plan.json").read_text()
    assert 0 == job("apply")[0]
    assert 0 == job("drift")[0]
    run("update", 1, "--disable")
    assert 2 == job("drift")[0]


def test_only_jobs_that_talk_to_the_server_get_secrets():
    used = {
        name: {key for _, variables in steps for key, value in variables.items() if value == CANARY}
        for name, steps in github_steps({"BITPEAK_API_KEY": CANARY, "SLACK_HOOK": CANARY}).items()
    }
    both = {"BITPEAK_API_KEY", "SLACK_HOOK"}
    assert {"check": set(), "plan": both, "apply": both, "drift": both} == used
