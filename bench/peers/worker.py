"""What the workers in Python share: the data, and the line protocol in which step.py talks to them.

One worker is one library on one case. It reads one JSON object a line from standard input,

    {"network": [784, 30, 10], "batch": 10, "activation": "sigmoid", "optimizer": "sgd", "threads": 1, "flop": 947200,
     "repetitions": 20, "limit": 5}

and answers each with one line: {"seconds": […], "loss": [before the first step, now], "version": "…"}, or
{"error": "…"}. Each of `seconds` (at most `repetitions`, which end after `limit` seconds) and `flop` are of one step;
the losses are of all the examples. The first request sets the case; the later ones go on training.

Warm-up and sampling are those of `gemmlp bench step` (bench/sampling.c)."""
import json
import math
import os
import sys
import time

import numpy

BATCHES = 4  # examples = BATCHES × batch, as in `gemmlp bench step`
RATE = 1e-3  # of both optimizers
WARM_UP_SECONDS, WARM_UP_CALLS = 0.05, 3  # untimed, first: others have used the caches meanwhile
SAMPLE_SECONDS = 2e-3  # a sample is the mean of as many calls as fill that time


class Data:
    def __init__(self, case):
        random = numpy.random.default_rng(1)
        examples = BATCHES * case["batch"]
        self.x = random.random((examples, case["network"][0]), numpy.float32)
        self.labels = random.integers(case["network"][-1], size=examples)
        self.order = random.permutation(examples).reshape(BATCHES, case["batch"])


def run(trainer, calls):
    """Seconds of `calls` calls of trainer.step, the work that they have begun included."""
    start = time.perf_counter()
    for _ in range(calls):
        trainer.step(trainer.calls)
        trainer.calls += 1
    trainer.wait()
    return time.perf_counter() - start


def warm_up(trainer):
    """Seconds of the quickest call. One that takes seconds has warmed all there is."""
    start, calls, quickest = time.perf_counter(), 0, math.inf
    while True:
        quickest, calls = min(quickest, run(trainer, 1)), calls + 1
        elapsed = time.perf_counter() - start
        if elapsed > WARM_UP_SECONDS and (calls >= WARM_UP_CALLS or elapsed > 1):
            return quickest


def take_turn(trainer, repetitions, limit):
    calls = math.ceil(SAMPLE_SECONDS / warm_up(trainer))
    seconds, start = [], time.perf_counter()
    while len(seconds) < repetitions and (not seconds or time.perf_counter() - start < limit):
        seconds.append(run(trainer, calls) / (calls * trainer.steps))
    return seconds


def answers(make_trainer):
    trainer = None
    for line in sys.stdin:
        case = json.loads(line)
        if trainer is None:
            trainer = make_trainer(case, Data(case))
            before = float(trainer.loss())
        seconds = take_turn(trainer, case["repetitions"], case["limit"])
        yield {"seconds": seconds, "loss": [before, float(trainer.loss())], "version": trainer.version}


class Trainer:
    """What a library has to offer: made from a case and its data."""
    steps = 1  # of one call of step
    calls = 0  # until now
    version = ""

    def step(self, i):
        """Call i: trains on batch i % BATCHES; may return before the work is done."""

    def wait(self):
        """Returns when it is."""

    def loss(self):
        """Over all examples."""


def serve(make_trainer):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    try:
        for answer in answers(make_trainer):
            print(json.dumps(answer), file=replies, flush=True)
    except Exception as error:  # whatever a library throws is the reason why its row is empty
        lines = str(error).strip().splitlines() or [""]
        print(json.dumps({"error": f"{type(error).__name__}: {lines[0]}"}), file=replies, flush=True)
