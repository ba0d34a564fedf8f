"""How the sandbox speaks where the API's documentation is silent or servers differ."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

from attrs import frozen


@frozen(kw_only=True)
class Dialect:
    """One way a BitPeak server may behave; each attribute varies on its own.

    The defaults are the documented behaviour, and where nothing is documented the plainest.

    Attributes:
        ids: How ids and the numbers of `meta` are written: `1` or `"1"`.
        booleans: How `is_enabled` is written: `true`, `1` or `"1"`.
        empty_settings: How settings without fields are written: `{}`, `[]` or `null`.
        delete_reply: 204 without a body, or 200 with an empty, a blank or a JSON body.
        write_status: The status that answers a create or an update.
        extra_keys: Whether every object of a reply carries keys that are not documented.
        max_results_per_page: The largest page served, whatever is asked; `meta` tells it.
        secrets: Whether secret settings come back in clear, masked (`abc****`) or not at all.
        settings_update: Whether the settings sent in an update are merged into those of the
            handler or replace them all. Without any, the handler's settings stay.
        omitted_is_enabled: What an update without `is_enabled` does to it.
        order: The list's order: by id either way, or by name.
        page_out_of_range: How a page past the last is answered.
        bad_results_per_page: How a size that is not allowed is answered: as if none was
            asked, or 400.
        links_with_size: Whether the URLs in `links` carry `results_per_page`.
        byte_order_mark: Whether JSON is preceded by a UTF-8 byte-order mark.
        php_warning: Whether JSON is preceded by a warning that PHP printed.
        error_shape: The error envelope: `{"errors": [error]}`, `{"errors": error}`,
            `{"message": title}`, `{"error": title}` or `{"errors": []}`.
        error_status: How `status` within an error is written: `404` or `"404"`.
        trailing_slash: The list's and create's path: both spellings served, or a 301 to the
            one with or without the slash.

    Raises:
        ValueError: A value is not one of those its attribute allows.
    """

    ids: Literal["integer", "string"] = "integer"
    booleans: Literal["boolean", "integer", "string"] = "boolean"
    empty_settings: Literal["object", "list", "null"] = "object"
    delete_reply: Literal["no_content", "empty", "blank", "json"] = "no_content"
    write_status: Literal[200, 201] = 200
    extra_keys: bool = False
    max_results_per_page: int | None = None
    secrets: Literal["clear", "masked", "hidden"] = "clear"
    settings_update: Literal["merge", "replace"] = "merge"
    omitted_is_enabled: Literal["keep", "disable"] = "keep"
    order: Literal["ascending", "descending", "name"] = "ascending"
    page_out_of_range: Literal["empty", "not_found"] = "empty"
    bad_results_per_page: Literal["default", "error"] = "default"
    links_with_size: bool = False
    byte_order_mark: bool = False
    php_warning: bool = False
    error_shape: Literal["list", "object", "message", "error", "empty"] = "list"
    error_status: Literal["integer", "string"] = "integer"
    trailing_slash: Literal["either", "with", "without"] = "either"

    def __attrs_post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value: Any = getattr(self, name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise ValueError(f"{name} is one of {get_args(hint)}, not {value!r}")
