"""Settings that stand in several files of the repository agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTEST = PYPROJECT["tool"]["pytest"]["ini_options"]
WORKFLOWS = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict:
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))


def test_plain_pytest_leaves_out_each_marked_group():
    groups = [line.partition(":")[0] for line in PYTEST["markers"]]
    assert "-m=" + " and ".join(f"not {group}" for group in groups) in PYTEST["addopts"]


def test_pre_commit_runs_the_ruff_of_the_lint_session():
    [ruff] = [each for each in PYPROJECT["dependency-groups"]["lint"] if each.startswith("ruff")]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert {ruff} == {*re.findall(r"ruff==[\d.]+", hooks)}


def test_workflows_test_each_python_of_the_classifiers():
    prefix = "Programming Language :: Python :: "
    classifiers = PYPROJECT["project"]["classifiers"]
    supported = [each.removeprefix(prefix) for each in classifiers if each.startswith(prefix)]
    matrix = workflow("tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert [each for each in supported if "." in each] == matrix["python"][:-1]
    assert "3.14t" == matrix["python"][-1]


def test_news_fragments_name_no_issue():
    """Without a ``+``, towncrier takes the first word for the number of an issue, and shows it."""
    kinds = "|".join(each["directory"] for each in PYPROJECT["tool"]["towncrier"]["type"])
    names = [path.name for path in (ROOT / "docs" / "changelog.d").glob("*.md")]
    assert [] == [name for name in names if not re.fullmatch(rf"\+[\w-]+\.({kinds})\.md", name)]


@pytest.mark.parametrize("path", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_workflows_pin_actions_by_hash_and_begin_without_rights(path: Path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert [] == [
        each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)
    ]
    assert {} == workflow(path.name)["permissions"]


def test_a_release_is_built_without_a_token_and_published_without_code():
    jobs = workflow("release.yml")["jobs"]
    assert {"contents": "read"} == jobs["build"]["permissions"]
    assert {"id-token": "write"} == jobs["publish"]["permissions"]
    assert "release" == jobs["publish"]["environment"]
    assert [] == [step for step in jobs["publish"]["steps"] if "run" in step]
