"""Server behaviour that the API documentation leaves open, or that differs between servers."""

from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from attrs import field, frozen, validators

from bitpeak_async.sandbox.cleaning import Cleaning


@frozen(kw_only=True)
class Dialect:
    """The behaviour of one BitPeak server; every attribute varies independently.

    The defaults are the documented behaviour, or the simplest where none is documented.

    Attributes:
        ids: How ids and the numbers in `meta` are written: `1` or `"1"`.
        booleans: How `is_enabled` is written: `true`, `1` or `"1"`.
        empty_settings: How settings without fields are written: `{}`, `[]` or `null`.
        delete_reply: 204 without a body, or 200 with an empty, blank or JSON body.
        write_status: The status of a successful create or update.
        extra_keys: Add undocumented keys to every JSON object.
        total: The key of the number of handlers in `meta`, or none.
        max_results_per_page: The largest page served; None for 1,000.
        size_in_meta: The page size that `meta` shows, and that determines `total_pages`: the size
            used, or the size requested, even if it is larger than the largest page.
        max_handlers: The subscription's limit; creates beyond it get a 401 with a title. None: no
            limit.
        unconfirmed_emails: Show `is_enabled` as `2` for an email handler with a new address, in
            spite of updates, until `Sandbox.confirm`.
        secrets: Show secret settings in clear; masked (`abc****`); starred (`***`); shortened
            (`https://hooks.slack.com/services/...`); or not at all.
        settings_update: Merge the settings sent in an update into the stored ones, or replace
            them all. An update without settings keeps the stored ones.
        sent_is_enabled: How an update reads `is_enabled`: as PHP reads truth, or as a check box,
            where any value switches the handler on.
        omitted_is_enabled: What an update without `is_enabled` does to it.
        cleaning: How names and settings are changed before they are stored.
        replica_lag: Seconds by which reads lag behind, on a replica; 0 reads the database.
        replica_serves: Whether the replica serves lists only, or single handlers too.
        filters: Support the list's filters: `search`, `search_by`, `type`, `is_enabled`,
            `order_by`, `order_type`, `datetime_field`, `datetime_start`, `datetime_end`.
        order: The list's order: by id, ascending or descending (newest first), or by name.
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
    total: Literal["total", "total_results", "absent"] = "total"
    max_results_per_page: int | None = None
    size_in_meta: Literal["used", "asked"] = "used"
    max_handlers: int | None = None
    unconfirmed_emails: bool = False
    secrets: Literal["clear", "masked", "starred", "shortened", "hidden"] = "clear"
    settings_update: Literal["merge", "replace"] = "merge"
    sent_is_enabled: Literal["truth", "check_box"] = "truth"
    omitted_is_enabled: Literal["keep", "disable"] = "keep"
    cleaning: Cleaning = field(factory=Cleaning)
    replica_lag: float = field(default=0.0, validator=validators.ge(0.0))
    replica_serves: Literal["lists", "reads"] = "lists"
    filters: bool = False
    order: Literal["ascending", "descending", "name"] = "ascending"
    page_out_of_range: Literal["empty", "not_found"] = "empty"
    bad_results_per_page: Literal["default", "error"] = "default"
    links_with_size: bool = False
    byte_order_mark: bool = False
    php_warning: bool = False
    error_shape: Literal["list", "object", "message", "error", "empty"] = "list"
    error_status: Literal["integer", "string"] = "integer"
    trailing_slash: Literal["either", "with", "without"] = "either"

    @classmethod
    def platform(cls) -> Self:
        """Return a dialect with all known habits of the servers of BitPeak and its sister sites.

        It excludes those that a client cannot overcome or has to report: a check box for
        `is_enabled`, unconfirmed addresses, a limit of handlers, hidden secrets, a replica. Add
        them with `attrs.evolve`. Names are cut at the narrowest known width.
        """
        return cls(
            ids="string",
            booleans="integer",
            empty_settings="list",
            delete_reply="empty",
            extra_keys=True,
            total="total_results",
            max_results_per_page=250,
            cleaning=Cleaning(
                composes=True,
                lowers_emails=True,
                strips_tags=True,
                trims=True,
                entities=1,
                name_width=64,
                settings_width=512,
            ),
            filters=True,
            order="descending",
            error_status="string",
        )

    def __attrs_post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value: Any = getattr(self, name)
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise ValueError(f"{name} must be one of {get_args(hint)}, not {value!r}")
