"""The dashboard in a real headless Chromium, driven by Selenium."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from bitpeak_async import APIError, NotFoundError, Retry, SyncBitPeak, WebhookSettings
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.browser

XSS = "<img src=x onerror=\"document.title='owned'\">"
DESKTOP = (1200, 900)
PHONE = (360, 740)


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser that logs its requests and its console."""
    from selenium import webdriver  # noqa: PLC0415 - not in the default run

    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = shutil.which("chromium") or ""
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def started() -> Iterator[Any]:
    """Start one browser for all tests."""
    with chromium() as driver:
        yield driver


@pytest.fixture
def browser(started: Any, threaded_sandbox: Sandbox) -> Iterator[Any]:
    """Show the dashboard; after any test the console is empty and no other host was asked."""
    started.get("about:blank")  # the last test's dashboard polls a sandbox that is gone
    for log in ("browser", "performance"):
        started.get_log(log)
    view(started, DESKTOP)
    started.get(threaded_sandbox.dashboard_url)
    yield started
    assert [] == started.get_log("browser")
    sent = [json.loads(entry["message"])["message"] for entry in started.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert {urlsplit(threaded_sandbox.dashboard_url).netloc} == {
        urlsplit(url).netloc for url in urls
    }


@pytest.fixture
def until(browser: Any) -> Callable[[Callable[[Any], Any]], Any]:
    """Wait for a condition of the page to come true."""
    from selenium.common.exceptions import StaleElementReferenceException  # noqa: PLC0415
    from selenium.webdriver.support.wait import WebDriverWait  # noqa: PLC0415

    return WebDriverWait(
        browser, 20, 0.05, ignored_exceptions=[StaleElementReferenceException]
    ).until


@pytest.fixture
def impatient(threaded_sandbox: Sandbox) -> Iterator[SyncBitPeak]:
    """A client that does not retry."""
    with SyncBitPeak(
        threaded_sandbox.api_key, base_url=threaded_sandbox.base_url, retry=Retry(attempts=1)
    ) as bitpeak:
        yield bitpeak


def view(driver: Any, size: tuple[int, int], scheme: str = "light") -> None:
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def texts(driver: Any, selector: str) -> list[str]:
    return [found.text for found in driver.find_elements("css selector", selector)]


def click(driver: Any, selector: str) -> None:
    driver.find_element("css selector", selector).click()


def fill_with_examples(sandbox: Sandbox) -> None:
    """Give the dashboard something to show: handlers of most types, and some requests."""
    last = "2025-12-06 08:15:00"
    hooks = "https://hooks.slack.com/services/T0/B0/example"
    sandbox.add(
        name="On call", type="email", settings={"email": "on-call@example.com"}, last_datetime=last
    )
    sandbox.add(name="#ops", type="slack", settings={"slack": hooks}, last_datetime=last)
    bot = {"telegram": "123456:example", "telegram_chat_id": "-1001234567890"}
    sandbox.add(name="Дежурные", type="telegram", settings=bot, last_datetime=last)
    sandbox.add(name="In BitPeak", type="internal_notification", settings={})
    with SyncBitPeak(sandbox.api_key, base_url=sandbox.base_url, retry=Retry(attempts=1)) as client:
        handlers = client.notification_handlers
        handlers.create("Deploys", WebhookSettings("https://example.com/hooks/example"))
        handlers.update(4, is_enabled=False)
        sandbox.inject(Fault.gateway_error(502), method="DELETE")
        for handler_id in (4, 99):
            with pytest.raises(APIError):
                handlers.delete(handler_id) if handler_id == 4 else handlers.get(handler_id)
        handlers.list()
    sandbox.inject(Fault.gateway_error(503), method="POST", times=2)


def test_handlers_appear_live_and_their_secrets_on_a_click(
    browser: Any, until: Any, sync_bitpeak: SyncBitPeak
):
    until(lambda page: texts(page, "#connection") == ["live"])
    assert ["No handlers yet. Create one through the API."] == texts(browser, "#handlers-empty")
    url = "https://example.com/hooks/canary"

    sync_bitpeak.notification_handlers.create("Deploys", WebhookSettings(url))

    until(lambda page: texts(page, "#handlers tr"))
    assert ["1", "Deploys", "webhook"] == texts(browser, "#handlers td")[:3]
    assert ["POST"] == texts(browser, "#requests td:nth-child(2)")
    assert "canary" not in browser.find_element("tag name", "body").text
    for table in ("#handlers", "#requests"):
        assert ["••••••••"] == texts(browser, f"{table} button")
        click(browser, f"{table} button")
        assert [url] == texts(browser, f"{table} button")

    sync_bitpeak.notification_handlers.update(1, name="Releases")

    until(lambda page: texts(page, "#handlers td:nth-child(2)") == ["Releases"])
    assert [url] == texts(browser, "#handlers button"), "what was revealed stays so"
    click(browser, "#handlers button")
    assert ["••••••••"] == texts(browser, "#handlers button")


def test_the_focus_stays_while_requests_come_in(
    browser: Any, until: Any, sync_bitpeak: SyncBitPeak
):
    handlers = sync_bitpeak.notification_handlers
    handlers.create("Deploys", WebhookSettings("https://example.com/hooks/1"))
    until(lambda page: texts(page, "#requests button"))
    browser.execute_script("document.querySelector('#requests button').focus()")

    handlers.get(1)

    until(lambda page: len(texts(page, "#requests tr")) == 2)
    focused = browser.switch_to.active_element
    assert ("button", "••••••••") == (focused.tag_name, focused.text)


def test_a_fault_button_makes_the_next_call_fail(browser: Any, until: Any, impatient: SyncBitPeak):
    handlers = impatient.notification_handlers
    handler_id = handlers.create("Deploys", WebhookSettings("https://example.com/hooks/1"))
    browser.find_element("id", "method").send_keys("GET")
    browser.find_element("id", "times").clear()
    browser.find_element("id", "times").send_keys("2")

    click(browser, "[data-fault='404']")

    until(lambda page: texts(page, "#faults li") == ["404: GET, 2 left"])
    handlers.update(handler_id, name="Releases")
    with pytest.raises(NotFoundError):
        handlers.get(handler_id)
    until(lambda page: texts(page, "#faults li") == ["404: GET, 1 left"])
    until(lambda page: texts(page, "#requests td:nth-child(5)") == ["404", "200", "200"])
    click(browser, "#clear")
    until(lambda page: not texts(page, "#faults li"))
    assert "Releases" == handlers.get(handler_id).name


def test_all_of_it_works_by_keyboard(browser: Any, until: Any, sync_bitpeak: SyncBitPeak):
    """Tab reaches each control in the order of the page; Enter and Space press it."""
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415

    url = "https://example.com/hooks/canary"
    sync_bitpeak.notification_handlers.create("Deploys", WebhookSettings(url))
    until(lambda page: texts(page, "#requests button"))

    def press(key: str) -> None:
        browser.switch_to.active_element.send_keys(key)

    def tab_to(selector: str) -> None:
        wanted = browser.find_element("css selector", selector)
        for _ in range(40):
            if browser.switch_to.active_element == wanted:
                assert browser.execute_script(OUTLINED), "the focus can be seen"
                return
            press(Keys.TAB)
        raise AssertionError(f"Tab does not reach {selector}")

    tab_to("#pause")
    tab_to("#method")
    press("G")
    tab_to("#times")
    tab_to("#endless")
    press(Keys.SPACE)
    tab_to("[data-fault='404']")
    press(Keys.ENTER)
    until(lambda page: texts(page, "#faults li") == ["404: GET, until cleared"])
    tab_to("[data-fault='stall']")
    press(Keys.SPACE)
    until(lambda page: len(texts(page, "#faults li")) == 2)
    tab_to("#clear")
    press(Keys.ENTER)
    until(lambda page: not texts(page, "#faults li"))
    tab_to("#handlers button")
    press(Keys.ENTER)
    until(lambda page: texts(page, "#handlers button") == [url])
    tab_to("#requests button")
    press(Keys.SPACE)
    until(lambda page: texts(page, "#requests button") == [url])


OUTLINED = "return getComputedStyle(document.activeElement).outlineStyle !== 'none';"


def test_every_fault_can_be_injected_by_its_button(
    browser: Any, until: Any, threaded_sandbox: Sandbox
):
    click(browser, "#endless")
    names = [
        button.get_attribute("data-fault")
        for button in browser.find_elements("css selector", "[data-fault]")
    ]
    for count, name in enumerate(names, 1):
        click(browser, f"[data-fault={name!r}]")
        until(lambda page, count=count: len(texts(page, "#faults li")) == count)
    assert all(
        text.endswith(": any method, until cleared") for text in texts(browser, "#faults li")
    )
    assert "429 Retry-After 2: any method, until cleared" in texts(browser, "#faults li")
    assert [] == list(threaded_sandbox.requests)


def test_markup_in_names_paths_and_fields_stays_text(
    browser: Any, until: Any, threaded_sandbox: Sandbox, impatient: SyncBitPeak
):
    threaded_sandbox.add(name=XSS, type="email", settings={"email": XSS})
    threaded_sandbox.inject(Fault.stall(), path=XSS)
    impatient.notification_handlers.create(XSS, WebhookSettings("https://example.com/<b>"))

    until(lambda page: len(texts(page, "#handlers tr")) == 2)

    assert [XSS, XSS] == texts(browser, "#handlers td:nth-child(2)")
    assert any(XSS in text for text in texts(browser, "#requests dd"))
    assert [f"stall: any method {XSS}, 1 left"] == texts(browser, "#faults li")
    assert [] == browser.find_elements("tag name", "img")
    assert "BitPeak sandbox" == browser.title


def test_pausing_holds_the_page_still(browser: Any, until: Any, sync_bitpeak: SyncBitPeak):
    until(lambda page: texts(page, "#connection") == ["live"])
    click(browser, "#pause")
    until(lambda page: texts(page, "#connection") == ["paused"])
    sync_bitpeak.notification_handlers.list()
    click(browser, "#pause")
    until(lambda page: texts(page, "#requests tr"))


@pytest.mark.parametrize(
    "look", [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_nothing_is_wider_than_the_screen_and_all_is_readable(
    browser: Any,
    until: Any,
    threaded_sandbox: Sandbox,
    look: tuple[tuple[int, int], str],
    tmp_path_factory: pytest.TempPathFactory,
):
    """Saves a picture of each size and colour scheme below ``--basetemp``."""
    size, scheme = look
    fill_with_examples(threaded_sandbox)
    view(browser, size, scheme)
    until(lambda page: len(texts(page, "#requests tr")) == 5)
    until(lambda page: texts(page, "#faults li"))
    click(browser, "#handlers tr:nth-child(4) button")

    width, scrolled = browser.execute_script(
        "return [innerWidth, document.documentElement.scrollWidth]"
    )
    assert size[0] == width
    assert width >= scrolled
    assert 0 == browser.execute_script(UNLABELLED)
    assert [] == [pair for pair in browser.execute_script(COLOURS) if contrast(*pair[1:]) < 4.5]

    height = browser.execute_script("return document.documentElement.scrollHeight")
    view(browser, (size[0], height), scheme)
    picture = tmp_path_factory.getbasetemp() / f"{size[0]}-{scheme}.png"
    assert browser.save_screenshot(str(picture))


UNLABELLED = """
return [...document.querySelectorAll("input, select")].filter((e) => !e.labels.length).length;
"""
#: Each text's [text, colour, background].
COLOURS = """
const back = (e) => {
  const colour = getComputedStyle(e).backgroundColor;
  return colour !== "rgba(0, 0, 0, 0)" || !e.parentElement ? colour : back(e.parentElement);
};
return [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility())
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => [e.textContent, getComputedStyle(e).color, back(e)]);
"""


def contrast(*colours: str) -> float:
    """Return the contrast of two colours, by WCAG 2.2."""
    darker, lighter = sorted(map(luminance, colours))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
