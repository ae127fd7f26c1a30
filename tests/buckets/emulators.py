"""Emulators of buckets on this machine's loopback, each in a process of its own, so that it can be stopped."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request

from tests.train.team import free_port

BUCKET = "box"
_COMMAND = {
    "s3": ("moto.server", "-H", "127.0.0.1", "-p"),
    "gs": ("gcp_storage_emulator", "start", "--host=127.0.0.1", "--in-memory", "--port"),
}


class Emulator:
    """A service with one bucket, at SCHEME://box."""

    def __init__(self, scheme):
        self.scheme, self.address, self.port = scheme, f"{scheme}://{BUCKET}", free_port()
        endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "s3": {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": "us-east-1",
            },
            "gs": {"STORAGE_EMULATOR_HOST": endpoint},
        }[scheme]
        self._endpoint = endpoint
        self._process = None

    def start(self):
        """Starts it, empty."""
        command = [sys.executable, "-m", *_COMMAND[self.scheme], str(self.port)]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=os.environ, **silent)
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self._make_bucket()
                return
            assert time.monotonic() < until, f"the emulator of {self.scheme} does not start"
            time.sleep(0.05)

    def stop(self):
        """Ends it, and what it holds."""
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def away(self):
        """Makes it deaf: connections are taken and not answered."""
        os.kill(self._process.pid, 19)
        try:
            yield
        finally:
            os.kill(self._process.pid, 18)

    def _make_bucket(self):
        made = {
            "s3": (f"/{BUCKET}", "PUT", None),
            "gs": ("/storage/v1/b?project=p", "POST", json.dumps({"name": BUCKET}).encode()),
        }
        path, method, body = made[self.scheme]
        request = urllib.request.Request(
            self._endpoint + path, body, {"Content-Type": "application/json"}, method=method
        )
        urllib.request.urlopen(request, timeout=5).close()
