"""A thousand simulated days, each drawn from a seed; ``nox -s simulate`` lives through more."""

import pytest

from simulation.scene import simulate, violation_of

STEP = 50


@pytest.mark.parametrize("first", range(1, 1000, STEP))
def test_nothing_is_lost_and_nothing_twice_and_every_report_is_true(first: int):
    for seed in range(first, first + STEP):
        if broken := violation_of(seed):
            error, scene = broken
            story = "\n".join(scene.server.trace[-40:])
            pytest.fail(f"{error}\n{story}\nPYTHONPATH=.:tests python -m simulation {seed}")


def test_a_seed_always_tells_the_same_story():
    first, second = (simulate(17).server.trace for _ in range(2))
    assert first == second != []
