"""Server behaviour that the API documentation leaves open, or that differs between servers."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

from attrs import frozen


@frozen(kw_only=True)
class Dialect:
    """How one BitPeak server behaves; every attribute varies independently.

    The defaults are the documented behaviour, or the simplest where none is documented.

    Attributes:
        ids: How ids and the numbers in `meta` are written: `1` or `"1"`.
        booleans: How `is_enabled` is written: `true`, `1` or `"1"`.
        empty_settings: How settings without fields are written: `{}`, `[]` or `null`.
        delete_reply: 204 without a body, or 200 with an empty, blank or JSON body.
        write_status: The status of a successful create or update.
        extra_keys: Add undocumented keys to every JSON object.
        max_results_per_page: The largest page served; `meta` shows the size used. None: 1,000.
        secrets: Show secret settings in clear, masked (`abc****`) or not at all.
        settings_update: Merge the settings sent in an update into the stored ones, or replace
            them all. An update without settings keeps the stored ones.
        omitted_is_enabled: What an update without `is_enabled` does to it.
        order: The list's order: by id, ascending or descending, or by name.
        page_out_of_range: The response to a page after the last.
        bad_results_per_page: The response to an unsupported size: the default size, or 400.
        links_with_size: Add `results_per_page` to the URLs in `links`.
        byte_order_mark: Start JSON bodies with a UTF-8 byte-order mark.
        php_warning: Print a PHP warning before the JSON.
        error_shape: The error envelope: `{"errors": [error]}`, `{"errors": error}`,
            `{"message": title}`, `{"error": title}` or `{"errors": []}`.
        error_status: How `status` is written within an error: `404` or `"404"`.
        trailing_slash: Serve list and create on both paths, or redirect (301) to the one with
            or without the slash.

    Raises:
        ValueError: An attribute has a value that it does not allow.
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
                raise ValueError(f"{name} must be one of {get_args(hint)}, not {value!r}")
