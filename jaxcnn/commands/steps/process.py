"""A contender in its own process, so that contenders share no threads, allocator or memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from jaxcnn import platforms, runtime
from jaxcnn.commands.steps.work import Contender, Work
from jaxcnn.errors import UserError
from jaxcnn.memory import peak_memory

OURS, PLAIN, TORCH, TORCH_COMPILE, TORCH_FOLDED = "jaxcnn", "plain", "torch", "torch.compile", "torch.folded"
RIVALS = (PLAIN, TORCH, TORCH_COMPILE, TORCH_FOLDED)
"""The contenders with which our step can be compared.

`plain` is jaxcnn with its settings and forms for the platform turned off. `torch.folded` is PyTorch's inference after
its own folding of batch norms, which is not its default."""

_UNAIDED = {"JAXCNN_TUNING": "off", "JAX_ENABLE_COMPILATION_CACHE": "false"}
"""The environment of `plain`. Without a cache it compiles each time, and does not warn about the cache's folder."""


_SHARED = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.45"}
"""Of a GPU, a contender takes so much, since rivals share it."""


class Process:
    """A contender in a child process."""

    def __init__(self, name: str, work: Work, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        own = _UNAIDED if name == PLAIN else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, name, work.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**_SHARED, **runtime.inherited(), **own, **(environment or {})},
        )
        self.compile_s: float = self._answer()["compile_s"]

    def take(self, seconds: float) -> int:
        """Lets it take steps for about this time; returns the number of images."""
        return self._ask("take", seconds)

    def facts(self) -> dict[str, Any]:
        """Returns its facts, see `Contender.facts`."""
        return self._ask("facts")

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _ask(self, *request: object) -> Any:
        assert self.process.stdin
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"{self.name} has ended, with status {self.process.wait()}"}
        if isinstance(answer, dict) and "error" in answer:
            self.close()
            raise UserError(answer["error"])
        return answer


def _serve(name: str, work: Work) -> None:
    """Answers requests, one on each line, until the input ends. Output of libraries goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        before = peak_memory()
        contender = _make(name, work)
        print(json.dumps({"compile_s": contender.compile_s}), file=answers, flush=True)
    except Exception as error:
        line = platforms.trouble(error) or (str(error) if isinstance(error, UserError) else "")
        if not line:
            raise
        print(json.dumps({"error": line}), file=answers, flush=True)
        return
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        if what == "take":
            answer: object = contender.take(*arguments)
        else:
            answer = {"resident": peak_memory(), "resident_before": before} | contender.facts()
        print(json.dumps(answer), file=answers, flush=True)


def _make(name: str, work: Work) -> Contender:
    if name in (OURS, PLAIN):
        runtime.configure()
        from jaxcnn.commands.steps.ours import Ours  # imports jax: must come after runtime.configure

        return Ours(work)
    try:
        from jaxcnn.commands.steps.theirs import Theirs

        return Theirs(work, compiled=name == TORCH_COMPILE, folded=name == TORCH_FOLDED)
    except ModuleNotFoundError as error:
        raise UserError(f"--against {name} needs {error.name}: pip install 'jaxcnn[torch]'") from None


if __name__ == "__main__":
    if sys.argv[1] == OURS:
        runtime.begin()
    _serve(sys.argv[1], Work.from_json(sys.argv[2]))
