"""Draw ``create.svg``, ``plan.svg`` and ``fleet.svg``, by ``python docs/pictures.py``.

Boxes with white text and grey arrows: readable on a light and on a dark page.
"""

from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent
BLUE, GREEN, GREY, RED = "#1f5f99", "#2f6b3a", "#5b6570", "#a33b32"
ARROW = "#7d8590"
HEIGHT = 46
ROLE = 'role="img" aria-labelledby="t d"'
HEAD = (
    '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{ARROW}"/></marker>'
)


class Box(NamedTuple):
    """A box: its centre, width, colour and one or two lines of text."""

    x: int
    y: int
    width: int
    color: str
    text: str


class Arrow(NamedTuple):
    """An arrow through points, with a label beside the middle of one of its lines."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    at: tuple[int, int] = (0, 0)
    anchor: str = "middle"


def svg(title: str, description: str, size: tuple[int, int], *parts: Box | Arrow) -> str:
    """Return a picture."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" {ROLE}>',
        f'  <title id="t">{title}</title>',
        f'  <desc id="d">{description}</desc>',
        f"  <defs>{HEAD}</defs>",
        '  <g font-family="system-ui, sans-serif" font-size="14" text-anchor="middle">',
    ]
    for part in parts:
        lines += _arrow(part) if isinstance(part, Arrow) else _box(part)
    return "\n".join([*lines, "  </g>", "</svg>", ""])


def _box(box: Box) -> list[str]:
    left, top = box.x - box.width // 2, box.y - HEIGHT // 2
    place = f'x="{left}" y="{top}" width="{box.width}" height="{HEIGHT}"'
    texts = box.text.split("\n")
    first = box.y + 5 - 9 * (len(texts) - 1)
    return [
        f'    <rect {place} rx="8" fill="{box.color}"/>',
        *(
            f'    <text x="{box.x}" y="{first + 18 * line}" fill="#ffffff">{text}</text>'
            for line, text in enumerate(texts)
        ),
    ]


def _arrow(arrow: Arrow) -> list[str]:
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    x, y = arrow.at
    line = (
        f'    <polyline points="{points}" fill="none" stroke="{ARROW}" stroke-width="2" '
        'marker-end="url(#a)"/>'
    )
    label = (
        f'    <text x="{x}" y="{y}" fill="{ARROW}" font-size="13" '
        f'text-anchor="{arrow.anchor}">{arrow.label}</text>'
    )
    return [line, label] if arrow.label else [line]


CREATE = svg(
    "The life of a create",
    "A create waits for the pause and the rate, then is sent. A reply with an id ends it. A "
    "refusal before processing, such as 429 or a failed connection, sends it again. If the reply "
    "is lost, a single create raises OutcomeUnknownError, and a bulk run lists the handlers: found "
    "once, it counts as created; not found, it is sent again; found more often, it is reported.",
    (720, 390),
    Box(120, 40, 200, GREY, "wait for the pause\nand the rate"),
    Arrow(((220, 40), (276, 40))),
    Box(360, 40, 160, BLUE, "send the create"),
    Arrow(((440, 40), (516, 40)), "an id", (478, 32)),
    Box(610, 40, 180, GREEN, "created"),
    Arrow(
        ((310, 63), (310, 100), (120, 100), (120, 67)),
        "refused: 429, no connection",
        (215, 118),
    ),
    Arrow(((360, 63), (360, 147)), "reply lost, 5xx", (370, 118), "start"),
    Box(360, 172, 200, GREY, "outcome unknown"),
    Arrow(((460, 172), (506, 172)), "create", (483, 164)),
    Box(610, 172, 200, RED, "OutcomeUnknownError"),
    Arrow(((360, 195), (360, 247)), "in bulk: after a delay", (370, 225), "start"),
    Box(360, 272, 200, BLUE, "list the handlers once"),
    Arrow(((260, 272), (20, 272), (20, 67)), "not found: send again", (140, 264)),
    Arrow(((330, 295), (330, 320), (200, 320), (200, 337)), "found once", (265, 312)),
    Box(200, 362, 160, GREEN, "counted as created"),
    Arrow(((390, 295), (390, 320), (520, 320), (520, 337)), "found more often", (465, 312)),
    Box(520, 362, 200, RED, "reported, never guessed"),
)

PLAN = svg(
    "Plan and apply",
    "Your specs and a listing of the server make a plan, which you can review. Apply lists the "
    "server again and refuses a stale plan, then creates, updates and deletes, and verifies the "
    "report with a last listing.",
    (720, 310),
    Box(110, 40, 180, GREY, "your specs"),
    Box(110, 110, 180, GREY, "listing of the server"),
    Arrow(((200, 40), (240, 40), (240, 66), (276, 66))),
    Arrow(((200, 110), (240, 110), (240, 84), (276, 84))),
    Box(360, 75, 160, BLUE, "plan\n(reads only)"),
    Arrow(((440, 75), (516, 75)), "str, JSON", (478, 67)),
    Box(610, 75, 180, GREY, "review"),
    Arrow(((610, 98), (610, 161)), "apply", (620, 135), "start"),
    Box(610, 186, 180, BLUE, "list again"),
    Arrow(((610, 209), (610, 257)), "changed since", (620, 238), "start"),
    Box(610, 282, 180, RED, "PlanError"),
    Arrow(((520, 186), (431, 186)), "as planned", (477, 178)),
    Box(342, 186, 170, BLUE, "create, update,\nthen delete"),
    Arrow(((257, 186), (206, 186))),
    Box(110, 186, 180, BLUE, "list and verify"),
    Arrow(((110, 209), (110, 257))),
    Box(110, 282, 180, GREEN, "report"),
)

FLEET = svg(
    "A fleet",
    "Each account has its own key with its own pause and rate. A request takes the slot of its key "
    "first and a slot of the fleet last. All accounts share one connector.",
    (720, 250),
    *(
        part
        for y, name in ((40, "acme"), (125, "globex"), (210, "…"))
        for part in (
            Box(85, y, 130, GREY, f"account\n{name}" if name != "…" else "more accounts"),
            Arrow(((150, y), (186, y))),
            Box(275, y, 170, BLUE, "its key: slots,\npause, rate"),
            Arrow(((360, y), (400, y), (400, 125), (436, 125))),
        )
    ),
    Box(515, 125, 150, BLUE, "slots of the fleet\n(in_flight)"),
    Arrow(((590, 125), (616, 125))),
    Box(667, 125, 94, GREEN, "BitPeak"),
)

PICTURES = {"create.svg": CREATE, "plan.svg": PLAN, "fleet.svg": FLEET}

if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (DOCS / name).write_text(picture, encoding="utf-8")
