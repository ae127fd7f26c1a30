"""Chromium without a window, told what to do over a pipe by its DevTools protocol."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
_PATIENCE = 30.0


class Page:
    """A page of a browser, and what happened on it."""

    def __init__(self, to, answers):
        self._to, self._answers, self._numbers = to, answers, itertools.count(1)
        self._session, self._rest = None, b""
        self.events = []
        """(method, parameters) of all events of the protocol."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Returns the result of a command."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        command |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while (found := self._read()).get("id") != number:
            if "method" in found:
                self.events.append((found["method"], found["params"]))
        assert "error" not in found, (method, found["error"])
        return found["result"]

    def _read(self):
        while b"\0" not in self._rest:
            part = os.read(self._answers, 2**20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def show(self, path, *, width, dark=False, height=800):
        """Loads a file, and waits until all of its visible charts are drawn; forgets earlier events."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait("document.readyState == 'complete' && !document.querySelector('.plot[data-shown=begun]')")

    def wait(self, condition):
        """Waits until JavaScript is true."""
        until = time.monotonic() + _PATIENCE
        while not self.ask(condition):
            assert time.monotonic() < until, condition
            time.sleep(0.05)
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def ask(self, script):
        """Returns the value of JavaScript."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, *, whole=False):
        """Returns a PNG of the window, or of the whole page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        return base64.b64decode(found["data"])

    def _clip(self, whole):
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def errors(self):
        """Returns what went wrong: exceptions, errors in the console, and what the browser logged."""
        return [
            (method, parameters)
            for method, parameters in self.events
            if method == "Runtime.exceptionThrown"
            or (method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"))
            or (method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"))
        ]

    def requests(self):
        """Returns the addresses of all that was asked for, but for what lies in the page itself."""
        asked = [parameters for method, parameters in self.events if method == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in asked if not each["request"]["url"].startswith("data:")]


@contextlib.contextmanager
def opened(folder):
    """Gives a page of a new browser, whose profile is in an empty folder."""
    from_us, to_us = os.pipe(), os.pipe()  # the browser reads at 3, and writes at 4
    script = f'exec "$0" "$@" 3<&{from_us[0]} 4>&{to_us[1]}'
    command = ["bash", "-c", script, PROGRAM, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    passed = (from_us[0], to_us[1])
    with subprocess.Popen(command, pass_fds=passed, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        for end in passed:
            os.close(end)
        try:
            yield Page(from_us[1], to_us[0])
        finally:
            process.kill()
            for end in (from_us[1], to_us[0]):
                os.close(end)
