"""The error tree: as drawn, and safe to log, pickle and copy."""

import copy
import pickle
import re
from pathlib import Path

import pytest

from bitpeak_async import errors
from bitpeak_async.errors import (
    APIError,
    BitPeakError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    PlanError,
    ProvisionError,
    RateLimitError,
    ReplyError,
    RequestTimeoutError,
)


def subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


CLASSES = [BitPeakError, *subclasses(BitPeakError)]
ROOT = Path(__file__).parents[1]
API_ATTRIBUTES = {
    "status": 429,
    "title": "Too many requests.",
    "errors": ("Too many requests.", "Slow down."),
    "request_id": "8f2-TAS",
    "retry_after": 1.5,
}
ATTRIBUTES = {
    InvalidRequestError: {"argument": "name"},
    NotSentError: {"temporary": False},
    OutcomeUnknownError: {"name": "Work email"},
    ReplyError: {"status": 200, "path": "$.data[3].id", "excerpt": '{"data": "***"}'},
    PlanError: {"problems": ("two are named 'a'", "two are named 'b'")},
}


def example(cls):
    """An instance with every attribute set to something other than its default."""
    attributes = API_ATTRIBUTES if issubclass(cls, APIError) else ATTRIBUTES.get(cls, {})
    error = cls("what went wrong", **attributes)
    error.created_id = 7  # any error of an update may have it
    return error


def drawn_tree():
    """Child name → parent name, as the module's docstring draws them."""
    parents = {}
    branch = [(0, "BitPeakError")]
    drawing = errors.__doc__ or ""
    for prefix, name in re.findall(r"^([│├└─ ]*[├└]── )(\w+)", drawing, re.MULTILINE):
        while branch[-1][0] >= len(prefix):
            branch.pop()
        parents[name] = branch[-1][1]
        branch.append((len(prefix), name))
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    bases = {cls.__name__: cls.__bases__[0].__name__ for cls in subclasses(BitPeakError)}
    assert bases == drawn_tree()


def test_every_class_is_public_and_named_an_error():
    assert sorted(cls.__name__ for cls in CLASSES) == errors.__all__
    assert all(cls.__name__.endswith("Error") and cls.__doc__ for cls in CLASSES)


@pytest.mark.parametrize(
    "duplicate",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_survives_pickle_and_copy(cls, duplicate):
    error = example(cls)
    twin = duplicate(error)
    assert cls is type(twin)
    assert "what went wrong" == str(twin)
    assert vars(error) == vars(twin)


def test_every_attribute_has_an_example():
    """Otherwise the test above would compare nothing."""
    without = {cls for cls in CLASSES if vars(example(cls)).keys() == {"created_id"}}
    documented = {cls for cls in CLASSES if "Attributes:" in cls.__doc__}
    assert not documented & without - {BitPeakError, ProvisionError}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_argument_but_the_message_is_optional(cls):
    assert "message" == str(cls("message"))


def test_errors_within_errors_survive_pickle():
    inner = RateLimitError("later", status=429, retry_after=2.0)
    twin = pickle.loads(pickle.dumps(ProvisionError("1 failed", errors=(inner,))))
    assert [RateLimitError] == [type(error) for error in twin.errors]
    assert 2.0 == twin.errors[0].retry_after


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_leads_to_its_section_of_the_documentation(cls):
    """Both Sphinx and GitHub make the anchor of a section from its title in lower case."""
    path, _, anchor = cls("what went wrong").docs_url.partition("#")
    sections = re.findall(r"^## (.*)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert [cls.__name__] == [title for title in sections if title.lower() == anchor]


def test_a_subclass_of_your_own_leads_to_the_section_of_its_base():
    own = type("OwnError", (RateLimitError,), {"__module__": "own"})
    assert own("later").docs_url == RateLimitError("later").docs_url


def test_a_timeout_is_also_the_builtin_one():
    with pytest.raises(TimeoutError):
        raise RequestTimeoutError("too late")


@pytest.mark.parametrize("cls", CLASSES)
def test_str_shows_the_message_alone(cls):
    """Attributes may hold what a server sent; logging an error logs only its message."""
    assert "what went wrong" == str(example(cls))
    assert f"{cls.__name__}('what went wrong')" == repr(example(cls))
