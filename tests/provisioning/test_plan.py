"""Plans: pure comparison by name, a readable diff, secrets masked."""

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from attrs import evolve

from bitpeak_async import (
    Conflict,
    Create,
    Delete,
    Difference,
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    NotificationHandler,
    Page,
    PageMeta,
    Plan,
    PlanError,
    Settings,
    SlackSettings,
    TelegramSettings,
    Unchanged,
    UnknownSettings,
    Update,
    WebhookSettings,
)
from bitpeak_async._http.pagination import SeenIds
from bitpeak_async.provisioning.changes import digest
from bitpeak_async.provisioning.plan import make_plan
from bitpeak_async.provisioning.safety import refuse_unsafe, still_valid
from bitpeak_async.settings import Format

NOW = dt.datetime(2025, 12, 5, tzinfo=dt.UTC)
MAIL = EmailSettings("a@example.com")
OLD_MAIL = EmailSettings("old@example.com")
SLACK = SlackSettings("https://hooks.slack.com/services/secret-1")
BOT = TelegramSettings("1:abcd", "-1")


def page_of(*handlers: NotificationHandler) -> Page[NotificationHandler]:
    return Page(handlers, PageMeta(1, 1000, len(handlers), 1))


def handler(
    handler_id: int, name: str, settings: Settings = MAIL, *, is_enabled: bool = True
) -> NotificationHandler:
    return NotificationHandler(handler_id, name, settings, is_enabled, None, NOW)


async def plan(specs: Iterable[Any], *existing: NotificationHandler, **options: Any) -> Plan:
    async def listing() -> AsyncIterator[Page[NotificationHandler]]:
        yield page_of(*existing)

    return await make_plan(specs, listing(), **options)


async def test_changes_come_in_the_order_of_the_specs():
    specs = [HandlerSpec(name, MAIL) for name in ("new", "same", "moved", "twice")]
    moved = handler(1, "moved", OLD_MAIL)
    others = handler(2, "same"), handler(4, "twice"), handler(5, "not ours")
    made = await plan(specs, handler(3, "twice"), moved, *others)
    assert (
        Create(specs[0]),
        Unchanged(specs[1], 2),
        Update(
            specs[2],
            1,
            "email",
            (Difference("settings.email", "'old@example.com'", "'a@example.com'"),),
            digest(moved, made.salt),
        ),
        Conflict(specs[3], (3, 4)),
    ) == made.changes
    assert not made.is_empty


async def test_nothing_to_do_is_an_empty_plan():
    made = await plan([HandlerSpec("a", MAIL)], handler(1, "a"))
    assert made.is_empty
    assert "0 to change (0 to create, 0 to update), 1 unchanged" == str(made)


@pytest.mark.parametrize(
    ("desired", "seen", "fields"),
    [
        (MAIL, MAIL, ()),
        (MAIL, OLD_MAIL, ("settings.email",)),
        (MAIL, SLACK, ("type",)),
        (MAIL, EmailSettings("a...@example.com"), ("settings.email",)),
        (BOT, TelegramSettings("", "-1"), ()),
        (BOT, TelegramSettings("", "-2"), ("settings.telegram_chat_id",)),
        (BOT, TelegramSettings("1:a*****", "-1"), ()),
        (BOT, TelegramSettings("•••••••cd", "-1"), ()),
        (BOT, TelegramSettings("2:a*****", "-1"), ("settings.telegram",)),
        (BOT, TelegramSettings("1:…xx", "-1"), ("settings.telegram",)),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": 1, "more": {}}), ()),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": None}), ()),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": "2"}), ("settings.t",)),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("u", {"t": "1"}), ("type",)),
        (InternalNotificationSettings(), InternalNotificationSettings(), ()),
    ],
)
async def test_what_differs_is_named_and_what_is_hidden_is_not_compared(
    desired: Settings, seen: Settings, fields: tuple[str, ...]
):
    [change] = (await plan([HandlerSpec("a", desired)], handler(1, "a", seen))).changes
    assert fields == (change.fields if isinstance(change, Update) else ())


async def test_a_handler_switched_off_by_hand_is_switched_on_again():
    [change] = (await plan([HandlerSpec("a", MAIL)], handler(1, "a", is_enabled=False))).changes
    assert isinstance(change, Update)
    assert ("is_enabled",) == change.fields


async def test_the_diff_shows_every_change_and_no_secret():
    specs = [
        HandlerSpec("mail", MAIL, is_enabled=False),
        HandlerSpec("#ops", SlackSettings("https://hooks.slack.com/services/secret-2")),
        HandlerSpec("bot", TelegramSettings("secret-3", "-100"), is_enabled=False),
        HandlerSpec("bell", InternalNotificationSettings()),
        HandlerSpec("twice", MAIL),
    ]
    made = await plan(
        specs,
        handler(7, "#ops", SLACK),
        handler(8, "bot", WebhookSettings("https://example.com/secret-4")),
        handler(1, "twice"),
        handler(2, "twice"),
    )
    assert [
        "+ 'mail' (email) 'a@example.com'",
        "    is_enabled: false",
        "~ '#ops' (slack, id 7)",
        "    settings.slack: https://hooks.slack.com/*** (changed)",
        "~ 'bot' (webhook, id 8)",
        "    type: webhook → telegram",
        "    is_enabled: true → false",
        "+ 'bell' (internal_notification)",
        "! 'twice': several handlers have this name (ids 1, 2)",
        "4 to change (2 to create, 2 to update), 0 unchanged, 1 in conflict",
    ] == str(made).splitlines()
    assert "secret" not in str(made) + repr(made)


async def test_a_name_cannot_forge_lines_of_the_diff():
    made = await plan([HandlerSpec("a\n+ 'b' (email)\x1b[31m", MAIL)])
    assert 2 == len(str(made).splitlines())
    assert "\x1b" not in str(made)


async def test_all_problems_of_the_specs_are_reported_at_once():
    specs = [
        HandlerSpec("a", MAIL),
        HandlerSpec("", MAIL),
        HandlerSpec("hook", WebhookSettings("example.com/secret-5")),
        {"name": "b"},
        HandlerSpec("a", SLACK),
        HandlerSpec("x", "email"),
    ]
    with pytest.raises(PlanError) as caught:
        await plan(specs)
    *first, last, kinds = caught.value.problems
    assert [
        "spec 2 (''): name must not be empty",
        f"spec 3 ('hook'): settings.url must be {Format.URL.value}",
        "specs 1 and 5 share the name 'a'",
    ] == first
    assert "spec 4: must be a HandlerSpec, not dict; spec_from_dict makes one" == kinds
    assert last.startswith("spec 6 ('x'): settings must be one of EmailSettings")
    assert "secret-5" not in str(caught.value)


async def test_a_type_of_the_server_cannot_forge_lines_of_the_diff():
    forged = UnknownSettings("x\n+ 'b' (email)", {})
    made = await plan([HandlerSpec("a", MAIL)], handler(1, "a", forged))
    assert 3 == len(str(made).splitlines())


# Pruning


async def test_pruning_deletes_what_matches_and_is_not_desired():
    specs = [HandlerSpec("team-a mail", MAIL)]
    others = [handler(5, "team-a old"), handler(3, "team-a older", SLACK), handler(4, "team-b")]
    made = await plan(specs, *others, handler(1, "team-a mail"), prune="team-a *")
    deletes = [
        Delete("team-a older", 3, "slack", digest(others[1], made.salt)),
        Delete("team-a old", 5, "email", digest(others[0], made.salt)),
    ]
    assert (Unchanged(specs[0], 1), *deletes) == made.changes
    assert (tuple(deletes), 3, "team-a *") == (made.deletes, made.reached, made.prune)
    assert [
        "- 'team-a older' (slack, id 3)",
        "- 'team-a old' (email, id 5)",
        "2 to change (0 to create, 0 to update, 2 to delete), 1 unchanged",
    ] == str(made).splitlines()


async def test_a_pattern_is_matched_to_the_letter_and_whole():
    made = await plan([HandlerSpec("x", MAIL)], handler(1, "Ops"), handler(2, "ops!"), prune="ops")
    assert () == made.deletes


async def test_pruning_with_nothing_desired_is_refused():
    with pytest.raises(PlanError, match="pruning would delete everything"):
        await plan([], handler(1, "a"), prune="*")


@pytest.mark.parametrize("prune", ["", 5, b"*"])
async def test_a_pattern_that_is_none_is_refused(prune: object):
    with pytest.raises(PlanError, match="such as 'team-a"):
        await plan([HandlerSpec("a", MAIL)], prune=prune)


@pytest.mark.parametrize(
    ("total", "deletes", "options", "refused"),
    [
        (9, 8, {}, None),
        (10, 3, {}, None),
        (10, 4, {}, "deletes 4 of the 10 handlers that match"),
        (10, 4, {"force": True}, None),
        (10, 4, {"force": True, "max_deletes": 3}, "deletes 4 handlers, at most 3 are allowed"),
        (10, 2, {"max_deletes": 2}, None),
        (9, 1, {"max_deletes": 0}, "at most 0"),
    ],
)
async def test_a_plan_that_deletes_too_much_is_refused(
    total: int, deletes: int, options: dict[str, Any], refused: str | None
):
    kept = [HandlerSpec(f"kept {n}", MAIL) for n in range(total - deletes)]
    there = [handler(n, spec.name) for n, spec in enumerate(kept, 1)]
    there += [handler(100 + n, f"old {n}") for n in range(deletes)]
    made = await plan(kept, *there, prune="*")
    options = {"max_deletes": None, "force": False, **options}
    if refused is None:
        refuse_unsafe(made, **options)
    else:
        with pytest.raises(PlanError, match=refused):
            refuse_unsafe(made, **options)


# Warnings


async def test_names_that_are_nearly_the_same_are_warned_about():
    specs = [HandlerSpec("Ops  mail", MAIL), HandlerSpec("ops mail", MAIL), HandlerSpec("a", MAIL)]
    made = await plan(specs, handler(1, " OPS mail"), handler(2, "A"), handler(3, "b"))
    assert (
        "'ops mail' and 'Ops  mail' are two handlers; do you mean one?",
        "'Ops  mail' is desired and ' OPS mail' exists; do you mean the same handler?",
        "'a' is desired and 'A' exists; do you mean the same handler?",
    ) == made.warnings
    assert (
        "? 'a' is desired and 'A' exists; do you mean the same handler?" in str(made).splitlines()
    )


async def test_a_name_that_the_server_changed_is_recognised_and_told_once():
    specs = [HandlerSpec("R&D", MAIL), HandlerSpec(" padded ", OLD_MAIL)]
    made = await plan(specs, handler(1, "R&amp;D"), handler(2, "padded"), prune="*")
    assert [Unchanged(specs[0], 1), ("settings.email",)] == [
        made.changes[0],
        made.changes[1].fields,
    ]
    assert (
        "'R&D' is kept by the server as 'R&amp;D'",
        "' padded ' is kept by the server as 'padded'",
    ) == made.warnings
    assert () == made.deletes


async def test_a_changed_name_beside_an_equal_one_is_left_alone():
    made = await plan(
        [HandlerSpec("R&D", MAIL)], handler(1, "R&amp;D"), handler(2, "R&D"), prune="*"
    )
    assert (Unchanged(HandlerSpec("R&D", MAIL), 2),) == made.changes
    assert (
        "'R&D' is desired and 'R&amp;D' exists; do you mean the same handler?",
    ) == made.warnings


async def test_names_that_a_server_may_keep_as_one_are_refused():
    with pytest.raises(PlanError, match="specs 1 and 3 have names that a server may store as one"):
        await plan([HandlerSpec("a b", MAIL), HandlerSpec("c", MAIL), HandlerSpec("a  b", MAIL)])


async def test_a_name_that_several_specs_may_have_become_is_a_conflict():
    specs = [HandlerSpec("x" * 64 + end, MAIL) for end in (" one", " two")]
    made = await plan(specs, handler(1, "x" * 64))
    assert [Conflict(spec, (1,)) for spec in specs] == [*made.changes]
    assert "may match several specs" in str(made)


# Hidden secrets


async def test_hidden_secrets_are_counted_and_sent_on_demand():
    specs = [HandlerSpec("a", BOT), HandlerSpec("b", SLACK), HandlerSpec("c", MAIL)]
    there = (
        handler(1, "a", TelegramSettings("", "-1")),
        handler(2, "b", SlackSettings("https://hooks.slack.com/*****1")),
        handler(3, "c"),
    )
    made = await plan(specs, *there)
    assert ["a", "b"] == [change.name for change in made.uncompared]
    assert made.is_empty
    hidden = (
        "2 secrets are hidden by the server and were not compared; "
        "resend_secrets (--resend-secrets) sends them"
    )
    assert f"? {hidden}" in str(made).splitlines()
    assert made == Plan.from_json(made.to_json(), specs)
    sent = await plan(specs, *there, resend_secrets="a")
    assert ("settings.telegram",) == sent.changes[0].fields
    assert "    settings.telegram: hidden → sent again" in str(sent).splitlines()
    assert ["b"] == [change.name for change in sent.uncompared]
    assert "1 secret is hidden by the server and was not compared" in str(sent)
    assert sent == Plan.from_json(sent.to_json(), specs)


# The switch


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_a_switch_may_stay_as_people_set_it(is_enabled: bool):
    spec = HandlerSpec("a", MAIL, is_enabled=None)
    [change] = (await plan([spec], handler(1, "a", is_enabled=is_enabled))).changes
    assert isinstance(change, Unchanged)


async def test_a_pending_handlers_switch_is_not_fought_over():
    pending = evolve(handler(1, "a", is_enabled=False), is_pending=True)
    [change] = (await plan([HandlerSpec("a", MAIL)], pending)).changes
    assert isinstance(change, Unchanged)


# Renaming

RENAMED = HandlerSpec("new", MAIL, renamed_from="old")


async def test_a_rename_is_an_update_of_the_same_handler():
    made = await plan([RENAMED], handler(1, "old"), prune="*")
    [change] = made.changes
    assert (1, ("name",)) == (change.handler_id, change.fields)
    assert "    name: 'old' → 'new'" in str(made).splitlines()
    assert made == Plan.from_json(made.to_json(), [RENAMED])


async def test_what_is_renamed_already_or_was_never_there_is_fine():
    assert (Unchanged(RENAMED, 1),) == (await plan([RENAMED], handler(1, "new"))).changes
    assert (Create(RENAMED),) == (await plan([RENAMED])).changes


async def test_both_names_existing_is_a_conflict():
    made = await plan([RENAMED], handler(1, "new"), handler(2, "old"), prune="*")
    assert (Conflict(RENAMED, (1, 2)),) == made.changes


async def test_a_former_name_that_is_also_desired_is_refused():
    with pytest.raises(PlanError, match="spec 1 is renamed from 'old', the name of spec 2"):
        await plan([RENAMED, HandlerSpec("old", MAIL)])
    again = evolve(RENAMED, name="newer")
    with pytest.raises(PlanError, match="specs 1 and 2 are both renamed from 'old'"):
        await plan([RENAMED, again])


# Staleness


async def valid(
    specs: list[HandlerSpec], before: list[NotificationHandler], after: list[NotificationHandler]
) -> Plan:
    """Plan on what was there before and see what is left to do of it after."""
    made = await plan(specs, *before, prune="old*")
    seen = SeenIds()
    for each in after:
        seen.add(each.id)
    return still_valid(made, await plan(specs, *after, prune="old*", salt=made.salt), seen)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([handler(1, "a", OLD_MAIL)], [handler(1, "a", SLACK)]),
        ([handler(1, "a", OLD_MAIL)], [handler(1, "a", OLD_MAIL, is_enabled=False)]),
        ([handler(1, "a", OLD_MAIL)], [handler(2, "a", OLD_MAIL)]),
        ([handler(1, "a", OLD_MAIL)], []),
        ([], [handler(1, "a", OLD_MAIL)]),
        ([handler(1, "a")], [handler(1, "a", OLD_MAIL)]),
        ([handler(1, "old")], [handler(1, "old", OLD_MAIL)]),
        ([handler(1, "old")], [handler(1, "renamed")]),
        ([handler(1, "old")], [handler(1, "a")]),
    ],
)
async def test_a_plan_is_stale_when_what_it_touches_changed(
    before: list[NotificationHandler], after: list[NotificationHandler]
):
    with pytest.raises(PlanError, match=r"stale: '(a|old)' changed since"):
        await valid([HandlerSpec("a", MAIL)], before, after)


async def test_what_is_done_already_or_has_nothing_to_do_with_it_is_fine():
    spec = HandlerSpec("a", MAIL)
    used = evolve(handler(1, "a", OLD_MAIL), last_datetime=NOW)
    made = await valid([spec], [handler(1, "a", OLD_MAIL)], [used, handler(9, "other")])
    assert ("settings.email",) == made.changes[0].fields
    made = await valid([spec], [handler(1, "a", OLD_MAIL)], [handler(1, "a")])
    assert (Unchanged(spec, 1),) == made.changes


async def test_what_somebody_else_deleted_or_added_meanwhile_is_not_deleted_again():
    before = [handler(1, "a"), handler(2, "old")]
    made = await valid([HandlerSpec("a", MAIL)], before, [handler(1, "a"), handler(3, "old too")])
    assert [2] == [change.handler_id for change in made.deletes]


# JSON

SPECS = [
    HandlerSpec("new", SlackSettings("https://hooks.slack.com/canary-1")),
    HandlerSpec("moved", TelegramSettings("canary-2", "-1")),
    HandlerSpec("same", MAIL),
    HandlerSpec("twice", MAIL, is_enabled=False),
]
THERE = [
    handler(1, "moved", TelegramSettings("canary-3", "-2")),
    handler(2, "same"),
    handler(3, "twice"),
    handler(4, "twice"),
    handler(5, "leftover", WebhookSettings("https://example.com/canary-4")),
    handler(6, "Same"),
]


async def test_json_holds_the_whole_plan_without_a_secret_and_reads_back_equal():
    made = await plan(SPECS, *THERE, prune="left*")
    text = made.to_json()
    assert "canary" not in text
    assert made == Plan.from_json(text, reversed(SPECS))
    assert made.salt == Plan.from_json(text.encode(), SPECS).salt
    document = json.loads(text)
    assert ["create", "update", "unchanged", "conflict", "delete"] == [
        change["action"] for change in document["changes"]
    ]
    assert {"field": "settings.telegram_chat_id", "before": "'-2'", "after": "'-1'"} == (
        document["changes"][1]["differences"][1]
    )
    assert made.summary == document["summary"]


async def test_digests_of_two_plans_do_not_compare():
    first, second = await plan(SPECS, *THERE), await plan(SPECS, *THERE)
    ours, theirs = (json.loads(made.to_json())["changes"][0]["desired"] for made in (first, second))
    assert ours != theirs


async def test_json_is_for_the_specs_it_was_made_from():
    made = await plan(SPECS, *THERE)
    other = [HandlerSpec("new", SlackSettings("https://hooks.slack.com/canary-9"))]
    with pytest.raises(PlanError) as caught:
        Plan.from_json(made.to_json(), [*other, *SPECS[2:], HandlerSpec("more", MAIL)])
    assert (
        "'more' is new among the specs since the plan was made",
        "'moved' is no longer among the specs since the plan was made",
        "'new' has a different spec since the plan was made",
    ) == caught.value.problems
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not written by to_json(): must be a mapping, not a list"),
        ("{}", "version: missing; "),
        ('{"version": 2}', "version 2, not 1"),
        ('{"version": 1, "salt": 5}', "salt: must be a string, not a numbe"),
        ('{"changes": 5}', "changes: must be a list, not a numbe"),
        ('{"changes": [5]}', "changes[0]: must be a mapping, not a numbe"),
        ('{"changes": [{}]}', "changes[0]: has no action; known: create, update, "),
        ('{"changes": [{"action": 1}]}', "changes[0]: has the unknown action '1'; known: create"),
        (
            '{"changes": [{"action": "delet"}]}',
            "changes[0]: has the unknown action 'delet'; did you mean 'delete'?",
        ),
        ('{"changes": [{"action": "delete", "name": 1}]}', "changes[0].name: must be a string"),
        ('{"changes": [{"action": "delete"}]}', "changes[0].handler_id: missing"),
        (
            '{"changes": [{"action": "unchanged", "name": "a", "desired": "", "handler_i": 1}]}',
            "changes[0].handler_i: is not a known key; did you mean 'handler_id'?",
        ),
        (
            (
                '{"changes": [{"action": "update", "name": "a", "desired": "",'
                ' "differences": [{"field": 1}]}]}'
            ),
            "changes[0].differences[0].before: missing",
        ),
        (
            (
                '{"changes": [{"action": "conflict", "name": "a", "desired": "",'
                ' "handler_ids": [true]}]}'
            ),
            "changes[0].handler_ids[0]: must be a whole number, not a boolean",
        ),
        (
            '{"version":1,"salt":"","changes":[],"prune":null,"server":null,"warnings":[]}',
            "reached: missing",
        ),
    ],
)
def test_what_is_no_plan_is_refused(text: str, problem: str):
    with pytest.raises(PlanError, match=re.escape(problem)):
        Plan.from_json(text, [])


async def test_a_change_told_twice_is_refused():
    text = (await plan(SPECS[:1])).to_json()
    document = json.loads(text)
    document["changes"] *= 2
    with pytest.raises(PlanError, match="several changes of one handler"):
        Plan.from_json(json.dumps(document), SPECS[:1])


@pytest.mark.parametrize("specs", [None, 5])
async def test_what_holds_no_specs_is_refused(specs: object):
    with pytest.raises(PlanError, match="specs must be an iterable of HandlerSpec, not"):
        await plan(specs)


# Growth

MANY = """
import asyncio, datetime, resource
from bitpeak_async import EmailSettings, HandlerSpec, NotificationHandler, Page
from bitpeak_async.provisioning.plan import make_plan

now = datetime.datetime.now(datetime.UTC)

async def existing():
    for start in range(0, 100_000, 1000):
        yield Page(tuple(handler(n) for n in range(start, start + 1000)), None)

def handler(n):
    settings = EmailSettings(f"{n % 7}{n}@example.com")
    return NotificationHandler(n + 1, f"n{n}", settings, True, None, now)

specs = (HandlerSpec(f"n{n}", EmailSettings(f"{n}@example.com")) for n in range(50_000, 150_000))
plan = asyncio.run(make_plan(specs, existing(), prune="*"))
assert len(plan.to_json()) > 1_000_000
print(plan.summary, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, sep="|")
"""


@pytest.mark.chaos
def test_a_hundred_thousand_of_each_fit_into_a_gigabyte():
    run = subprocess.run(
        [sys.executable, "-P", "-c", MANY], capture_output=True, text=True, check=True
    )
    summary, megabytes = run.stdout.split("|")
    assert "150000 to change (50000 to create, 50000 to update, 50000 to delete)" in summary
    assert int(megabytes) < 1024


async def test_markdown_has_counts_first_and_no_secret_or_markup():
    hook = "https://hooks.example.com/canary-4711"
    specs = [
        HandlerSpec("a | `b`\n@all <b>", MAIL),
        HandlerSpec("chat", SlackSettings(hook)),
        HandlerSpec("twice", MAIL),
    ]
    existing = (
        handler(1, "chat", SlackSettings(f"{hook}-old")),
        *(handler(number, "twice", MAIL) for number in (3, 2)),
        handler(4, "old"),
    )
    made = await plan(specs, *existing, prune="*")
    masked = "https://hooks.example.com/***"
    assert [
        f"**{made.summary}**",
        "",
        "`https://bitpeak.example/api (profile x)`",
        "",
        "| | handler | what differs |",
        "|---|---|---|",
        "| `!` | `'twice': several handlers have this name (ids 2, 3)` |  |",
        "| `-` | `'old' (email, id 4)` |  |",
        f"| `~` | `'chat' (slack, id 1)` | `settings.slack: {masked} (changed)` |",
        "| `+` | `` 'a \\| `b`\\n@all <b>' (email) 'a@example.com' `` |  |",
    ] == made.to_markdown(place="https://bitpeak.example/api (profile x)").splitlines()


async def test_markdown_fits_into_a_comment():
    specs = [HandlerSpec(f"{n} {'x' * 400}", MAIL) for n in range(300)]
    text = (await plan(specs)).to_markdown()
    assert 59_000 < len(text) <= 60_000
    assert "This is cut. `bitpeak plan` shows all changes." == text.splitlines()[-1]


async def test_json_shows_what_is_created_masked_and_holds_the_plan_to_it():
    spec = HandlerSpec("chat", SlackSettings("https://hooks.example.com/canary-4711"))
    text = (await plan([spec])).to_json()
    assert "canary" not in text
    [change] = json.loads(text)["changes"]
    assert {"slack": "https://hooks.example.com/***"} == change["settings"]
    forged = text.replace("hooks.example.com", "hooks.example.org")
    with pytest.raises(PlanError, match="and the spec have different settings of 'chat'"):
        Plan.from_json(forged, [spec])
