# SPDX-License-Identifier: MIT
"""What the page takes from nobody while it refreshes, and that it shows all there is, in a real Chromium (L4, HT15)."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import connect, free_port, wait_until
from rig import Closed, ask_for, post
from scene import config, echo
from test_admin import headless_chromium, no_fault_so_far, request, text_of_page  # noqa: F401  (a fixture)
from test_page import Page, in_sight, make_page, password_hash  # noqa: F401  (fixtures)


def refreshed(shown, times=2):
    """Waits until the page has shown so many more answers."""
    shown.browser.execute_script("window.seen = 0; document.addEventListener('shown', () => window.seen++)")
    shown.wait(lambda: shown.browser.execute_script("return window.seen") >= times, "refreshes")


def rendered_anew(shown):
    """Another configuration: waits until the page shows it."""
    post(shown.running, "reload")
    generation = str(shown.running.generation())
    shown.wait(lambda: shown.browser.execute_script("return document.documentElement.dataset.generation") == generation,
               "the new generation")


def test_a_refresh_takes_no_focus_from_the_list_of_those_not_up(page):
    shown = page("eve")
    for name in ("one", "two"):
        ask_for(shown.running, "hostAdminDown", name=name)
    links = shown.wait(lambda: (found := shown.browser.find_elements(By.CSS_SELECTOR, "#attention a"))[1:] and found, "the list")
    shown.browser.execute_script("arguments[0].focus()", links[1])
    refreshed(shown)
    assert shown.browser.switch_to.active_element == links[1] and links[1].text == "two"
    ask_for(shown.running, "hostAdminUp", name="one")
    shown.wait(lambda: len(shown.browser.find_elements(By.CSS_SELECTOR, "#attention li")) == 1, "the other to go")
    assert shown.browser.switch_to.active_element == links[1]


def test_another_configuration_takes_nothing_from_who_is_at_work(page):
    """Focus, an open dialog with what was typed there, an open view, what was said, the place one has scrolled to."""
    shown = page("eve", more="".join(f"host = h{n} 127.0.0.1:{n + 1}\n" for n in range(60)) + "check = none\n")
    browser = shown.browser
    browser.execute_script("window.same = true")
    shown.button("What a restart would lose").click()
    shown.wait(lambda: "nothing: the file says what runs" in text_of_page(browser), "the view")
    shown.open_host("two")
    shown.button("Up two").click()
    shown.said("two")
    said = browser.find_element(By.ID, "said").text
    at = browser.execute_script("scrollTo(0, arguments[0].getBoundingClientRect().top + scrollY - 400); return scrollY",
                                shown.button("Up two"))
    assert at > 0
    rendered_anew(shown)
    assert browser.switch_to.active_element.get_attribute("aria-label") == "Up two"
    assert browser.find_elements(By.CSS_SELECTOR, "#s0g0h1 details[open]") and browser.find_element(By.ID, "said").text == said
    assert browser.find_element(By.ID, "view").is_displayed() and browser.execute_script("return scrollY") == at

    shown.button("Weight… two").click()
    field = shown.dialog().find_element(By.NAME, "weight")
    field.send_keys(Keys.BACKSPACE, "5")
    rendered_anew(shown)
    refreshed(shown)
    assert browser.switch_to.active_element == field and field.get_attribute("value") == "5"
    field.send_keys(Keys.ENTER)
    shown.said("weight 1 -> 5")
    assert shown.running.host("two")["weight"] == 5
    assert browser.switch_to.active_element.get_attribute("aria-label") == "Weight… two", "back where one was"
    assert browser.execute_script("return window.same === true"), "the page was not loaded anew"
    no_fault_so_far(browser, shown.door)


def test_what_happened_is_said_where_one_looks(page):
    """Politely, to a screen reader as well, and in sight at the end of a long page."""
    shown = page("eve", more="".join(f"host = h{n} 127.0.0.1:{n + 1}\n" for n in range(60)) + "check = none\n")
    region = shown.browser.find_element(By.ID, "said")
    assert region.get_attribute("role") == "status" and region.text == ""
    shown.open_host("h59")
    shown.button("Retry h59").click()
    shown.said("h59")
    assert shown.browser.execute_script("return scrollY") > 500 and in_sight(shown.browser, region)
    shown.button("Dismiss the message").click()
    assert region.text == ""


def test_a_user_who_may_no_longer_change_things_loses_the_buttons(page, password_hash):
    shown = page("eve")
    with open(shown.running.file, encoding="utf-8") as file:
        text = file.read()
    assert f"user = eve {password_hash} full" in text
    with open(shown.running.file, "w", encoding="utf-8") as file:
        file.write(text.replace(f"user = eve {password_hash} full", f"user = eve {password_hash} readonly"))
    assert post(shown.running, "reload").status == 200
    shown.wait(lambda: not shown.browser.find_elements(By.CSS_SELECTOR, ".actions, .change, .does") and
               shown.browser.find_elements(By.ID, "filter"), "the buttons to go")


def test_the_page_tells_what_checks_may_cut(page):
    shown = page("eve", more="on_down = close\n")
    for name, words in (("one", "go on until they end."), ("s", "or until checks find it down")):
        shown.open_host(name)
        shown.button(f"Down… {name}").click()
        assert words in shown.dialog().text
        shown.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        shown.wait(lambda: not shown.browser.find_elements(By.TAG_NAME, "dialog"), "the dialog to close")


def test_the_page_shows_all_that_running_json_tells(page):
    with Closed("dead") as dead:
        shown = page("eve", more=f"host = dead {dead.address}\ncheck_interval = 200ms\n")
        wait_until(lambda: shown.running.service()["groups"][1]["hosts"][1]["failures_total"] > 0 or
                   shown.running.service()["groups"][1]["hosts"][1]["state"] == "down", what="a failure")
    clients = [connect(f"127.0.0.1:{shown.port}") for _ in range(3)]
    for client in clients:
        echo(client, b"x" * 5000)
    post(shown.running, "reload")
    refreshed(shown, 3)
    now, browser = shown.running.running(), shown.browser
    plain = lambda element: re.sub("[\u202f ]", "", element.text)  # noqa: E731
    fact = lambda name: plain(browser.find_element(By.ID, f"fact-{name}"))  # noqa: E731
    assert fact("reloads-ok") == str(now["reloads"]["ok"]) and fact("reloads-failed") == "0"
    for key in ("generations", "director_restarts", "access_lines", "access_dropped", "lines_lost"):
        assert fact(key) == str(now[key]), key
    for row, worker in zip(browser.find_elements(By.CSS_SELECTOR, "#workers tbody tr"), now["workers"]):
        cells = [plain(cell) for cell in row.find_elements(By.TAG_NAME, "td")]
        assert cells[2] == str(worker["pid"]) and cells[3] == str(worker["connections"])
        assert cells[-4:] == [str(worker[key]) for key in ("restarts", "accept_paused_total", "dropped_lines", "generation")]
    one = shown.open_host("one").text
    ports = now["services"][0]["groups"][0]["hosts"][0]["ports_left"]
    assert ("local ports left" in one) == (ports is not None), one
    # What the page has seen itself it draws.
    for curve in ("spark", "spark-open", "spark-in", "spark-out", "spark-failures", "spark-load"):
        drawn = [path.get_attribute("d") for path in browser.find_elements(By.CSS_SELECTOR, f"#{curve} path")]
        assert len(drawn) == 2 and all(drawn) and "NaN" not in "".join(drawn), (curve, drawn)
    for client in clients:
        client.close()
    no_fault_so_far(browser, shown.door)


REASON = '<svg/onload=alert(9)>'


def test_what_a_host_answers_is_inert(daemon, host, browser, password_hash):
    """A reason holds what the host has said; it comes by script and by the server, into text, titles and dialogs."""
    door = free_port()
    one = host("\U0001f600" + "x" * 45)
    users = f"user = eve {password_hash} full\n"
    running = daemon(config(free_port(), [one], admin=f"listen = 127.0.0.1:{door}\nrefresh = 1s\ntitle = <i>&\n{users}",
                            group=f'check = send "{REASON}" expect "never"\ncheck_interval = 200ms\ncheck_timeout = 150ms'), workers=1)
    wait_until(lambda: running.host(one.name)["state"] == "down", what="the check to fail")
    reason = running.host(one.name)["reason"]
    assert "<svg" in reason, reason
    shown = Page(browser, running, door, "eve")
    refreshed(shown)
    shown.open_host(one.name)
    assert reason in text_of_page(browser)
    rendered_anew(shown)
    assert reason in text_of_page(browser)
    shown.button(f"Down… {one.name}").click()
    assert one.name in shown.dialog().text
    assert not browser.find_elements(By.CSS_SELECTOR, "svg[onload], main i, [onload], [onerror], [style]")
    no_fault_so_far(browser, door)


def test_everything_the_page_loads_is_kept_apart_from_other_sites(page):
    shown = page("")
    names = shown.browser.execute_script("return performance.getEntriesByType('resource').map(e => new URL(e.name).pathname)")
    assert {"/page.js", "/human.js", "/parts.js", "/finder.js", "/panes.js", "/control.js", "/page.css", "/control.css",
            "/running.json"} <= set(names), names
    for path in {*names, "/", "/connections"}:
        headers = request(shown.door, "GET", path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store", path
        assert headers["X-Frame-Options"] == "DENY" and headers["Referrer-Policy"] == "no-referrer", path
        assert not re.search(r"\d+\.\d+", headers.get("Server") or ""), path
    page_text = request(shown.door, "GET", "/").text
    assert not re.search(r"<script(?! src)|<style|\son\w+=|\sstyle=", page_text), "nothing in line"


def test_views_are_plain_links_without_scripts(page):
    shown = page("rob")
    shown.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    shown.browser.refresh()
    links = shown.wait(lambda: {link.text for link in shown.browser.find_elements(By.CSS_SELECTOR, "footer a")}, "the links")
    assert {"running.json", "connections", "config", "as it is now", "what a restart would lose"} <= links
    heads = re.findall(r"<th\b([^>]*)>(.*?)</th>", shown.browser.page_source, re.S)  # at once: the page renews itself each second
    assert heads and all('scope="col"' in words and re.sub("<[^>]*>", "", text).strip() for words, text in heads), heads
    shown.wait(lambda: shown.browser.find_element(By.LINK_TEXT, "connections").click() or True, "the link")
    shown.wait(lambda: '"connections"' in shown.browser.page_source, "the connections")
    shown.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
