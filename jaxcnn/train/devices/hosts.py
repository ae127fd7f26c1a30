"""Several processes that train one model: how they find each other, and how they agree.

jax.distributed carries everything. Every process runs the same program on its own part of the devices; files and the
terminal are process 0's. What only one of them can find out, such as a folder that is in use, they tell each other, so
that all of them leave in the same way.
"""

import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from jaxcnn.errors import UserError

HEARTBEAT_SECONDS = 60
"""A process that is silent for so long is dead, and the others end: a fault of a machine costs this and no more."""
START_SECONDS = 300
"""How long a process waits for the others when it starts."""
Value = TypeVar("Value")
Other = TypeVar("Other")


class AgreedError(UserError):
    """A mistake that every process raises alike, so that process 0 speaks for all."""


def join(
    *,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    distributed: bool | None = None,
) -> None:
    """Joins the processes of a run, where there are several; must come before anything is computed.

    Args:
        coordinator: HOST:PORT where process 0 can be reached.
        num_processes: how many there are.
        process_id: of this one, from 0.
        distributed: None joins where the three above are given or the environment says that there are several
            processes (SLURM, Open MPI, an indexed Kubernetes job, TPU workers). True leaves the finding to JAX
            whatever the environment says, as on Cloud TPU VMs, whose metadata server knows. False does not join.

    Raises:
        UserError: for numbers that do not fit together, or processes that cannot be found or reached.
    """
    given = {"coordinator": coordinator, "num_processes": num_processes, "process_id": process_id}
    explicit = _explicit(given, distributed)
    found = None if explicit else surroundings(os.environ)
    if not explicit and not distributed and (distributed is False or not found):
        return
    late = threading.Timer(START_SECONDS - 1, _say_that_they_are_late, (coordinator or found or "this place",))
    late.daemon = True
    late.start()
    try:
        jax.distributed.initialize(
            coordinator_address=coordinator,
            num_processes=num_processes,
            process_id=process_id,
            cluster_detection_method="deactivate" if explicit else None,
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        where = f" ({found})" if found else ""
        raise UserError(
            f"the processes{where} cannot be joined: {_one_line(error).rstrip('.')}; give --coordinator=HOST:PORT "
            "--num_processes=N --process_id=I, or --nodistributed to run alone"
        ) from None
    finally:
        late.cancel()


def surroundings(environment: Mapping[str, str]) -> str | None:
    """Returns the variable that says that this is one of several processes, as NAME=value, or None."""
    steps = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
    counts = {
        steps: "SLURM_STEP_NODELIST" in environment and "SLURM_PROCID" in environment,  # within srun, not sbatch
        "OMPI_COMM_WORLD_SIZE": True,
    }
    for name, applies in counts.items():
        if applies and environment.get(name, "").isdigit() and int(environment[name]) > 1:
            return f"{name}={environment[name]}"
    for name in ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES"):
        if "," in environment.get(name, ""):
            return f"{name}={environment[name]}"
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return f"JOB_COMPLETION_INDEX={environment['JOB_COMPLETION_INDEX']}"
    return None


def first() -> bool:
    """Returns whether this is process 0, which writes and prints."""
    return jax.process_index() == 0


def wait(name: str) -> None:
    """Returns once every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def together(action: Callable[[], Value]) -> Value:
    """Returns what `action` does in this process, once it is done in all.

    Raises:
        AgreedError: in every process, where a UserError is raised in any: that of the lowest.
    """
    if jax.process_count() == 1:
        return action()
    try:
        value, line = action(), ""
    except UserError as error:
        value, line = None, str(error)
    for process, said in enumerate(_gather(line)):
        if said:
            raise AgreedError(said if process == 0 else f"process {process}: {said}")
    return value  # type: ignore[return-value]  # None only where this process has raised


def on_first(action: Callable[[], Value], elsewhere: Other) -> Value | Other:
    """Returns what `action` does in process 0, and `elsewhere` in the others, who wait for it.

    Raises:
        AgreedError: in every process, where process 0 raises a UserError.
    """
    return together(lambda: action() if first() else elsewhere)


def from_first(action: Callable[[], Value]) -> Value:
    """Returns in every process what `action` does in process 0: a value that JSON can hold."""
    if jax.process_count() == 1:
        return action()
    content = np.frombuffer(on_first(lambda: json.dumps(action()), "").encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content))))
    sent = content if first() else np.zeros(size, np.uint8)
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(sent)).tobytes())


def spread(tree: Any, abstract: Any, sharding: Sharding) -> Any:
    """Returns in every process the arrays that process 0 has, bit by bit, on all devices of `sharding`.

    Args:
        tree: in process 0 arrays in memory; of the others nothing is looked at.
        abstract: their shapes and dtypes, in every process.
        sharding: one that has every array whole on each device.
    """
    leaves, shape = jax.tree.flatten(abstract)
    own = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)] if first() else []
    sizes = [leaf.size * np.dtype(leaf.dtype).itemsize for leaf in leaves]
    sent = np.concatenate([np.zeros(0, np.uint8), *(leaf.reshape(-1).view(np.uint8) for leaf in own)])
    content = multihost_utils.broadcast_one_to_all(sent if first() else np.zeros(sum(sizes), np.uint8))
    parts = np.split(np.asarray(content), np.cumsum(sizes)[:-1])
    values = [part.view(leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    put = [jax.make_array_from_callback(value.shape, sharding, value.__getitem__) for value in values]
    return jax.tree.unflatten(shape, put)


def union(names: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Returns, by key, the names of every process, each once, in order."""
    everywhere = (
        [names]
        if jax.process_count() == 1
        else [json.loads(line) for line in _gather(json.dumps({key: sorted(found) for key, found in names.items()}))]
    )
    keys = sorted({key for each in everywhere for key in each})
    return {key: sorted({name for each in everywhere for name in each.get(key, ())}) for key in keys}


def check_same(what: str, text: str) -> None:
    """Raises `AgreedError` in every process where the `text` of one is not that of process 0."""
    if jax.process_count() == 1:
        return
    digests = _gather(hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest())
    for process, digest in enumerate(digests):
        if digest != digests[0]:
            raise AgreedError(f"{what} of process {process} is not that of process 0: all of them need the same")


def lost(kind: type[BaseException] | None) -> bool:
    """Returns whether an error of this kind, or None, says that another process may be gone."""
    return kind is not None and issubclass(kind, jax.errors.JaxRuntimeError) and jax.process_count() > 1


def run(command: Callable[[], int]) -> int:
    """Runs what every process of a run runs; returns its exit status.

    Where one is gone, the others end at once, or after `HEARTBEAT_SECONDS` by JAX's hand, with what was saved. One that
    leaves alone waits as long for the others before they are ended in the same way.
    """
    if jax.process_count() == 1:
        return command()
    try:
        return command()
    except AgreedError:
        if first():
            raise
        return 2
    except jax.errors.JaxRuntimeError as error:
        end(error)


def end(error: Exception) -> NoReturn:
    """Ends this process where an operation over all of them has failed, and says why in one line."""
    where = f"process {jax.process_index()} of {jax.process_count()}"
    line = f"{where} ends, for an operation over all of them failed: {_one_line(error)[:200]}"
    print(f"jaxcnn: {line}; the same command goes on from the last checkpoint", file=sys.stderr, flush=True)
    os._exit(1)  # the usual way out waits for processes that will not come


def _explicit(given: Mapping[str, str | int | None], distributed: bool | None) -> bool:
    """Returns whether the processes are given, after checking them."""
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return False
    if distributed is False:
        raise UserError(
            "--nodistributed runs one process alone: leave out --coordinator, --num_processes, --process_id"
        )
    if missing:
        raise UserError(f"--coordinator, --num_processes and --process_id go together: {', '.join(missing)} missing")
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/]+):\d{1,5}", str(given["coordinator"])):
        raise UserError(f"--coordinator is {given['coordinator']!r}: it must be HOST:PORT, where process 0 is reached")
    number, count = int(given["process_id"] or 0), int(given["num_processes"] or 0)
    if not 0 <= number < count:
        raise UserError(f"--process_id is {number} of --num_processes {count}: it must be one of 0 to {count - 1}")
    return True


def _say_that_they_are_late(where: str) -> None:
    """Says in one line what JAX, which ends a process that waits in vain, says in a page."""
    line = f"not all processes have met at {where} within {START_SECONDS} s: are all started, and can they reach it?"
    print(f"jaxcnn: {line}", file=sys.stderr, flush=True)


def _gather(line: str) -> list[str]:
    """Returns the line of every process, by its number."""
    content = line.encode(errors="backslashreplace")
    longest = int(np.max(multihost_utils.process_allgather(np.int32(len(content)))))
    sent = np.frombuffer(content.ljust(max(longest, 1), b"\0"), np.uint8)
    received = np.asarray(multihost_utils.process_allgather(sent))
    return [row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in received]


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split()) if lines else type(error).__name__
