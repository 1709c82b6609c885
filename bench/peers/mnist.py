#!/usr/bin/env python3
"""MNIST to a test accuracy: gemmlp beside PyTorch, in turn, seed by seed. Printed: test accuracy and seconds
inside training of each run, medians and the ratio.

    python3 -m venv peers && peers/bin/pip install torch numpy
    peers/bin/python bench/peers/mnist.py [--seeds 5] [--precision f32|bf16] [--same] [--gemmlp build/gemmlp]
        [--data datasets/mnist]

Both take Adam with a one-cycle schedule. Network, activation, epochs, batch, learning rate and beta2 of each are the
quickest that were found for it on a validation split of the training set (--same: PyTorch takes gemmlp's). In
bf16 PyTorch runs its forward pass under autocast.

PyTorch gets what a careful user would give it: the data in memory, already scaled, a shuffled index per
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

CASES = [
    dict(goal="95 %",
         gemmlp=dict(hidden=[32], activation="relu", epochs=1, batch=96, lr=0.02, beta2=0.98, warmup=0.2,
                     smoothing=0.0),
         pytorch=dict(hidden=[64], activation="relu", epochs=1, batch=256, lr=0.02, beta2=0.999, warmup=0.2,
                      smoothing=0.0)),
    dict(goal="98 %",
         gemmlp=dict(hidden=[160], activation="silu", epochs=2, batch=96, lr=0.009, beta2=0.98, warmup=0.2,
                     smoothing=0.1),
         pytorch=dict(hidden=[224], activation="silu", epochs=2, batch=256, lr=0.016, beta2=0.98, warmup=0.2,
                      smoothing=0.1)),
    dict(goal="98.5 %",
         gemmlp=dict(hidden=[384], activation="silu", epochs=3, batch=96, lr=0.007, beta2=0.98, warmup=0.2,
                     smoothing=0.1),
         pytorch=dict(hidden=[320], activation="silu", epochs=4, batch=256, lr=0.01, beta2=0.98, warmup=0.1,
                      smoothing=0.1)),
]
ACTIVATIONS = dict(relu=torch.nn.ReLU, silu=torch.nn.SiLU)


def read_idx(path):
    with gzip.open(path) as file:
        data = file.read()
    shape = numpy.frombuffer(data, ">u4", data[3], 4).astype(int)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(shape)


def load(folder, part):
    images = read_idx(f"{folder}/{part}-images-idx3-ubyte.gz").reshape(-1, 784).astype(numpy.float32)
    labels = read_idx(f"{folder}/{part}-labels-idx1-ubyte.gz").astype(numpy.int64)
    return torch.from_numpy(images / 255), torch.from_numpy(labels)


def train_pytorch(data, case, precision, seed):
    x, y, x_test, y_test = data
    torch.manual_seed(seed)
    sizes = [784, *case["hidden"], 10]
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), ACTIVATIONS[case["activation"]]()]
    model = torch.nn.Sequential(*layers[:-1])
    for layer in model:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=case["smoothing"])
    steps = case["epochs"] * math.ceil(len(x) / case["batch"])
    optimizer = torch.optim.Adam(model.parameters(), lr=case["lr"], betas=(0.9, case["beta2"]), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, case["lr"], total_steps=steps,
                                                   pct_start=case["warmup"], cycle_momentum=False)
    start = time.perf_counter()
    for _ in range(case["epochs"]):
        for index in torch.randperm(len(x)).split(case["batch"]):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                outputs = model(x[index])
            loss(outputs.float(), y[index]).backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    model.eval()
    with torch.no_grad():
        accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
    return accuracy, seconds


def command_of(options, case):
    return [options.gemmlp, "train", "--data", options.data, "--hidden", ",".join(map(str, case["hidden"])),
            "--activation", case["activation"], "--batch", str(case["batch"]), "--epochs", str(case["epochs"]),
            "--lr", str(case["lr"]), "--beta2", str(case["beta2"]),
            "--warmup", str(case["warmup"]), "--label-smoothing", str(case["smoothing"]),
            "--optimizer", "adam", "--schedule", "one_cycle", "--preprocess", "scale",
            "--precision", options.precision]


def train_gemmlp(options, case, seed):
    result = subprocess.run([*command_of(options, case), "--seed", str(seed), "--json", "--quiet"], check=True,
                            capture_output=True, text=True)
    values = json.loads(result.stdout)
    return values["test_accuracy"], values["train_seconds"]


def compare(options, case, data):
    theirs_case = case["gemmlp" if options.same else "pytorch"]
    print(f"\n{case['goal']}: gemmlp {' '.join(command_of(options, case['gemmlp'])[1:])}")
    print("  PyTorch", ", ".join(f"{key} {value}" for key, value in theirs_case.items()))
    print(f"{'seed':>6} {'gemmlp':>18} {'PyTorch':>18}")
    times = ([], [])
    for seed in range(1, options.seeds + 1):
        ours = train_gemmlp(options, case["gemmlp"], seed)
        theirs = train_pytorch(data, theirs_case, options.precision, seed)
        print(f"{seed:>6} {ours[0]:>8.2%} {ours[1]:>7.3f} s {theirs[0]:>8.2%} {theirs[1]:>7.3f} s", flush=True)
        times[0].append(ours[1])
        times[1].append(theirs[1])
    medians = [statistics.median(t) for t in times]
    print(f"median {medians[0]:>16.3f} s {medians[1]:>16.3f} s   gemmlp is {medians[1] / medians[0]:.1f} times faster")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    arguments.add_argument("--same", action="store_true", help="PyTorch with gemmlp's settings")
    arguments.add_argument("--gemmlp", default="build/gemmlp")
    arguments.add_argument("--data", default="datasets/mnist")
    options = arguments.parse_args()
    data = (*load(options.data, "train"), *load(options.data, "t10k"))
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    train_pytorch(data, CASES[0]["pytorch"], options.precision, 0)  # warm-up
    for case in CASES:
        compare(options, case, data)


if __name__ == "__main__":
    main()
