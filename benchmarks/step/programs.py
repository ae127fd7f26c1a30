"""Prints a digest of each program that `jaxcnn benchmark step` times: `python benchmarks/step/programs.py`.

Two versions of the package with equal digests compute the same, equally fast. PYTHONPATH says which checkout is taken.
"""

from jaxcnn import runtime

runtime.configure()  # before jax is imported

import hashlib  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402

from jaxcnn.commands.steps.ours import lower_step  # noqa: E402
from jaxcnn.commands.steps.work import Work  # noqa: E402


def main() -> None:
    """Lowers each work whose figures are beside this file, and compiles none."""
    for path in sorted(Path(__file__).parent.glob("*.json")):
        for result in json.loads(path.read_text(encoding="utf-8"))["results"]:
            program = lower_step(Work(**result["work"])).as_text()
            print(path.stem, hashlib.sha256(program.encode()).hexdigest()[:16], flush=True)


if __name__ == "__main__":
    main()
