#!/usr/bin/env bash
# What it does: creates a Cloud TPU slice, trains one run on it and deletes it. The slice is a queued resource.
#     create          request the slice, and wait until it is active
#     install         copy this checkout to every worker and install it; with a share, mount it at /mnt/runs
#     run ARGS        train on all workers, ARGS as for `python -m jaxcnn.main`
#     logs            write the output of every worker to NAME.log
#     delete          delete the slice
#     all ARGS        create, install, run, logs, delete; if a spot slice is taken away, another is requested, and the
#                     run goes on from its last checkpoint
# What it needs: gcloud, logged in, in a project with the Cloud TPU API and quota for the slice; git; a bucket that the
#   workers' service account may write (role Storage Object User), since the workers share no disk, and their own disks
#   are deleted with them. The run folder is $BUCKET/runs/$NAME, unless --workdir is given. Prepared data sets are read
#   from $BUCKET/data, where `python -m jaxcnn prepare DATASET --data-dir=$BUCKET/data` puts them, unless
#   --config.data.dir is given. NFS=HOST:/SHARE instead of BUCKET=gs://.. uses an NFS share that the workers reach, such
#   as Filestore; /mnt/runs then takes the place of $BUCKET.
# What it costs: the slice from the moment it is active until `delete`, whether it trains or not, and the bucket or
#   the share, by your provider's price list. Spot slices are cheaper, and may be taken away at any moment. Check with
#   `gcloud compute tpus queued-resources list` that nothing is left.
# It has not been run yet; only its dry run is tested.
#
# usage: NAME=.. ZONE=.. BUCKET=gs://.. launch/tpu_vm.sh [--dry-run] create|install|run|logs|delete|all [--config=.. --config.KEY=.. ...]
# $TYPE, $RUNTIME: the slice, by default 16 chips of v5e on 4 workers. $SPOT=1: a spot slice. $ATTEMPTS: requests by `all`.
set -euo pipefail

usage() {
  grep '^# usage' "$0" | cut -c3- >&2
  exit 2
}

dry_run=0
if [[ ${1:-} == --dry-run ]]; then
  dry_run=1
  shift
fi
verb=${1:-}
[[ -n $verb && -n ${NAME:-} && -n ${ZONE:-} ]] || usage
if [[ -n ${NFS:-} ]]; then
  [[ -z ${BUCKET:-} ]] || usage # one of the two
  place=/mnt/runs
else
  [[ ${BUCKET:-} == gs://?* ]] || usage
  place=${BUCKET%/}
fi
shift
tpus=(gcloud compute tpus)
home=$(cd "$(dirname "$0")/.." && pwd)

run_or_print() {
  if ((dry_run)); then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

on_all_workers() { run_or_print "${tpus[@]}" tpu-vm ssh "$NAME" "--zone=$ZONE" --worker=all "--command=$1"; }

state() { "${tpus[@]}" queued-resources describe "$NAME" "--zone=$ZONE" '--format=value(state.state)'; }

create() {
  local spot=()
  [[ ${SPOT:-} == 1 ]] && spot=(--spot)
  run_or_print "${tpus[@]}" queued-resources create "$NAME" "--node-id=$NAME" "--zone=$ZONE" \
    "--accelerator-type=${TYPE:-v5litepod-16}" "--runtime-version=${RUNTIME:-v2-alpha-tpuv5-lite}" ${spot[@]+"${spot[@]}"} || exit
  ((dry_run)) && return
  while :; do
    case $(state) in
      ACTIVE) return ;;
      FAILED | SUSPENDED) return 1 ;;
    esac
    sleep 30
  done
}

install() {
  run_or_print git -C "$home" archive --format=tar.gz --prefix=jaxcnn/ "--output=/tmp/$NAME.tar.gz" HEAD &&
    run_or_print "${tpus[@]}" tpu-vm scp "/tmp/$NAME.tar.gz" "$NAME:jaxcnn.tar.gz" "--zone=$ZONE" --worker=all &&
    on_all_workers "tar -xzf jaxcnn.tar.gz && python3 -m pip install --user --quiet uv && \
export PATH=\$HOME/.local/bin:\$PATH && uv venv --quiet --python 3.11 env && uv pip install --quiet --python env/bin/python './jaxcnn[tpu,gcs]'" &&
    { [[ -z ${NFS:-} ]] || mount_share; }
}

mount_share() {
  on_all_workers "sudo apt-get install -y -q nfs-common && sudo mkdir -p /mnt/runs && \
{ mountpoint -q /mnt/runs || sudo mount -t nfs $(printf %q "$NFS") /mnt/runs; }"
}

train() {
  on_all_workers "set -o pipefail; cd jaxcnn && TFDS_DATA_DIR=$(printf %q "$place/data") ../env/bin/python -m jaxcnn.main \
$(printf '%q ' "--workdir=$place/runs/$NAME" "$@") --distributed --config.preempted_status=143 2>&1 | tee -a ../jaxcnn.log"
}

logs() {
  if ((dry_run)); then
    on_all_workers "cat jaxcnn.log"
  else
    on_all_workers "cat jaxcnn.log" >"$NAME.log"
  fi
}

delete() { run_or_print "${tpus[@]}" queued-resources delete "$NAME" "--zone=$ZONE" --force --quiet; }

# If the slice is still there after the training has failed, it was not taken away: the run itself has failed.
all() {
  local attempt
  for ((attempt = 1; attempt <= ${ATTEMPTS:-20}; attempt++)); do
    if create && install && train "$@"; then
      logs || true
      delete
      return
    fi
    sleep 60
    case $(state) in
      FAILED | SUSPENDED) ;;
      *)
        logs || true
        echo "the run has failed; $NAME.log says why. The slice may still exist, and cost money: launch/tpu_vm.sh delete" >&2
        return 1
        ;;
    esac
    echo "the slice was taken away: requesting another, attempt $((attempt + 1))" >&2
    delete || true
  done
  return 1
}

case $verb in
  create | install | logs | delete | all) "$verb" "$@" ;;
  run) train "$@" ;;
  *) usage ;;
esac
