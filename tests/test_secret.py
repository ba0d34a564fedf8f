"""A secret shows nowhere but where it is unwrapped."""

import inspect
import pickle
import pprint
from collections.abc import Iterable, Mapping
from traceback import walk_tb
from typing import Any
from unittest.mock import AsyncMock, create_autospec

import attrs
import pytest

from bitpeak_async import (
    BitPeak,
    InvalidRequestError,
    SyncBitPeak,
    settings_from_dict,
    spec_from_dict,
    specs_from_rows,
)
from bitpeak_async._secret import Secret, hides
from bitpeak_async.fleet import Account, Fleet, read_accounts
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.provisioning.files import read_specs
from bitpeak_async.redis import RedisPaceStore

CANARY = "canary4711"

PUBLIC = {
    BitPeak: "api_key",
    SyncBitPeak: "api_key",
    Account: "api_key",
    Fleet: "proxy",
    RedisPaceStore: "url",
    NotificationHandlers.create: "settings",
    NotificationHandlers.update: "settings",
    read_accounts: "environ",
    read_specs: "environ",
    settings_from_dict: "fields",
    spec_from_dict: "mapping",
    specs_from_rows: "rows",
}


def test_a_secret_is_equal_by_value_and_shows_none():
    secret = Secret(CANARY)
    assert secret == Secret(CANARY) != Secret("other")
    assert hash(secret) == hash(Secret(CANARY))
    assert "Secret()" == repr(secret) == str(secret) == pprint.pformat(secret)
    assert "[Secret()]" == f"{[secret]}"


def test_a_secret_is_nothing_that_error_trackers_walk():
    secret = Secret({"slack": CANARY})
    assert not isinstance(secret, Mapping | Iterable)
    assert not hasattr(secret, "__dict__")
    assert not hasattr(secret, "keys")
    assert not hasattr(secret, "__getitem__")


def test_no_attribute_that_a_source_line_names_shows_a_secret():
    secret = Secret(CANARY)
    public = [name for name in dir(secret) if not name.startswith("_")]
    assert ["of", "reveal"] == public
    assert CANARY not in repr([getattr(secret, name) for name in public])


def test_a_secret_does_not_pickle():
    with pytest.raises(TypeError, match="a Secret does not pickle"):
        pickle.dumps({"key": Secret(CANARY)})


def test_a_secret_cannot_be_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Secret(CANARY)._value = "other"  # type: ignore[misc]


def test_a_secret_is_wrapped_once():
    assert Secret(CANARY) == Secret.of(CANARY) == Secret.of(Secret(CANARY))


@hides("key")
def hiding(name: str, key: str = "", *, flag: bool = False) -> tuple[Any, ...]:
    """Take one secret."""
    return name, key, flag


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(("a", CANARY), {}), (("a",), {"key": CANARY}), ((), {"name": "a", "key": Secret(CANARY)})],
    ids=["by place", "by name", "a secret already"],
)
def test_a_hidden_argument_arrives_as_a_secret_and_the_others_as_they_are(
    args: tuple[Any, ...], kwargs: dict[str, Any]
):
    assert ("a", Secret(CANARY), False) == hiding(*args, **kwargs)


def test_a_default_is_left_as_it_is():
    assert ("a", "", True) == hiding("a", flag=True)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [(("a", "", CANARY), {}), (("a",), {"kye": CANARY}), (("a",), {"flg": CANARY})],
    ids=["one too many", "misspelt", "another misspelt"],
)
def test_an_argument_that_is_not_taken_is_refused_and_not_shown(
    args: tuple[Any, ...], kwargs: dict[str, Any]
):
    with pytest.raises(TypeError, match=r"hiding\(\)") as caught:
        hiding(*args, **kwargs)
    assert caught.tb is not None
    assert caught.tb.tb_next is not None
    assert CANARY not in str(caught.tb.tb_next.tb_frame.f_locals)


def test_arguments_without_a_name_of_their_own_are_passed_on():
    @hides("key")
    def open_ended(*names: str, key: str, **options: object) -> object:
        return names, key, options

    assert (("a", "b"), Secret("k"), {"c": 1}) == open_ended("a", "b", key="k", c=1)


def test_name_docstring_and_signature_are_kept():
    assert ("hiding", "Take one secret.") == (hiding.__name__, hiding.__doc__)
    assert ["name", "key", "flag"] == [*inspect.signature(hiding).parameters]


def test_a_coroutine_function_still_is_one_and_hides_before_it_begins():
    create = NotificationHandlers.create
    assert isinstance(create_autospec(NotificationHandlers).create, AsyncMock)
    coroutine = create(None, "Ops", CANARY)  # type: ignore[arg-type]
    assert CANARY not in str(inspect.getcoroutinelocals(coroutine))
    coroutine.close()


def test_a_pace_store_travels_with_its_url_and_still_hides_it():
    store = RedisPaceStore(f"redis://user:{CANARY}@127.0.0.1:1/0")
    copied = pickle.loads(pickle.dumps(store))
    assert store._url == copied._url
    assert "RedisPaceStore('redis://127.0.0.1:1/0')" == repr(copied)


def named(each: Any) -> str:
    return str(getattr(each, "__qualname__", each))


@pytest.mark.parametrize(("entry", "name"), PUBLIC.items(), ids=named)
def test_each_public_entry_hides_its_secret(entry: Any, name: str):
    function = entry.__init__ if isinstance(entry, type) else entry
    assert name in inspect.signature(function).parameters
    assert "hides.<locals>" in function.__code__.co_qualname


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("create", ("Ops", CANARY), {}),
        ("update", (7,), {"settings": CANARY}),
        ("update", (7,), {"setings": CANARY}),
        ("get", (7, CANARY), {}),
    ],
)
def test_no_frame_of_a_refused_blocking_call_shows_its_arguments(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
):
    with (
        SyncBitPeak("key") as bitpeak,
        pytest.raises((InvalidRequestError, TypeError)) as caught,
    ):
        getattr(bitpeak.notification_handlers, name)(*args, **kwargs)
    frames = [frame for frame, _ in walk_tb(caught.tb)][1:]
    assert frames
    assert not [frame for frame in frames if CANARY in str(frame.f_locals)]
