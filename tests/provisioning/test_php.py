"""A real PHP that cleans texts as PHP applications do: nothing twice, and nothing to do again."""

import os
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed import needs

from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Pace, Retry, SlackSettings

APPLICATION = r"""<?php
$file = getenv('STORE');
$text = is_file($file) ? file_get_contents($file) : '{"next": 1, "rows": {}}';
$store = json_decode($text, true);
mt_srand(crc32($file) + ($store['requests'] = ($store['requests'] ?? 0) + 1));
$isPost = $_SERVER['REQUEST_METHOD'] === 'POST';
$lost = $isPost && mt_rand() / mt_getrandmax() < (float) getenv('LOST');
$commits = !$lost || mt_rand(0, 1);

function cleaned(string $text): string {
    foreach (explode(' ', getenv('CLEANING')) as $how) {
        $text = match ($how) {
            'trim' => trim($text),
            'squeeze' => preg_replace('/\s+/u', ' ', $text),
            'tags' => strip_tags($text),
            'escape' => htmlspecialchars($text, ENT_QUOTES),
            'cut64', 'cut255' => preg_replace('/^(.{' . substr($how, 3) . '}).*/us', '$1', $text),
            'lower' => str_contains($text, '@') ? strtolower($text) : $text,
            default => $text,
        };
    }
    return $text;
}

function answer(array $document, int $status = 200): never {
    global $store, $file, $lost, $commits;
    $kept = $commits ? $store : ['requests' => $store['requests']] + $GLOBALS['before'];
    file_put_contents($file, json_encode($kept));
    http_response_code($status);
    header('Content-Type: application/json');
    exit($lost ? '' : json_encode($document));
}

$before = $store;
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$id = preg_match('~/(\d+)$~', $path, $found) ? (int) $found[1] : null;
$fields = array_map('cleaned', array_diff_key($_POST, array_flip(['name', 'type', 'is_enabled'])));
if ($_SERVER['REQUEST_METHOD'] === 'GET' && $id === null) {
    $rows = array_values($store['rows']);
    $meta = ['page' => 1, 'results_per_page' => 1000, 'total' => count($rows), 'total_pages' => 1];
    answer(['data' => $rows, 'meta' => $meta, 'links' => []]);
}
if ($id !== null && !isset($store['rows'][$id])) {
    answer(['errors' => [['title' => 'Not found', 'status' => 404]]], 404);
}
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    answer(['data' => $store['rows'][$id]]);
}
if ($_SERVER['REQUEST_METHOD'] === 'DELETE') {
    unset($store['rows'][$id]);
    answer([]);
}
$row = $store['rows'][$id] ?? ['id' => $id ?? $store['next']++, 'is_enabled' => true,
    'last_datetime' => null, 'datetime' => '2025-12-05 14:25:37'];
$row['name'] = cleaned($_POST['name']);
$row['type'] = $_POST['type'];
$row['settings'] = $fields;
$row['is_enabled'] = isset($_POST['is_enabled']) ? (bool) $_POST['is_enabled'] : $row['is_enabled'];
$store['rows'][$row['id']] = $row;
answer(['data' => ['id' => $row['id']]]);
"""

NAMES = (
    "R&D",
    "o'rni",
    " padded ",
    "a  b",
    "x" * 80,
    "Тревога & сбой",
    "Bildirishnoma & 'xabar' " * 4,
)
Serve = Callable[[str, float], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a PHP with some cleaning and a share of lost replies; return its base URL."""
    needs("php")
    script = tmp_path / "application.php"
    script.write_text(APPLICATION)
    servers: list[subprocess.Popen[bytes]] = []

    def serve(cleaning: str, lost: float) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environ = {"CLEANING": cleaning, "LOST": str(lost), "STORE": str(tmp_path / "store.json")}
        server = subprocess.Popen(
            ["php", "-q", "-S", f"127.0.0.1:{port}", str(script)],
            env=os.environ | environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        servers.append(server)
        assert server.stderr is not None
        server.stderr.readline()  # "Development Server … started"
        return f"http://127.0.0.1:{port}/api"

    yield serve
    for server in servers:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("lost", [0.0, 0.3])
@pytest.mark.parametrize(
    "cleaning",
    [
        "",
        "trim",
        "trim squeeze",
        "escape",
        "trim escape escape",
        "trim tags escape lower",
        "escape cut64",
        "cut255 escape",
        "trim squeeze escape cut64",
    ],
)
async def test_a_second_run_writes_nothing_and_nothing_is_twice(
    cleaning: str, lost: float, serve: Serve
):
    wanted = [
        HandlerSpec(name, EmailSettings(f"Team.{n}@Example.com"), is_enabled=n % 2 > 0)
        for n, name in enumerate(NAMES)
    ]
    wanted.append(HandlerSpec("hook", SlackSettings("https://hooks.slack.com/a?b=1&c=2")))
    retry = Retry(base_delay=0, attempts=20, unknown_outcome_delay=0, duplicate_check_delay=0)
    url = serve(cleaning, lost)
    async with BitPeak("key", base_url=url, retry=retry, pace=Pace(in_flight=1)) as bitpeak:
        handlers = bitpeak.notification_handlers
        report = await bitpeak.provision(wanted, prune="*")
        assert report.ok, [str(outcome.error) for outcome in report.outcomes if outcome.error]
        first = {each.id: each.name async for each in handlers.iterate()}
        assert len(wanted) == len(first)
        assert {1} == set(Counter(first.values()).values())
        again = await bitpeak.provision(wanted, prune="*")
        assert len(wanted) == len(again.unchanged)
        assert first == {each.id: each.name async for each in handlers.iterate()}
