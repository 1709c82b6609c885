#!/usr/bin/env python3
"""MNIST to a test accuracy: gemmlp beside PyTorch, the same network, batch, epochs, optimizer and schedule,
in turn, seed by seed. Printed: test accuracy and seconds inside training of each run, medians and the ratio.

    python3 -m venv peers && peers/bin/pip install torch numpy
    peers/bin/python bench/peers/mnist.py [--seeds 5] [--gemmlp build/gemmlp]

PyTorch gets what a careful user would give it: the data in memory, already standardised, a shuffled index per
epoch, no DataLoader, no copies from one device to another; only the training steps are timed."""
import argparse
import gzip
import json
import math
import platform
import statistics
import subprocess
import time

import numpy
import torch

CASES = [  # name, hidden, batch, epochs, highest learning rate, label smoothing
    ("95 %", [64], 128, 1, 0.006, 0.0),
    ("98 %", [256], 128, 3, 0.006, 0.05),
    ("98.5 %", [512, 256], 128, 5, 0.004, 0.1),
]


def read_idx(path):
    with gzip.open(path) as file:
        data = file.read()
    shape = numpy.frombuffer(data, ">u4", data[3], 4).astype(int)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(shape)


def load(folder, part, mean, deviation):
    images = read_idx(f"{folder}/{part}-images-idx3-ubyte.gz").reshape(-1, 784).astype(numpy.float32)
    labels = read_idx(f"{folder}/{part}-labels-idx1-ubyte.gz").astype(numpy.int64)
    mean = images.mean() if mean is None else mean
    deviation = images.std() if deviation is None else deviation
    return torch.from_numpy((images - mean) / deviation), torch.from_numpy(labels), mean, deviation


def train_pytorch(data, hidden, batch, epochs, rate, smoothing, seed):
    x, y, x_test, y_test = data
    torch.manual_seed(seed)
    sizes = [784, *hidden, 10]
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    for layer in model:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    steps = epochs * math.ceil(len(x) / batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, cycle_momentum=False)
    start = time.perf_counter()
    for _ in range(epochs):
        for index in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad(set_to_none=True)
            loss(model(x[index]), y[index]).backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    return accuracy, seconds


def train_gemmlp(command, folder, hidden, batch, epochs, rate, smoothing, seed):
    result = subprocess.run(
        [command, "train", "--data", folder, "--hidden", ",".join(map(str, hidden)), "--batch", str(batch),
         "--epochs", str(epochs), "--lr", str(rate), "--label-smoothing", str(smoothing), "--optimizer", "adam",
         "--schedule", "one_cycle", "--preprocess", "standardize_all", "--dropout", "0", "--seed", str(seed),
         "--json", "--quiet"], check=True, capture_output=True, text=True)
    values = json.loads(result.stdout)
    return values["test_accuracy"], values["train_seconds"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--gemmlp", default="build/gemmlp")
    arguments.add_argument("--data", default="datasets/mnist")
    options = arguments.parse_args()
    x, y, mean, deviation = load(options.data, "train", None, None)
    x_test, y_test, _, _ = load(options.data, "t10k", mean, deviation)
    data = (x, y, x_test, y_test)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    train_pytorch(data, [64], 128, 1, 0.005, 0.0, 0)  # warm-up
    for name, *case in CASES:
        hidden, batch, epochs, rate, smoothing = case
        print(f"\n{name}: 784-{'-'.join(map(str, hidden))}-10, batch {batch}, {epochs} epochs of Adam, one-cycle "
              f"up to {rate}, label smoothing {smoothing}")
        print(f"{'seed':>6} {'gemmlp':>18} {'PyTorch':>18}")
        times = ([], [])
        for seed in range(1, options.seeds + 1):
            ours = train_gemmlp(options.gemmlp, options.data, *case, seed)
            theirs = train_pytorch(data, *case, seed)
            print(f"{seed:>6} {ours[0]:>8.2%} {ours[1]:>7.2f} s {theirs[0]:>8.2%} {theirs[1]:>7.2f} s", flush=True)
            times[0].append(ours[1])
            times[1].append(theirs[1])
        medians = [statistics.median(t) for t in times]
        print(f"median {medians[0]:>16.2f} s {medians[1]:>16.2f} s   gemmlp is {medians[1] / medians[0]:.1f} times "
              "faster")


if __name__ == "__main__":
    main()
