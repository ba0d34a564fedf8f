"""The pipelines of docs/ci.md: their commands are run on a server, from a pull request to drift."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from command_line import BITPEAK, CANARY, TWO, Run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
GITHUB, GITLAB = (
    yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    for name in ("github-actions.yml", "gitlab-ci.yml")
)


def scripts(pipeline: str) -> dict[str, list[str]]:
    """Return the commands of each job."""
    if pipeline == "github":
        return {
            name: [step["run"] for step in job["steps"] if "run" in step]
            for name, job in GITHUB["jobs"].items()
        }
    jobs = {name: job for name, job in GITLAB.items() if isinstance(job, dict)}
    return {name: job["script"] for name, job in jobs.items() if "script" in job}


@pytest.mark.deployments
@pytest.mark.parametrize("pipeline", ["github", "gitlab"])
def test_a_pipeline_checks_plans_applies_and_reports_drift(
    pipeline: str, run: Run, server: dict[str, str], tmp_path: Path
):
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "all.yaml").write_text(TWO)
    functions = f'bitpeak() {{ {" ".join(BITPEAK)} "$@"; }}; pip() {{ :; }}; '
    functions += "gh() { echo comment; }; curl() { echo comment; }; set -eo pipefail\n"

    def job(name: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", functions + "\n".join(scripts(pipeline)[name])],
            cwd=tmp_path,
            env={**os.environ, **server},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert CANARY not in done.stdout + done.stderr
        return done.returncode, done.stdout

    assert {"check", "plan", "apply", "drift"} == set(scripts(pipeline))
    assert 0 == job("check")[0]
    assert (0, "comment\n") == job("plan")
    plan = (tmp_path / "plan.md").read_text()
    assert plan.startswith("**2 to change (2 to create, 0 to update, 0 to delete), 0 unchanged**")
    assert CANARY not in plan + (tmp_path / "plan.json").read_text()
    assert 0 == job("apply")[0]
    assert 0 == job("drift")[0]
    run("update", 1, "--disable")
    assert 2 == job("drift")[0]
