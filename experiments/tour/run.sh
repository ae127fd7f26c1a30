#!/usr/bin/env bash
# The whole way of a net, on CIFAR-10 and Fashion-MNIST: train, evaluate, predict, examine, transfer, report, export.
# usage: run.sh DATA WORK     DATA has cifar10 and fashion_mnist, prepared by `jaxcnn prepare`; results go to WORK.
set -euo pipefail
data=$1 work=$2 here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"
common=(--config=fashion_mnist_resnet20 "--config.data.dir=$data" "--config.schedule.warmup=0.2 epochs" "--config.eval_every=0.5 epochs")

step() { echo; echo "\$ jaxcnn $*"; jaxcnn "$@"; }

step train "${common[@]}" --config.data.name=cifar10 --config.data.validation=5000 --config.total_epochs=3 \
  "--config.data.augment=shift(4), flip()" "--workdir=$work/cifar10"
step evaluate "$work/cifar10" --temperature --json "$work/evaluate.json"
step doctor "$work/cifar10" || true # its status says what it found
python "$here/pictures.py" "$data" "$work/pictures"
step predict "$work/cifar10" "$work/pictures" --top 1 --json "$work/predict.json" >"$work/predict.txt"

for begin in scratch transfer; do
  given=()
  if [[ $begin == transfer ]]; then given=("--config.init_from=$work/cifar10"); fi
  step train "${common[@]}" --config.data.name=fashion_mnist --config.data.validation=5000 --config.total_epochs=1 \
    --config.data.channels=3 --config.data.image_size=32 "${given[@]}" "--workdir=$work/fashion_mnist_$begin"
done
step probe "$work/cifar10" fashion_mnist --data-dir "$data" --shots 100 --json "$work/probe.json"
step report "$work/cifar10" "$work/fashion_mnist_scratch" "$work/fashion_mnist_transfer" --output "$work/report.html"
step export "$work/cifar10" --format onnx --output "$work/cifar10.onnx"
python "$here/stages.py" "$work"
python=$(command -v python) # folders of this machine are no news to those who read the page
sed -i "s#$python -m jaxcnn#jaxcnn#g; s#$work/#runs/#g; s#$data#data#g; s#$HOME/#~/#g" "$work/report.html"
