"""The page, in a browser: drop, paste, choose, camera; results, maps and errors; the keyboard; a phone; a token."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnncli.serve.page import read_page
from cnncli.serve.settings import Access
from tests.conftest import ROOT
from tests.serve.conftest import Running, Serve, png

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

LEMON = ROOT / "sample_images" / "lemon.jpg"

TRANSFER = """
const transfer = new DataTransfer();
for (const [name, content] of arguments[0]) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
}
"""
DROP = (
    TRANSFER
    + "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));"
)
PASTE = (
    TRANSFER
    + "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));"
)


def text_of(browser: "WebDriver", place: str) -> str:
    return str(
        browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", place)
    ).strip()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def open_page(browser: "WebDriver", running: Running, fragment: str = "") -> None:
    browser.get("about:blank")
    browser.get(f"http://127.0.0.1:{running.port}/{fragment}")
    wait_for(lambda: not browser.execute_script("return document.getElementById('choose').hidden"))


def send(browser: "WebDriver", script: str, *files: tuple[str, bytes]) -> None:
    browser.execute_script(script, [(name, base64.b64encode(content).decode()) for name, content in files])


def complaints(browser: "WebDriver") -> list[str]:
    """What the browser says of the page, such as violations of its policy; without answers of status 4xx."""
    return [entry["message"] for entry in browser.get_log("browser") if "status of 4" not in entry["message"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("script", [DROP, PASTE], ids=["drop", "paste"])
def test_a_photo_is_classified(browser: "WebDriver", serve: Serve, colours: Path, script: str) -> None:
    open_page(browser, serve(colours))
    assert text_of(browser, "#model") == "colours has 3 classes."
    send(browser, script, ("sky.png", png("blue")))
    wait_for(lambda: text_of(browser, "article"))
    assert text_of(browser, "#status") == "sky.png: blue, 96.5 %."
    assert [text_of(browser, f"li:nth-child({n}) b") for n in (1, 2, 3)] == ["blue", "red", "green"]
    assert text_of(browser, "li .share") == "96.5 %"
    width = browser.execute_script(
        "const i = document.querySelector('li i'); return i.offsetWidth / i.parentNode.offsetWidth"
    )
    assert width == pytest.approx(0.965, abs=0.01)
    assert text_of(browser, "#problem") == ""
    assert not complaints(browser)


def test_files_are_chosen_with_the_keyboard_and_a_broken_one_is_said(
    browser: "WebDriver", serve: Serve, colours: Path, photos: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    open_page(browser, serve(colours))
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("id") == "files"
    assert focused.accessible_name.startswith("Choose photos")
    outline = "return getComputedStyle(document.getElementById('drop')).outlineStyle"
    assert browser.execute_script(outline) == "solid"
    focused.send_keys(f"{photos / 'a red.png'}\n{photos / 'b broken.jpg'}")
    wait_for(lambda: text_of(browser, "article"))
    assert text_of(browser, "article:nth-child(1) li b") == "red"
    assert text_of(browser, "article:nth-child(2) .unreadable").startswith("Cannot be read: ")
    assert text_of(browser, "article:nth-child(2) figure").startswith("No preview.")
    assert "b broken.jpg cannot be read: " in text_of(browser, "#status")
    assert browser.find_element(By.ID, "status").aria_role == "status"
    assert browser.find_element(By.ID, "problem").aria_role == "alert"


def test_a_request_that_is_refused_is_said(browser: "WebDriver", serve: Serve, colours: Path) -> None:
    open_page(browser, serve(colours))
    send(browser, DROP, ("large.png", bytes(1_000_001)))
    wait_for(lambda: text_of(browser, "#problem"))
    assert text_of(browser, "#problem").startswith("the request is larger than 1,000,000 bytes")
    assert text_of(browser, "#status") == ""


def test_names_are_shown_as_they_are(browser: "WebDriver", serve: Serve, colours: Path) -> None:
    open_page(browser, serve(colours))
    send(browser, DROP, ("<img src=x onerror=alert(1)>.png", png()))
    wait_for(lambda: text_of(browser, "article"))
    assert text_of(browser, "h2") == "<img src=x onerror=alert(1)>.png"
    assert not complaints(browser)


def test_labels_and_tasks(
    browser: "WebDriver", serve: Serve, colour_tasks: Path, colour_labels: Path
) -> None:
    open_page(browser, serve(colour_tasks))
    send(browser, DROP, ("a.png", png("blue")))
    wait_for(lambda: text_of(browser, "article"))
    assert (text_of(browser, "h3"), text_of(browser, "ol b")) == ("colour", "blue")
    open_page(browser, serve(colour_labels))
    send(browser, DROP, ("black.png", png("black")))
    wait_for(lambda: text_of(browser, "article"))
    assert text_of(browser, "#status") == "black.png: none."
    assert "None of the classes." in text_of(browser, "article")


def test_the_camera(browser: "WebDriver", serve: Serve, colours: Path) -> None:
    from selenium.webdriver.common.by import By

    open_page(browser, serve(colours))
    browser.find_element(By.ID, "camera").click()
    wait_for(lambda: browser.execute_script("return document.querySelector('video').videoWidth"))
    browser.find_element(By.ID, "shoot").click()
    wait_for(lambda: text_of(browser, "article"))
    assert text_of(browser, "h2") == "camera.jpg"
    assert browser.execute_script("return document.querySelector('video').srcObject") is None, (
        "it is switched off"
    )
    browser.find_element(By.ID, "camera").click()
    wait_for(lambda: browser.find_element(By.ID, "finder").is_displayed())
    wait_for(lambda: browser.execute_script("return document.querySelector('video').videoWidth"))
    with_picture = browser.find_element(By.ID, "cancel").rect
    browser.execute_script(
        "const video = document.querySelector('video'); video.kept = video.srcObject; video.srcObject = null"
    )
    wait_for(lambda: not browser.execute_script("return document.querySelector('video').videoWidth"))
    assert browser.find_element(By.ID, "cancel").rect == with_picture, "no button moves when a picture comes"
    browser.execute_script("const video = document.querySelector('video'); video.srcObject = video.kept")
    browser.find_element(By.ID, "cancel").click()
    wait_for(lambda: not browser.find_element(By.ID, "finder").is_displayed())


@pytest.mark.slow
def test_a_map_on_request(browser: "WebDriver", serve: Serve, tiny: Path) -> None:
    from selenium.webdriver.common.by import By

    running = serve(tiny)
    open_page(browser, running)
    send(browser, DROP, ("lemon.jpg", LEMON.read_bytes()))
    wait_for(lambda: text_of(browser, "article"))
    button = browser.find_element(By.CSS_SELECTOR, "li button")
    label = text_of(browser, "li b")
    assert button.accessible_name == f"Show where: Grad-CAM for {label}"
    photo = browser.find_element(By.CSS_SELECTOR, "article img").get_attribute("src")
    button.click()
    wait_for(lambda: text_of(browser, "figcaption"))
    picture = browser.find_element(By.CSS_SELECTOR, "article img")
    assert picture.get_attribute("src") != photo
    assert picture.get_attribute("alt") == f"lemon.jpg with Grad-CAM for {label}"
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert picture.get_attribute("src") == photo
    assert not complaints(browser)


def test_without_maps_there_is_no_button_for_them(
    browser: "WebDriver", serve: Serve, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selenium.webdriver.common.by import By

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    running = serve(colours)
    monkeypatch.undo()
    assert running.ask("GET", "/models").json()["models"][0]["cam"] is False
    assert running.ask("POST", "/cam?index=0", png(), content_type="image/png").status == 501
    open_page(browser, running)
    send(browser, DROP, ("a.png", png()))
    wait_for(lambda: text_of(browser, "article"))
    assert not browser.find_elements(By.CSS_SELECTOR, "li button")


def test_a_token_from_the_address_or_typed(browser: "WebDriver", serve: Serve, colours: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    access = Access.from_options("127.0.0.1", ["localhost"], None, no_token=False)
    running = serve(colours, access)
    open_page(browser, running, f"#token={access.token}")
    assert browser.current_url == f"http://127.0.0.1:{running.port}/"
    send(browser, DROP, ("a.png", png()))
    wait_for(lambda: text_of(browser, "article"))
    browser.execute_script("sessionStorage.clear()")
    browser.get(f"http://127.0.0.1:{running.port}/")
    wait_for(lambda: browser.find_element(By.ID, "token").is_displayed())
    browser.switch_to.active_element.send_keys("wrong", Keys.ENTER)
    wait_for(lambda: text_of(browser, "#problem") == "This is not the token of the service.")
    browser.find_element(By.ID, "token").clear()
    browser.find_element(By.ID, "token").send_keys(access.token or "", Keys.ENTER)
    wait_for(lambda: browser.find_element(By.ID, "drop").is_displayed())
    assert not browser.find_element(By.ID, "token").is_displayed()
    assert text_of(browser, "#problem") == ""


@pytest.mark.parametrize("width", [320, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction_only(
    browser: "WebDriver", serve: Serve, colours: Path, width: int, scheme: str
) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        open_page(browser, serve(colours))
        send(browser, DROP, (f"{'a-long-name' * 20}.png", png()), ("broken.png", b"x"))
        wait_for(lambda: text_of(browser, "article"))
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", colour))) < 200) == (scheme == "dark")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


class _Parts(HTMLParser):
    """Attributes that would load something, and the contents of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded, self.texts, self.ids, self._open = list[str](), dict[str, str](), set[str](), ""
        self.labels = set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        values = dict(attrs)
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        if tag == "input":
            self.ids.add(values["id"] or "")
        if tag == "label":
            self.labels.add(values["for"] or "")

    def handle_endtag(self, _tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in {"style", "script"}:
            self.texts[self._open] = self.texts.get(self._open, "") + data


def test_the_page_loads_nothing_and_its_policy_allows_nothing_else(serve: Serve, colours: Path) -> None:
    answer = serve(colours).ask("GET", "/")
    page, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert (page, policy) == (read_page()[0], read_page()[1]["Content-Security-Policy"])
    parts = _Parts(page)
    assert parts.loaded == ["data:,"]
    assert parts.ids == parts.labels, "every input has a label"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(parts.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    for rule in (
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ):
        assert rule in policy
    assert not re.findall(r"https?://|innerHTML|eval\(", page)


def test_a_map_of_a_class(serve: Serve, layers_tasks: Path) -> None:
    running = serve(layers_tasks)
    answers = [
        running.ask("POST", f"/cam?{query}", png(), content_type="image/png")
        for query in (
            "index=0&task=colour",
            "index=2&task=mood",
            "index=3&task=colour",
            "index=0&task=x",
            "index=6",
            f"index={'9' * 5000}",
            "index=-1",
            "",
        )
    ]
    assert [answer.status for answer in answers] == [200, 200] + [400] * 6
    assert answers[0].headers["content-type"] == "image/png"
    assert answers[0].body.startswith(b"\x89PNG")
    assert answers[0].body != answers[1].body
    broken = running.ask("POST", "/cam?index=0&task=mood", b"x", content_type="image/png")
    assert (broken.status, json.loads(broken.body)["error"]) == (
        400,
        "image 0: not an image, or too damaged to tell which kind",
    )
