"""A Django service in one file, with one synchronous client for all its threads.

Run it: ``python django_app.py runserver``, with BITPEAK_API_KEY in the environment.
"""

import json
import secrets
import sys
from collections.abc import Callable

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from bitpeak_async import BitPeakError, EmailSettings, NotFoundError, SyncBitPeak, to_dict

# Created at import. It connects on the first call, and also works after a fork.
bitpeak = SyncBitPeak()


class Failures:
    """Turns an error of the SDK into a JSON response; its message holds no secret."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Go on to the view."""
        return self._get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """Turn an error of the SDK into a response; leave other errors to Django."""
        if not isinstance(error, BitPeakError):
            return None
        status = 404 if isinstance(error, NotFoundError) else 502
        return JsonResponse({"error": str(error)}, status=status)


@require_http_methods(["GET", "POST"])
def handlers(request: HttpRequest) -> HttpResponse:
    """Create a handler, or list the names of all."""
    if request.method == "POST":
        inbox = json.loads(request.body)
        email = EmailSettings(inbox["email"])
        handler_id = bitpeak.notification_handlers.create(inbox["name"], email)
        return JsonResponse({"id": handler_id}, status=201)
    names = [handler.name for handler in bitpeak.notification_handlers.iterate()]
    return JsonResponse(names, safe=False)


@require_safe
def show(_: HttpRequest, handler_id: int) -> HttpResponse:
    """Show a handler with its secrets masked."""
    handler = bitpeak.notification_handlers.get(handler_id)
    return JsonResponse(to_dict(handler))


urlpatterns = [path("handlers", handlers), path("handlers/<int:handler_id>", show)]
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=[f"{__name__}.Failures"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
)
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
