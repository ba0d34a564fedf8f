"""Leaves these tests aside where their group is not asked for, and so perhaps not installed."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    expression = config.option.markexpr
    is_asked_for = "deployments" in expression and "not deployments" not in expression
    return None if is_asked_for else True
