#!/usr/bin/env bash
# Makes all measurements of one GPU: benchmarks/gpu/measure.sh [FOLDER]
#
# What it does: training steps in bfloat16 against PyTorch eager and torch.compile (autocast, channels last) on the same
#   GPU in turns; the same steps under other settings of XLA; how long the device waits for the host in CIFAR-size
#   training; the largest batch with and without remat. Figures and logs go to FOLDER, by default benchmarks/gpu/figures.
# Needs: one NVIDIA GPU of 140 GB, since three contenders share it (80 GB: BATCH=128; 40 GB: BATCH=48), pip install -e '.[cuda,torch]' with a torch that has CUDA.
# Costs: about half an hour, most of it compiling.
# Has been run on: no GPU yet; its commands were run one by one on a CPU, with small models.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-benchmarks/gpu/figures}
batch=${BATCH:-256}
mkdir -p "$folder"
if [[ -z ${DRY_RUN:-} ]]; then
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$folder/gpu.csv"
fi

step() { # NAME MODEL FURTHER-ARGUMENTS...
  local name=$1
  shift
  echo "== $name"
  run jaxcnn benchmark step --precision bfloat16 "$@" --json "$folder/$name.json"
}

run() {
  if [[ -n ${DRY_RUN:-} ]]; then
    echo "$*"
  else
    "$@" 2>&1 | tee -a "$folder/log.txt" || echo "failed: $*" | tee -a "$folder/log.txt"
  fi
}

against=(--against torch torch.compile)
step resnet50 resnet50 --batch-size "$batch" "${against[@]}"
step resnet18_cifar resnet18 --stem small --image-size 32 --num-classes 10 --batch-size 512 "${against[@]}"
for model in vgg16 mobilenet_v2 efficientnet_b0 densenet121; do
  step "$model" "$model" --batch-size "$batch" "${against[@]}"
done

# NOTES.md says what is expected of each setting. Each takes turns with eager PyTorch: compare the ratios
variant() { # NAME FLAG; XLA ends a process for a flag that it does not know, or no longer knows
  known=$(python -c 'import sys; from jaxcnn import xla_flags; print(*xla_flags.known(sys.argv[1]))' "$2")
  if [ -z "$known" ]; then
    echo "left out: the installed XLA does not know $2" | tee -a "$folder/log.txt"
    return
  fi
  XLA_FLAGS="${XLA_FLAGS:-} $2" step "resnet50-$1" resnet50 --batch-size "$batch" --against torch
}
variant no_command_buffers --xla_gpu_enable_command_buffer=
variant latency_hiding --xla_gpu_enable_latency_hiding_scheduler=true
variant triton_gemm_any --xla_gpu_triton_gemm_any=true
variant less_autotuning --xla_gpu_autotune_level=0
step resnet50-remat resnet50 --batch-size "$batch" --remat --against torch
step resnet50-float32 resnet50 --batch-size "$batch" --precision float32 --against torch

run python benchmarks/gpu/idle.py
run python benchmarks/gpu/idle.py --steps-per-dispatch 1
run python benchmarks/gpu/largest_batch.py
