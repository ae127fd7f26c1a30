"""Buckets in this process's memory, for tests without emulators: they speak as fsspec's drivers do."""

import asyncio
import hashlib
from pathlib import Path

from fsspec.asyn import get_loop


class Memory:
    """Holds objects by BUCKET/NAME, of one scheme; the one bucket is called box."""

    def __init__(self):
        self.loop = get_loop()
        self.objects = {}
        self.calls = []
        """(call, path) in turn."""
        self.trouble = {}
        """By call, what is raised by the next ones, in turn; a number is so many seconds that it takes."""

    def fill(self, folder, address):
        """Makes objects of the files in a folder."""
        for path in Path(folder).rglob("*"):
            if path.is_file():
                self.objects[f"{address.partition('://')[2]}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()

    async def _begin(self, call, path):
        self.calls.append((call, path))
        waiting = self.trouble.get(call, [])
        trouble = waiting.pop(0) if waiting else 0
        if isinstance(trouble, Exception):
            raise trouble
        await asyncio.sleep(trouble)
        if path.partition("/")[0] != "box":
            raise FileNotFoundError(path)

    async def _find(self, path, detail):
        await self._begin("find", path)
        below = {name: content for name, content in self.objects.items() if f"{name}/".startswith(f"{path}/")}
        return {
            name: {"type": "file", "size": len(content), "ETag": f'"{hashlib.md5(content).hexdigest()}"'}
            for name, content in below.items()
        }

    async def _cat_file(self, path, start=None, end=None):
        await self._begin("cat_file", path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    async def _pipe_file(self, path, content):
        await self._begin("pipe_file", path)
        self.objects[path] = content

    async def _put_file(self, here, path):
        await self._begin("put_file", path)
        self.objects[path] = Path(here).read_bytes()

    async def _get_file(self, path, here):
        await self._begin("get_file", path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        Path(here).write_bytes(self.objects[path])

    async def _rm_file(self, path):
        await self._begin("rm_file", path)
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)
