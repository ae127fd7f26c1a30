"""Few labels: a ResNet of 8 layers from scratch, the same from weights of CIFAR-10, and a linear probe on those.

python experiments/transfer/transfer.py PRETRAINED WORK trains in WORK and writes WORK/accuracy.csv. PRETRAINED is a run
of that net on CIFAR-10. A run that is finished is not trained again.
"""

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import jaxcnn
from jaxcnn.data.read.sources import load_splits
from jaxcnn.data.read.split import Split
from jaxcnn.evaluation.probe import fit_probe

DATA = ("fashion_mnist", "digits")
SHOTS = (1, 10, 100)
"""Labels of each of the ten classes."""
SEEDS = (0, 1, 2)
STEPS = 300


def few(split: Split, shots: int, seed: int) -> Split:
    """Returns so many examples of each class, drawn by the seed."""
    random = np.random.default_rng(seed)
    drawn = [random.choice(np.flatnonzero(split.label == each), shots, replace=False) for each in range(10)]
    numbers = random.permutation(np.concatenate(drawn))
    return Split(split.image[numbers], split.label[numbers])


def trained(begin: Path | None, splits: dict[str, Split], shots: int, seed: int, workdir: Path) -> float:
    """Returns the test accuracy, per cent, of a net that is trained on a few labels."""
    data = {name: (split.image, split.label) for name, split in splits.items()}
    data["train"] = tuple(few(splits["train"], shots, seed))
    config = jaxcnn.base_config()
    config.seed = seed
    config.init_from = str(begin) if begin else None
    config.model.name, config.model.fields = "resnet20", {"stage_sizes": (1, 1, 1)}
    config.data.channels, config.data.image_size, config.data.augment = 3, 32, "shift(4)"
    config.batch_size = min(50, 10 * shots)
    config.total_steps = STEPS
    config.log_every, config.eval_every, config.checkpoint_every = "50 steps", f"{STEPS} steps", f"{STEPS} steps"
    config.optimizer.name, config.optimizer.learning_rate, config.optimizer.weight_decay = "adamw", 0.001, 0.01
    config.schedule.warmup = "30 steps"
    return 100 * float(jaxcnn.train_and_evaluate(config, workdir, data=data).test["test/accuracy"])


def main(pretrained: Path, work: Path) -> None:
    """Trains what is left, and writes the mean and the sample deviation of the seeds of each case."""
    scores = defaultdict(list)
    for name in DATA:
        splits = load_splits(name)
        splits["val"] = Split(splits["val"].image[:100], splits["val"].label[:100])  # it decides nothing
        found = jaxcnn.features(pretrained, name)
        for shots in SHOTS:
            for seed in SEEDS:
                for method, begin in {"from scratch": None, "fine-tuned": pretrained}.items():
                    workdir = work / f"{name}-{10 * shots}-{method.replace(' ', '_')}" / f"seed{seed}"
                    scores[name, 10 * shots, method].append(trained(begin, splits, shots, seed, workdir))
                scores[name, 10 * shots, "probe"].append(100 * fit_probe(found, shots=shots, seed=seed)["test"])
    with (work / "accuracy.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "data", "labels", "method", "accuracy", "deviation", "n"])
        for (name, labels, method), shares in scores.items():
            mean, deviation = statistics.mean(shares), statistics.stdev(shares)
            case = f"{name} {labels} {method}"
            writer.writerow([case, name, labels, method, f"{mean:.2f}", f"{deviation:.2f}", len(shares)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
