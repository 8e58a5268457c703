# SPDX-License-Identifier: MIT
"""What the page's reader can do, in a real Chromium (item 3 of the doors; L3, L4)."""

import json
import subprocess

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from command import CTL
from harness import connect, free_port, wait_until
from rig import Closed, ask_for, post
from scene import config, echo
from test_admin import headless_chromium, no_fault_so_far, text_of_page  # noqa: F401  (a fixture)

PASSWORD = "secret"


@pytest.fixture(scope="module")
def password_hash():
    done = subprocess.run([CTL, "hash"], input=PASSWORD + "\n", capture_output=True, text=True, check=True)
    return done.stdout.strip()


# A question a button or a row, not one each: there are hundreds.
BUTTONS = """return [...(arguments[0] ?? document).querySelectorAll('button')].filter(one =>
  (one.getAttribute('aria-label') || one.textContent) === arguments[1] && one.checkVisibility())"""
ROW = """return [...document.querySelectorAll('.hosts tbody tr')].find(row =>
  row.querySelector('.name b').textContent === arguments[0])"""


class Page:
    """The page as a user sees it."""

    def __init__(self, browser, running, door, user):
        self.browser, self.running, self.door = browser, running, door
        browser.set_window_size(1280, 1000)
        if user:  # the browser remembers it
            browser.get(f"http://{user}:{PASSWORD}@127.0.0.1:{door}/running")
        browser.get(f"http://127.0.0.1:{door}/")
        self.wait(lambda: browser.find_elements(By.ID, "filter"), "the page's script")

    def wait(self, predicate, what):
        def look():
            try:
                return predicate()
            except StaleElementReferenceException:
                return None  # the page was rendered anew meanwhile
        return wait_until(look, 20, what, 0.05)

    def button(self, label, within=None):
        """The one button of this name, as a screen reader says it."""
        def look():
            found = self.browser.execute_script(BUTTONS, within, label)
            return found[0] if len(found) == 1 else None
        return self.wait(look, f"a button {label!r}")

    def dialog(self):
        return self.wait(lambda: next(iter(self.browser.find_elements(By.CSS_SELECTOR, "dialog[open]")), None), "a dialog")

    def answer(self, does, **fields):
        dialog = self.dialog()
        for name, value in fields.items():
            field = dialog.find_element(By.NAME, name)
            field.clear()
            field.send_keys(str(value))
        self.button(does, dialog).click()

    def said(self, words):
        self.wait(lambda: words in self.browser.find_element(By.ID, "said").text, f"the page to say {words!r}")

    def open_host(self, name):
        """Opens the host's row; what it can do is there then."""
        def look():
            row = self.browser.execute_script(ROW, name)
            details = row and row.find_element(By.TAG_NAME, "details")
            if row and details.get_attribute("open") is None:
                details.find_element(By.TAG_NAME, "summary").click()
            return row
        return self.wait(look, f"host {name}")


@pytest.fixture(name="page")
def make_page(daemon, host, browser, password_hash):
    """page(user): the page of a daemon with two hosts and a standby group; user "" = nobody is asked."""
    def make(user, more=""):
        door, port = free_port(), free_port()
        users = f"user = eve {password_hash} full\nuser = rob {password_hash} readonly\n" if user else ""
        running = daemon(config(port, [host("one"), host("two")], admin=f"listen = 127.0.0.1:{door}\nrefresh = 1s\n{users}",
                                service="standby = spare",
                                tail=f"[group spare]\nhost = s {host('s').address}\n{more}"), workers=2)
        running.edited = 1
        shown = Page(browser, running, door, user)
        shown.port = port
        return shown
    return make


def test_each_button_of_a_host_does_what_it_says(page):
    shown = page("eve")
    running = shown.running
    shown.open_host("one")
    shown.button("Down… one").click()
    shown.answer("Take out")
    shown.said("web/main/one: up -> down")
    assert running.host("one")["state"] == "admin_down"
    shown.wait(lambda: "admin down" in shown.open_host("one").text, "the row to show it")
    shown.button("Up one").click()
    shown.said("down -> up")
    assert running.host("one")["state"] == "up"
    shown.button("Drain… one").click()
    shown.answer("Drain", over="10m")
    shown.said("drain over 10m")
    assert running.host("one")["state"] == "draining"
    shown.button("Up one").click()
    shown.said("drain -> up")
    shown.button("Weight… one").click()
    shown.answer("Set", weight=7)
    shown.said("weight 1 -> 7")
    assert running.host("one")["weight"] == 7
    shown.button("Retry one").click()
    shown.said("one")
    shown.button("Weight… one").click()
    shown.answer("Set", weight=257)
    shown.said("setWeight: ")
    assert running.host("one")["weight"] == 7
    assert running.log_lines("info director.*setWeight web/main/one: weight 1 -> 7, by eve at 127.0.0.1")
    no_fault_but_refusals(shown)


def no_fault_but_refusals(shown):
    """A call that is refused is an error on the browser's console, and only that."""
    errors = [entry["message"] for entry in shown.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert all("/api/" in message and "400" in message for message in errors), errors


def test_hosts_are_added_and_deleted_and_saved(page):
    shown = page("eve")
    running = shown.running
    shown.button("Add a host to main").click()
    shown.answer("Add", name="three", address="127.0.0.1:9", weight=0)
    shown.wait(lambda: len(shown.browser.find_elements(By.CSS_SELECTOR, "tr[id^=s0g0h]")) == 3, "the new host's row")
    assert running.host("three")["weight"] == 0
    shown.button("What a restart would lose").click()
    shown.wait(lambda: "+host = three 127.0.0.1:9 weight=0" in text_of_page(shown.browser), "the difference")
    shown.button("Close What a restart would lose").click()
    shown.button("Save the configuration").click()
    shown.answer("Save")
    shown.wait(lambda: running.http("GET", "/config/diff").text == "", "the file to be saved")
    shown.said("saved")
    shown.open_host("three")
    shown.button("Delete… three").click()
    shown.answer("Delete")
    shown.wait(lambda: all(row["name"] != "three" for row in running.service()["groups"][0]["hosts"]), "the host to be gone")
    no_fault_so_far(shown.browser, shown.door)


def test_the_file_is_read_again(page):
    """Who asks for it is told that what was not saved goes, and Enter alone does not do it."""
    shown = page("eve")
    ask_for(shown.running, "addHost", name="three", address="127.0.0.1:9", weight=0)
    shown.wait(lambda: shown.browser.find_elements(By.CSS_SELECTOR, "#s0g0h2"), "the host's row")
    shown.button("Reload the configuration").click()
    assert "not saved are dropped" in shown.dialog().text and shown.browser.switch_to.active_element.text == "Cancel"
    shown.answer("Reload")
    shown.said("three")
    shown.wait(lambda: not shown.browser.find_elements(By.CSS_SELECTOR, "#s0g0h2"), "the row to go")
    assert [row["name"] for row in shown.running.service()["groups"][0]["hosts"]] == ["one", "two"]
    no_fault_so_far(shown.browser, shown.door)


def test_a_group_is_put_in_force(page):
    shown = page("eve")
    shown.button("Put group spare in force").click()
    shown.answer("Put in force")
    shown.said("group main -> spare")
    assert shown.running.service()["group"] == "main"
    shown.wait(lambda: shown.running.service()["groups"][1]["role"] == "enabled", "it to be in force")


def test_views_of_the_configuration(page):
    shown = page("eve")
    ask_for(shown.running, "setWeight", name="one", weight=9)
    for name, words in (("Configuration as the file said", "[service web]"), ("Configuration as it is now", "weight=9"),
                        ("What a restart would lose", "weight=9")):
        shown.button(name).click()
        shown.wait(lambda w=words: w in shown.browser.find_element(By.ID, "view").text, name)
        assert shown.browser.switch_to.active_element.text == name, "the view has the focus"
        shown.button(f"Close {name}").click()
    no_fault_so_far(shown.browser, shown.door)


def test_connections_are_shown_explained_and_ended(page):
    shown = page("eve")
    clients = [connect(f"127.0.0.1:{shown.port}") for _ in range(4)]
    for client in clients:
        echo(client)
    shown.button("Show open connections").click()
    shown.wait(lambda: "4 open connections" in text_of_page(shown.browser), "the list")
    ids = [row["id"] for row in shown.running.http("GET", "/connections").json()["connections"]]
    shown.button(f"Tell why of connection {ids[0]}").click()
    shown.wait(lambda: "idle_timeout" in text_of_page(shown.browser) and "roundrobin" in text_of_page(shown.browser), "why")
    shown.button(f"End connection {ids[1]}").click()
    shown.answer("End it")
    shown.said("ended")
    assert len(shown.running.http("GET", "/connections").json()["connections"]) == 3
    form = shown.browser.find_element(By.CSS_SELECTOR, "#view form")
    form.find_element(By.NAME, "host").send_keys("nobody", Keys.ENTER)
    shown.wait(lambda: "0 open connections" in text_of_page(shown.browser), "the filter to hold")
    for client in clients:
        client.close()
    no_fault_so_far(shown.browser, shown.door)


@pytest.mark.parametrize("user", ["rob", ""])
def test_who_may_only_look_sees_no_button_that_changes(page, user):
    shown = page(user)
    shown.open_host("one")
    names = {one.get_attribute("aria-label") or one.text for one in shown.browser.find_elements(By.TAG_NAME, "button")}
    names = {name for name in names if not name.startswith("Sort by")}
    for word in ("Down", "Drain", "Delete", "Weight", "Up one", "Save", "Reload", "Add a host", "in force", "End"):
        assert not any(word in name for name in names), (word, names)
    assert not shown.browser.find_elements(By.CSS_SELECTOR, "meta[name=gaidaros-token]")
    status = shown.browser.execute_async_script(
        "const done = arguments[0]; fetch(location.origin + '/api/setWeight', {method: 'POST', headers: {'Content-Type': 'application/json', "
        "'X-Gaidaros-Token': ''}, body: JSON.stringify({service: 'web', group: 'main', name: 'one', weight: 9})})"
        ".then(answer => done(answer.status))")
    assert status == 403 and shown.running.host("one")["weight"] == 1


def test_a_page_of_another_site_can_do_nothing(page, browser):
    """The browser knows the password by now, and sends it along."""
    shown = page("eve")
    browser.get("data:text/html,<h1>evil</h1>")
    browser.execute_async_script(
        "const done = arguments[0]; fetch('http://127.0.0.1:%d/api/setWeight', {method: 'POST', mode: 'no-cors', "
        "credentials: 'include', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, "
        "body: 'service=web&group=main&name=one&weight=9'}).then(() => done(), () => done())" % shown.door)
    assert shown.running.host("one")["weight"] == 1


@pytest.fixture
def crowd(daemon, host, browser):
    """500 hosts, of which one fails its checks: (page, the failing one's name)."""
    door = free_port()
    dead = free_port()
    rows = "".join(f"host = h{n} 127.1.{n // 250}.{n % 250 + 1}:9\n" for n in range(499))
    running = daemon(f"[admin]\nlisten = 127.0.0.1:{door}\nrefresh = 1s\n[service web]\nlisten = 127.0.0.1:{free_port()}\ngroup = main\n"
                     f"standby = checked\n[group main]\ncheck = none\n{rows}[group checked]\ncheck_interval = 200ms\n"
                     f"host = broken 127.0.0.1:{dead}\nhost = fine {host('fine').address}\n")
    wait_until(lambda: running.service()["groups"][1]["hosts"][0]["state"] == "down", what="the host to be down")
    return Page(browser, running, door, "")


def in_sight(browser, element):
    return browser.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight",
        element)


def test_of_500_hosts_the_failing_one_is_seen_after_one_click(crowd):
    browser = crowd.browser
    attention = browser.find_element(By.CSS_SELECTOR, "#attention li")
    assert in_sight(browser, attention) and "broken" in attention.text and "refused" in attention.text, "without any click"
    browser.find_element(By.ID, "only-out").click()
    row = crowd.wait(lambda: next((one for one in browser.find_elements(By.CSS_SELECTOR, ".hosts tbody tr") if one.is_displayed()), None),
                     "the row")
    assert "broken" in row.text and "refused" in row.text and in_sight(browser, row)
    assert "1 of 501 hosts" in browser.find_element(By.ID, "found").text
    no_fault_so_far(browser, crowd.door)


def shown_names(browser, most=3):
    return browser.execute_script(
        "return [...document.querySelectorAll('.hosts tbody tr:not([hidden]) .name b')].slice(0, arguments[0]).map(e => e.textContent)",
        most)


def test_the_list_of_those_not_up_leads_to_them(crowd):
    browser = crowd.browser
    browser.find_element(By.ID, "filter").send_keys("h49")
    crowd.wait(lambda: "10 of 501" in browser.find_element(By.ID, "found").text, "another filter")
    browser.find_element(By.CSS_SELECTOR, "#attention a").click()
    row = browser.find_element(By.ID, "s0g1h0")
    assert in_sight(browser, row) and row.find_element(By.TAG_NAME, "details").get_attribute("open"), "the row is opened"
    assert browser.switch_to.active_element == row.find_element(By.TAG_NAME, "summary")
    assert browser.find_element(By.ID, "filter").get_attribute("value") == "", "what hid it is gone"
    crowd.button("Show only hosts that are not up").click()
    assert shown_names(browser) == ["broken"] and in_sight(browser, row)
    no_fault_so_far(browser, crowd.door)


def test_hosts_are_found_and_sorted(crowd):
    browser = crowd.browser
    find = browser.find_element(By.ID, "filter")
    find.send_keys("h49")
    crowd.wait(lambda: "10 of 501" in browser.find_element(By.ID, "found").text, "h49 and h490 to h498")
    first = browser.find_elements(By.CSS_SELECTOR, ".hosts")[0]
    heading = first.find_element(By.CSS_SELECTOR, "th button")
    assert heading.get_attribute("aria-label") == "Sort by Host"
    heading.click()
    assert first.find_element(By.CSS_SELECTOR, "th").get_attribute("aria-sort") == "ascending"
    assert shown_names(browser) == ["h49", "h490", "h491"]
    heading.click()
    assert first.find_element(By.CSS_SELECTOR, "th").get_attribute("aria-sort") == "descending"
    assert shown_names(browser) == ["h498", "h497", "h496"]
    # Refreshing keeps what was found, sorted and typed.
    stamp = browser.find_element(By.ID, "uptime").text
    crowd.wait(lambda: browser.find_element(By.ID, "uptime").text != stamp, "a refresh")
    assert find.get_attribute("value") == "h49" and shown_names(browser) == ["h498", "h497", "h496"]
    assert browser.switch_to.active_element == heading
    # Another configuration has the page rendered anew; what was typed is still there.
    post(crowd.running, "reload")
    crowd.wait(lambda: browser.execute_script("return document.documentElement.dataset.generation") == "2" and
               browser.find_elements(By.ID, "found") and "10 of 501" in browser.find_element(By.ID, "found").text, "the page anew")
    assert shown_names(browser) == ["h498", "h497", "h496"], "and sorted as it was"
    browser.find_elements(By.CSS_SELECTOR, ".hosts")[0].find_element(By.CSS_SELECTOR, "th button").click()
    assert shown_names(browser) == ["h49", "h490", "h491"], "as the file has them"
    no_fault_so_far(browser, crowd.door)


def test_numbers_are_sorted_as_numbers(page):
    shown = page("eve", more="host = t 127.0.0.1:9 weight=9\nhost = u 127.0.0.1:8 weight=100\ncheck = none\n")
    browser = shown.browser
    table = browser.find_elements(By.CSS_SELECTOR, ".hosts")[1]
    order = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[0].firstElementChild.textContent)"
    for wanted in (["s", "t", "u"], ["u", "t", "s"]):
        shown.button("Sort by Weight", table).click()
        assert browser.execute_script(order, table) == wanted
    # What changes while it is shown takes its place, once nobody is about to press something there.
    ask_for(shown.running, "setWeight", group="spare", name="s", weight=200)
    browser.find_element(By.ID, "filter").click()
    shown.wait(lambda: browser.execute_script(order, table) == ["s", "u", "t"], "the new order")
    # A phone has no headings to click.
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True})
    assert not table.find_element(By.TAG_NAME, "thead").is_displayed()
    choice = browser.find_element(By.ID, "sort")
    assert choice.is_displayed()
    choice.find_element(By.CSS_SELECTOR, "option[value='5 0']").click()
    assert browser.execute_script(order, table) == ["t", "u", "s"]
    no_fault_so_far(browser, shown.door)


def test_the_keyboard_is_enough(page):
    shown = page("eve")
    browser = shown.browser
    shown.open_host("one")
    reached = []
    browser.execute_script("document.body.tabIndex = -1; document.body.focus()")
    for _ in range(120):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        name = element.get_attribute("aria-label") or element.text or element.get_attribute("id") or element.get_attribute("href")
        assert name or element.tag_name == "body", element.get_attribute("outerHTML")
        outline = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", element)
        assert element.tag_name == "body" or outline != "none", f"{name} does not show that it has the focus"
        reached.append(name)
        if name == "Down… one":
            break
    assert "Show open connections" in reached and "filter" in reached and "Change one" in reached and "Up one" in reached
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    dialog = shown.dialog()
    assert dialog.get_attribute("aria-label") == "Take one out?"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    shown.wait(lambda: not browser.find_elements(By.TAG_NAME, "dialog"), "the dialog to close")
    assert shown.running.host("one")["state"] == "up"
    # Without a mouse from the row's button to a new weight, and back to where one was.
    def press(*keys):
        browser.switch_to.active_element.send_keys(*keys)

    def name():
        element = browser.switch_to.active_element
        return element.get_attribute("aria-label") or element.get_attribute("name")
    for _ in range(4):
        press(Keys.SHIFT, Keys.TAB)
    assert name() == "Change one"
    press(Keys.ENTER)
    assert not browser.find_elements(By.CSS_SELECTOR, "#s0g0h0 details[open]"), "a second time closes it"
    press(Keys.ENTER)
    assert name() == "Up one"
    for _ in range(3):
        press(Keys.TAB)
    assert name() == "Weight… one"
    press(Keys.ENTER)
    assert name() == "weight"
    press(Keys.BACKSPACE, "7", Keys.ENTER)
    shown.said("weight 1 -> 7")
    assert name() == "Weight… one" and shown.running.host("one")["weight"] == 7
    for element in browser.find_elements(By.CSS_SELECTOR, "button, input, select"):
        label = element.get_attribute("aria-label") or element.text or browser.execute_script(
            "return arguments[0].labels?.[0]?.textContent ?? ''", element)
        assert label.strip() or not element.is_displayed(), element.get_attribute("outerHTML")


CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const behind = element => {
  for (; element; element = element.parentElement) {
    const colour = parse(getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3] === 1)
      return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const field of document.querySelectorAll('input[placeholder]')) {
  const a = light(parse(getComputedStyle(field, '::placeholder').color)), b = light(behind(field));
  if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5)
    poor.push(['placeholder', field.id]);
}
for (const element of document.querySelectorAll('body *')) {
  if (Number(getComputedStyle(element).opacity) < 1)
    poor.push([element.tagName, 'is seen through']);
  if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !element.checkVisibility())
    continue;
  const a = light(parse(getComputedStyle(element).color)), b = light(behind(element));
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < 4.5)
    poor.push([element.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
}
return poor;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(page, scheme):
    with Closed("dead") as dead:
        shown = page("eve", more=f"host = dead {dead.address}\ncheck_interval = 200ms\n")
        wait_until(lambda: shown.running.service()["groups"][1]["hosts"][1]["state"] == "down", what="a fault")
    browser = shown.browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    ask_for(shown.running, "hostAdminDown", name="one")
    ask_for(shown.running, "hostDrain", name="two")
    shown.wait(lambda: "3 of 4 hosts not up" in text_of_page(browser), "all of them")
    shown.open_host("one")
    shown.button("What a restart would lose").click()
    shown.wait(lambda: "state=down" in text_of_page(browser), "the difference")
    shown.button("Weight… one").click()
    shown.dialog()
    browser.execute_script("document.querySelectorAll('.loses, .does, .said').forEach(e => e.classList.add('bad', 'shown'))")
    assert browser.execute_script(CONTRAST) == []
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    shown.running.stop(settle=False)
    shown.wait(lambda: "No answer from the daemon" in browser.find_element(By.ID, "lost").text, "the page to miss it")
    assert browser.execute_script(CONTRAST) == [], "also without a daemon"


@pytest.mark.parametrize("width", [390, 768, 1200, 1600])
def test_nothing_lies_beyond_the_edge(page, width):
    shown = page("eve")
    browser = shown.browser
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    shown.open_host("one")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    if width in (390, 1200, 1600):
        beyond = browser.execute_script(
            "return [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length")
        assert beyond == 0, "a table scrolls sideways"
    shown.button("Delete… one").click()
    box = shown.dialog().rect
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


HOSTILE = "\"><script>alert(1)</script>", "'onx=alert(2)", "</textarea><b>", "a&lt;b"


def test_hostile_names_are_inert_where_scripts_show_them(daemon, browser, password_hash):
    door = free_port()
    rows = "".join(f"host = {json.dumps(name)} 127.0.0.1:{n + 1}\n" for n, name in enumerate(name.replace(" ", "_") for name in HOSTILE))
    running = daemon(f"[admin]\nlisten = 127.0.0.1:{door}\nrefresh = 1s\nuser = eve {password_hash} full\n[service web]\n"
                     f"listen = 127.0.0.1:{free_port()}\ngroup = main\n[group main]\ncheck = none\n{rows}")
    shown = Page(browser, running, door, "eve")
    for name in HOSTILE:
        name = name.replace(" ", "_")
        shown.open_host(name)
        shown.button(f"Weight… {name}").click()
        assert name in shown.dialog().text
        shown.answer("Set", weight=3)
        shown.wait(lambda n=name: running.host(n)["weight"] == 3, "the weight")
        shown.said(name)
    assert not browser.find_elements(By.CSS_SELECTOR, "main b script, main script, textarea")
    no_fault_so_far(browser, door)
