#!/usr/bin/env python3
"""One training step of gemmlp beside the same step of other libraries: network, batch, activation, softmax and
cross-entropy, optimizer, threads, float32 (--precision bf16: mixed, by those that can); the data in memory, the
batch gathered by shuffled indices.

  sh bench/peers/run.sh                                          installs what is missing, then runs all cases
  sh bench/peers/run.sh --case 1 --case 784-512-10,relu,128,adam --peers pytorch,jax

How it is measured. A peer is a process of its own (worker.py tells the protocol) that lives for one case. In every
round each peer has a turn, in rotated order: untimed steps, then samples, each the mean of the steps that fill 2 ms;
gemmlp is started anew each time. The turn before the first round is not counted: it compiles and touches memory.
All peers are confined to the same CPUs, as many as the case has threads. While it computes, every library waits in its
own default way (spinning or not); between its turns its process is stopped (SIGSTOP), so that no spinning thread
disturbs the next one. GFLOP/s count 6·B·weights less 2·B·(the first layer's weights), the products alone, for all."""
import argparse
import difflib
import json
import math
import os
import signal
import statistics
import sys
from dataclasses import dataclass, field, replace

from contenders import BUILD, CPUS, PEERS, Failed, open_contender
from report import facts, markdown, report

ACTIVATIONS, OPTIMIZERS = ("sigmoid", "tanh", "relu"), ("sgd", "adam")


@dataclass(frozen=True)
class Case:
    network: tuple
    activation: str
    batch: int
    optimizer: str = "sgd"
    threads: int = len(CPUS)
    precision: str = "f32"

    def __str__(self):
        return (f"{'-'.join(map(str, self.network))} {self.activation} B={self.batch} {self.optimizer}, "
                f"{self.threads} thread{'s' * (self.threads > 1)}" + ", bf16" * (self.precision == "bf16"))

    @property
    def flop(self):
        weights = [n_in * n_out for n_in, n_out in zip(self.network, self.network[1:])]
        return self.batch * (6 * sum(weights) - 2 * weights[0])


CASES = [
    Case((784, 30, 10), "sigmoid", 10, threads=1),
    Case((784, 128, 64, 10), "relu", 64),
    Case((784, 1024, 1024, 10), "relu", 256),
    Case((784, 1024, 1024, 10), "relu", 256, "adam"),
    Case((784, 2500, 2000, 1500, 1000, 500, 10), "tanh", 256),
    Case((4096, 4096, 4096, 4096), "relu", 1024),
]


@dataclass
class Row:
    name: str
    case: Case
    samples: list = field(default_factory=list)  # seconds of one step
    loss: list = None  # of peers: before the first step, and after the last
    version: str = ""
    peak: float = None  # gemmlp alone: GFLOP/s, the highest of all turns
    verified: bool = False  # likewise: against the plain loops of its own benchmark
    failure: str = ""

    @property
    def label(self):
        return "gemmlp" if self.name == "gemmlp" else PEERS[self.name].label

    @property
    def seconds(self):
        """Median; None when there is none that deserves trust."""
        return None if self.failure or not self.samples else statistics.median(self.samples)

    def take(self, answer, counted):
        self.version, self.loss = answer["version"], answer.get("loss")
        self.peak = max(self.peak or 0, answer.get("peak") or 0) or None  # a turn may have been disturbed
        self.verified = answer.get("verified", False)
        if counted and self.loss and not (math.isfinite(self.loss[1]) and self.loss[1] < self.loss[0]):
            raise Failed(f"it does not learn: the loss went from {self.loss[0]:.6g} to {self.loss[1]:.6g}")
        if counted:
            self.samples += answer["seconds"]


def run_case(rows, options):
    """Fills the rows of one case; what they hold is of use also when an interrupt ends this early."""
    running = {}
    try:
        for turn in range(options.rounds + 1):
            print(f"{rows[0].case}: " + (f"round {turn} of {options.rounds}" if turn else "warm-up"), file=sys.stderr)
            shift = turn % len(rows)
            for row in rows[shift:] + rows[:shift]:
                if row.failure:
                    continue
                try:
                    if row.name not in running:
                        running[row.name] = open_contender(row.name, row.case, options)
                    row.take(running[row.name].turn(options.repetitions if turn else 1), turn > 0)
                except Failed as failure:
                    row.failure = str(failure)
                    if row.name in running:
                        running.pop(row.name).close()
    finally:
        for worker in running.values():
            worker.close()


def nearest(name, valid):
    close = difflib.get_close_matches(name, valid, 1)
    return f"'{name}' is not one of {', '.join(valid)}" + (f"; did you mean {close[0]}?" if close else "")


def number(least, most=10**6):
    def parse(text):
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, found '{text}'")
        return int(text)
    return parse


def parse_case(text):
    """The number of a default case, or NETWORK,ACTIVATION,BATCH[,OPTIMIZER[,THREADS]]."""
    if text.isdigit():
        return CASES[number(1, len(CASES))(text) - 1]
    parts = text.split(",")
    if not 3 <= len(parts) <= 5:
        raise argparse.ArgumentTypeError(f"expected the number of a case or NETWORK,ACTIVATION,BATCH[,OPTIMIZER"
                                         f"[,THREADS]] such as 784-30-10,sigmoid,10, found '{text}'")
    sizes = tuple(number(1)(size) for size in parts[0].split("-"))
    if not 2 <= len(sizes) <= 17:
        raise argparse.ArgumentTypeError(f"expected 2 to 17 sizes such as 784-30-10, found '{parts[0]}'")
    for name, valid in zip((parts[1], *parts[3:4]), (ACTIVATIONS, OPTIMIZERS)):
        if name not in valid:
            raise argparse.ArgumentTypeError(nearest(name, valid))
    case = Case(sizes, parts[1], number(1, 2**20)(parts[2]), *parts[3:4])
    return replace(case, threads=number(1, len(CPUS))(parts[4])) if len(parts) > 4 else case


def parse_peers(text):
    names = text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(nearest(name, PEERS))
    return list(dict.fromkeys(names))


def parse_output(path):
    if os.path.isdir(path) or not os.access(os.path.dirname(path) or ".", os.W_OK):
        raise argparse.ArgumentTypeError(f"'{path}' cannot be written")
    return path


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def parse_options():
    cases = "\n".join(f"  {i}  {case}" for i, case in enumerate(CASES, 1))
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                    epilog=f"cases:\n{cases}", allow_abbrev=False)
    parser.add_argument("--case", dest="cases", metavar="CASE", action="append", type=parse_case,
                        help="a case's number, or NETWORK,ACTIVATION,BATCH[,OPTIMIZER[,THREADS]]; may be repeated")
    parser.add_argument("--peers", type=parse_peers, default=list(PEERS), help=f"of {','.join(PEERS)}")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="of all cases (%(default)s)")
    parser.add_argument("--rounds", type=number(1), default=5, help="turns of each peer (%(default)s)")
    parser.add_argument("--repetitions", type=number(1), default=20, help="samples of a turn (%(default)s)")
    parser.add_argument("--seconds", type=number(1, 86400), default=5,
                        help="after which a turn takes no more samples (%(default)s)")
    parser.add_argument("--timeout", type=number(1, 86400), default=600,
                        help="seconds until a peer that does not answer is given up (%(default)s)")
    parser.add_argument("--gemmlp", default=os.path.relpath(os.path.join(BUILD, "gemmlp")), metavar="PATH",
                        help="the command (%(default)s)")
    parser.add_argument("--format", choices=("md", "json"), default="md")
    parser.add_argument("--output", type=parse_output, metavar="FILE", help="in place of standard output")
    parser.add_argument("--needs", action="store_true", help="print what the peers chosen need, and do nothing else")
    return parser.parse_args()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    options = parse_options()
    if options.needs:
        print(*dict.fromkeys(PEERS[name].needs for name in options.peers))
        return 0
    signal.signal(signal.SIGTERM, interrupt)
    head, rows, stopped = facts(), [], False
    try:
        for case in dict.fromkeys(options.cases or CASES):
            case = replace(case, precision=options.precision)
            rows.append([Row(name, case) for name in ("gemmlp", *options.peers)])
            run_case(rows[-1], options)
    except KeyboardInterrupt:
        stopped = True
    measured = [row for case in rows if not stopped or any(r.samples for r in case) for row in case]
    values = report(measured, head, stopped)
    text = json.dumps(values, indent=2) if options.format == "json" else "\n".join(markdown(values))
    if options.output:
        with open(options.output, "w") as file:
            file.write(text + "\n")
    else:
        print(text)
    return 130 if stopped else int(any(row.name == "gemmlp" and row.failure for row in measured))


if __name__ == "__main__":
    sys.exit(main())
