"""Where requests go and as whom: what cannot work is refused before anything is sent."""

import pytest

from bitpeak_async import BitPeak, ConfigurationError
from bitpeak_async._http.endpoint import checked_proxy
from bitpeak_async._secret import Secret

BASE_URL = "https://bitpeak.ru/api"
PROXY = "http://proxy.example.com:3128"


def proxy_of(base_url: str, *, ignore_environment: bool = False) -> str | None:
    """Return the proxy that the environment has for a base URL."""
    return checked_proxy(Secret(None), base_url, ignore_environment=ignore_environment).reveal()


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "must not be empty"),
        ("ключ", "must be ASCII"),
        ("a b", "must be ASCII without spaces"),
        ("a\r\nX-Evil: 1", "must be ASCII without spaces, line ends or control characters"),
        ("a\x00", "control characters"),
        (b"key", "must be a string, not bytes"),
    ],
)
def test_an_unusable_key_is_refused(key: str, problem: str):
    with pytest.raises(ConfigurationError, match=f"api_key .*{problem}"):
        BitPeak(key)


def test_a_missing_key_says_where_it_may_come_from():
    with pytest.raises(ConfigurationError, match="pass it or set BITPEAK_API_KEY"):
        BitPeak()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bitpeak.ru/api",
        "ftp://bitpeak.ru",
        "https://",
        "https://bit peak.ru",
        "https://bitpeak.ru:port",
        "https://[::1",
        "https://bitpeak.ru\n",
        "https://пик.рф",
        42,
    ],
)
def test_an_unusable_base_url_is_refused(url: str):
    with pytest.raises(ConfigurationError, match="base_url must be an absolute http"):
        BitPeak("key", base_url=url)


@pytest.mark.parametrize(
    "url", ["https://u:p@bitpeak.ru", "https://bitpeak.ru/?a=1", "https://b/#f"]
)
def test_a_base_url_is_only_a_base(url: str):
    with pytest.raises(ConfigurationError, match="base_url must have no query, fragment, user"):
        BitPeak("key", base_url=url)


def test_plain_http_is_for_loopback_or_on_demand():
    with pytest.raises(ConfigurationError, match=r"base_url must be https.*allow_insecure=True"):
        BitPeak("key", base_url="http://bitpeak.ru/api")
    BitPeak("key", base_url="http://bitpeak.ru/api", allow_insecure=True)
    for host in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost", "bitpeak.localhost"):
        BitPeak("key", base_url=f"http://{host}:8080/api")


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_proxy_is_the_environments(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, PROXY)
    assert PROXY == proxy_of(BASE_URL)
    assert proxy_of(BASE_URL, ignore_environment=True) is None
    monkeypatch.setenv("no_proxy", "bitpeak.ru")
    assert proxy_of(BASE_URL) is None


def test_a_given_proxy_goes_before_the_environments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", PROXY)
    given = Secret("http://other.example.com:1")
    assert given == checked_proxy(given, BASE_URL, ignore_environment=False)


def test_loopback_is_never_proxied_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", PROXY)
    assert PROXY == proxy_of("http://bitpeak.example.com/api")
    assert proxy_of("http://127.0.0.1:1/api") is None


@pytest.mark.parametrize(
    ("variable", "proxy"),
    [("HTTPS_PROXY", "proxy:3128"), ("ALL_PROXY", "socks5://user:canary@proxy:1080")],
)
def test_an_unusable_proxy_of_the_environment_is_refused_by_its_name(
    variable: str, proxy: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(ConfigurationError) as caught:
        BitPeak("key")
    assert str(caught.value) == (
        f"the environment variable {variable} must be an absolute http(s) URL such as "
        f"'http://proxy.example.com:3128'"
    )


@pytest.mark.parametrize(
    ("bypassed", "expected"),
    [("bitpeak.ru:443", None), ("bitpeak.ru:8443", PROXY), (".ru:443", None)],
)
def test_no_proxy_may_name_a_port(
    bypassed: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", bypassed)
    assert expected == proxy_of("https://bitpeak.ru/api")
