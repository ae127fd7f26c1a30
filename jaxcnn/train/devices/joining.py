"""Training by several processes: how they connect, by jax.distributed."""

import os
import re
import sys
import threading
from collections.abc import Mapping

import jax

from jaxcnn.errors import UserError, first_line

HEARTBEAT_SECONDS = 60
"""A process that is silent for this long counts as dead, and the others end."""
START_SECONDS = 300
"""Time that a process waits for the others at its start."""


def join(
    *,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    distributed: bool | None = None,
) -> None:
    """Connects the processes of a run, if there are several. Call it before JAX computes anything.

    Args:
        coordinator: HOST:PORT of process 0.
        num_processes: number of processes.
        process_id: number of this process, from 0.
        distributed: None connects if the three above are given, or if the environment says that there are several
            processes (SLURM, Open MPI, an indexed Kubernetes job, TPU workers). True lets JAX find the others whatever
            the environment says, as on Cloud TPU VMs, where it asks the metadata server. False does not connect.

    Raises:
        UserError: for numbers that are inconsistent, or processes that cannot be found or reached.
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
            f"the processes{where} cannot be joined: {first_line(error).rstrip('.')}; give --coordinator=HOST:PORT "
            "--num_processes=N --process_id=I, or --nodistributed to run alone"
        ) from None
    finally:
        late.cancel()


def surroundings(environment: Mapping[str, str]) -> str | None:
    """Returns NAME=value of the environment variable that says that this is one of several processes, or None."""
    steps = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environment else "SLURM_NTASKS"
    counts = {
        steps: "SLURM_STEP_NODELIST" in environment
        and "SLURM_PROCID" in environment,  # inside srun; sbatch alone does not set them
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


def _explicit(given: Mapping[str, str | int | None], distributed: bool | None) -> bool:
    """Returns whether the processes are given, after checking their numbers."""
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
    """Prints in one line why JAX ends a process that waits in vain; JAX itself prints a page."""
    line = f"not all processes have met at {where} within {START_SECONDS} s: are all started, and can they reach it?"
    print(f"jaxcnn: {line}", file=sys.stderr, flush=True)
