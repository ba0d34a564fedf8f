"""Errors of the SDK in the result store of Celery."""

from __future__ import annotations

import uuid

import pytest
from celery import Celery
from celery.states import FAILURE

from bitpeak_async import NotFoundError

pytestmark = pytest.mark.deployments

ERROR = NotFoundError("get notification handler 7: 404 none", status=404, request_id="r-1")


class JobFailedError(Exception):
    """As in docs/integrations.md."""


def stored(error: Exception, serializer: str) -> Exception:
    app = Celery(backend="cache+memory://", broker="memory://", set_as_current=False)
    app.conf.update(result_serializer=serializer, result_accept_content=[serializer])
    job = str(uuid.uuid4())  # Celery keeps one memory for all apps
    app.backend.store_result(job, error, FAILURE)
    return app.AsyncResult(job).result


def test_a_json_result_keeps_the_class_and_the_message():
    result = stored(ERROR, "json")
    assert (NotFoundError, str(ERROR)) == (type(result), str(result))


def test_a_json_result_keeps_the_arguments_of_an_error_of_ones_own():
    result = stored(JobFailedError(str(ERROR), ERROR.status, ERROR.request_id), "json")
    assert (JobFailedError, (str(ERROR), 404, "r-1")) == (type(result), result.args)


def test_a_pickled_result_keeps_every_field():
    result = stored(ERROR, "pickle")
    assert (NotFoundError, 404, "r-1") == (type(result), result.status, result.request_id)
