#!/usr/bin/env bash
# What it does: trains one run with N processes on this machine, joined over TCP, each with its own GPU or on the CPU.
#   Process 0 prints and writes. Ctrl-C or SIGTERM saves in all of them and ends them; the same command goes on from
#   there, with another N too. If one process dies, the others end within a minute.
# What it needs: jaxcnn installed for the `python` in PATH ($PYTHON names another); with --gpu, N NVIDIA GPUs and the
#   extra [cuda]. The batch size must be a multiple of all devices together.
# What it costs: nothing beyond this machine. On a CPU it is a rehearsal, slower than one process.
# It has been run with 2 and 4 processes on the CPU, but not yet with GPUs.
#
# usage: launch/local.sh [--dry-run] [--gpu] N --config=configs/digits_lenet5.py --workdir=runs/digits [--config.KEY=VALUE ...]
# $PORT: the port of process 0, by default a random one.
set -euo pipefail

usage() {
  grep '^# usage' "$0" | cut -c3- >&2
  exit 2
}

dry_run=0 gpu=0
while [[ ${1:-} == --dry-run || ${1:-} == --gpu ]]; do
  [[ $1 == --dry-run ]] && dry_run=1 || gpu=1
  shift
done
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || usage
count=$1
shift
port=${PORT:-$((20000 + RANDOM % 12000))}

pids=()
for ((i = 0; i < count; i++)); do
  device=("JAX_PLATFORMS=cpu")
  ((gpu)) && device=("CUDA_VISIBLE_DEVICES=$i")
  command=(env "${device[@]}" "${PYTHON:-python}" -m jaxcnn.main "$@"
    "--coordinator=127.0.0.1:$port" "--num_processes=$count" "--process_id=$i")
  if ((dry_run)); then
    printf '%q ' "${command[@]}"
    echo '&'
  else
    "${command[@]}" &
    pids+=($!)
  fi
done
((dry_run)) && exit 0

# Processes in the background do not receive Ctrl-C, so the script sends them the signal.
trap 'kill -TERM "${pids[@]}" 2>/dev/null || true' INT TERM
status=0
for pid in "${pids[@]}"; do
  while :; do
    code=0
    wait "$pid" || code=$?
    kill -0 "$pid" 2>/dev/null || break # still alive: a signal has interrupted `wait`
  done
  ((code > status)) && status=$code
done
exit "$status"
