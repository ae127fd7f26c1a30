"""Emulators of buckets on this machine's loopback, each in a process of its own, so that it can be stopped."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from jaxcnn import buckets
from tests.train.team import free_port

BUCKET = "box"
_COMMAND = {
    "s3": ("moto.server", "-H", "127.0.0.1", "-p"),
    "gs": ("gcp_storage_emulator", "start", "--host=127.0.0.1", "--in-memory", "--port"),
}


def environment(scheme, endpoint):
    """The variables that lead drivers to a service, and let them in."""
    return {
        "s3": {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        "gs": {"STORAGE_EMULATOR_HOST": endpoint},
    }[scheme]


@contextlib.contextmanager
def drivers_for(scheme, variables):
    """Has this process's drivers begin anew in an environment with these variables, without those that are None."""
    module, kind = {"s3": ("s3fs", "S3FileSystem"), "gs": ("gcsfs.core", "GCSFileSystem")}[scheme]
    driver = getattr(pytest.importorskip(module), kind)

    def forget():
        driver.clear_instance_cache()
        buckets.file_system.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)
        forget()
        yield
    forget()


class Refusal(http.server.BaseHTTPRequestHandler):
    """Answers every request as services do to whom they do not know."""

    def _refuse(self):
        s3 = "Authorization" in self.headers and self.headers["Authorization"].startswith("AWS4")
        json_body = {"error": {"code": 403, "message": "you do not have storage.objects.list access"}}
        xml = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        content = (xml if s3 else json.dumps(json_body)).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/xml" if s3 else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _refuse  # noqa: N815

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def refusing():
    """Gives the endpoint of a service that lets nobody in."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Emulator:
    """A service with one bucket, at SCHEME://box."""

    def __init__(self, scheme):
        self.scheme, self.address, self.port = scheme, f"{scheme}://{BUCKET}", free_port()
        self._endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = environment(scheme, self._endpoint)
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
