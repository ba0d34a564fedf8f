"""The law of the rate keeps to the bounds of every scene, and to some promises over time."""

from functools import cache

import pytest
from _rate.scenes import DOCS, SCENES, SLOTS, Changing, NoLimit, Scene, picture, play, table

from bitpeak_async.sandbox import TokenBucket


class Never:
    """Refuses everything."""

    admit = NoLimit(share=1.0).admit


@cache
def undisturbed(count: int, slots: int) -> float:
    """Return the seconds of requests that nothing limits."""
    return play(NoLimit(), count, slots=slots).seconds


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_keeps_to_its_bounds(scene: Scene):
    played = scene.play()
    assert not played.errors
    assert played.refused <= scene.refused
    assert played.seconds <= scene.seconds
    assert scene.best / played.seconds >= scene.used
    assert max(played.tries) <= 12, "Retry(throttled_attempts=) by default"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("slots", "times"), [(1, 4.0), (4, 4.0), (SLOTS, 3.0)])
def test_random_429s_cost_no_more_than_three_times(seed: int, slots: int, times: float):
    """Or four, where too few others are under way to tell them from a limit."""
    with_them = play(NoLimit(share=0.01, seed=seed), 2000, slots=slots, seed=seed)
    assert with_them.seconds <= times * undisturbed(2000, slots)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_another_limit_is_found_within_a_minute(factor: float):
    limit = Changing(
        60.0, TokenBucket(100, burst=25), TokenBucket(100 * factor, burst=round(25 * factor))
    )
    played = play(limit, 10**9, seconds=180)
    assert played.accepted(40, 60) / 20 >= 0.85 * 100
    assert played.accepted(120, 180) / 60 >= 0.85 * 100 * factor
    assert played.refused <= 0.03


@pytest.mark.parametrize("at", [1, 10, 100, 500])
@pytest.mark.parametrize("slots", [1, 4, SLOTS])
@pytest.mark.parametrize("retry_after", [5, 30, 60])
def test_a_stray_429_is_not_taken_for_a_limit(at: int, slots: int, retry_after: int):
    """However many were under way: the pause that the server asks for measures nothing."""
    stray = play(NoLimit(stray=at, retry_after=retry_after), 1000, slots=slots)
    assert stray.seconds - retry_after <= undisturbed(1000, slots) + 10


def test_429_for_ever_ends_in_one_clear_error():
    """Sixteen requests meet it first; then probes go, less than one a second."""
    played = play(Never(), 500, give_up_after=600.0)
    assert 500 == len(played.errors)
    assert 600 <= max(at for at, _ in played.answers) <= 670
    assert len(played.answers) <= SLOTS + 20
    told = str(played.errors[0])
    assert told.startswith("the server has refused every request for 6")
    assert "Retry(give_up_after=600)" in told


def test_the_table_and_the_picture_of_the_docs_are_these():
    """``python tests/_rate/scenes.py`` makes both."""
    assert table() in (DOCS / "rate-limits.md").read_text(encoding="utf-8")
    assert picture() == (DOCS / "rates.svg").read_text(encoding="utf-8")
