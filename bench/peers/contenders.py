"""The contenders of step.py, each behind the same three calls: create it for a case, give it a turn of so many samples,
close it. A library runs in a worker (worker.py), gemmlp as its own benchmark. What goes wrong is raised as Failed."""
import ctypes
import json
import math
import os
import select
import signal
import subprocess
import tempfile
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build")
PYTHON = os.path.join(BUILD, "peers", "bin", "python")
FANN = os.path.join(BUILD, "peers", "with_fann")
CPUS = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Peer:
    label: str
    command: list
    needs: str  # what run.sh has to install
    note: str
    bf16: bool = False  # whether it has steps in mixed precision


def python(script, *arguments):
    return [PYTHON, "-B", os.path.join(HERE, script), *arguments]


PEERS = {
    "pytorch": Peer("PyTorch", python("with_pytorch.py"), "torch",
                    "nn.Sequential, CrossEntropyLoss, fused optimizers, gradients set to None; in bf16 the forward "
                    "pass under autocast", True),
    "pytorch-compile": Peer("PyTorch, compiled", python("with_pytorch.py", "--compile"), "torch",
                            "the same, forward pass and loss through torch.compile", True),
    "jax": Peer("JAX", python("with_jax.py"), "jax",
                "the whole step jitted, parameters donated, waited for at the end of a sample"),
    "jax-scan": Peer("JAX, scan", python("with_jax.py", "--scan"), "jax",
                     "4 to 100 steps in one jitted call, its time divided by their number"),
    "sklearn": Peer("scikit-learn", python("with_sklearn.py"), "scikit-learn",
                    "the loop's body of MLPClassifier (gather, _backprop, update), without what fit and partial_fit "
                    "do around it"),
    "fann": Peer("FANN", [FANN], "fann",
                 "another step: sigmoid outputs and squared error, its bounded FANN_LINEAR_PIECE in place of relu, "
                 "always one thread"),
}


class Failed(Exception):
    """One sentence for the peer's row."""


def confine(threads):
    """Runs in the child before it becomes the peer: it dies with us, and has the case's CPUs."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    os.sched_setaffinity(0, CPUS[:threads])


def ending(code, errors):
    """Why a process ended: its last words on standard error, and its exit code or signal."""
    lines = errors.strip().splitlines()
    how = f"exit code {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"
    return f"{how}: {lines[-1].strip()}" if lines else f"{how}, without a message"


def environment(case):
    values = {"JAX_PLATFORMS": "cpu", "TORCHINDUCTOR_CACHE_DIR": os.path.join(BUILD, "peers", "inductor"),
              "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    if case.threads == 1:
        values["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false").strip()
    return {**os.environ, **values}


class Worker:
    def __init__(self, peer, case, options):
        self.case, self.limit, self.timeout = case, options.seconds, options.timeout
        if case.precision == "bf16" and not peer.bf16:
            raise Failed("it is measured in f32 only")
        if not os.path.exists(peer.command[0]):
            raise Failed(f"{os.path.relpath(peer.command[0])} is not there: bench/peers/run.sh makes it")
        self.errors = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(peer.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=self.errors, env=environment(case), start_new_session=True,
                                            preexec_fn=lambda: confine(case.threads))
        except OSError as error:
            raise Failed(f"{os.path.relpath(peer.command[0])} cannot be run: {error.strerror}") from error

    def turn(self, repetitions):
        request = {**vars(self.case), "flop": self.case.flop, "repetitions": repetitions, "limit": self.limit}
        os.killpg(self.process.pid, signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the reason is on its standard error
        if not select.select([self.process.stdout], [], [], self.timeout)[0]:
            raise Failed(f"no answer within {self.timeout} s")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            raise Failed(ending(code, self.errors.read().decode(errors="replace")))
        os.killpg(self.process.pid, signal.SIGSTOP)
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.communicate()
        self.errors.close()


class Gemmlp:
    def __init__(self, case, options):
        self.case, self.timeout = case, options.timeout
        self.command = [options.gemmlp, "bench", "step", "--network", "-".join(map(str, case.network)), "--batch",
                        str(case.batch), "--activation", case.activation, "--optimizer", case.optimizer, "--threads",
                        str(case.threads), "--precision", case.precision, "--seconds", str(options.seconds),
                        "--rounds", "1", "--no-reference", "--format", "json"]

    def turn(self, repetitions):
        try:
            result = subprocess.run([*self.command, "-r", str(repetitions)], capture_output=True, text=True,
                                    timeout=self.timeout, preexec_fn=lambda: confine(self.case.threads))
        except OSError as error:
            raise Failed(f"{self.command[0]} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"no answer within {self.timeout} s") from error
        if result.returncode != 0 and not result.stdout:
            raise Failed(ending(result.returncode, result.stderr))
        try:
            report = json.loads(result.stdout)
            record = report["records"][0]
            if record["status"] != "ok":
                raise Failed(f"{record['status']}: {record.get('message', 'no reason given')}")
            answer = {"seconds": record["samples"], "peak": record.get("peak_gflops"),
                      "verified": record.get("verified"),
                      "version": f"gemmlp {report['version']} ({record.get('provider_version', 'unknown BLAS')})"}
        except (ValueError, LookupError, TypeError) as error:
            raise Failed(f"its report has not the form expected: {error!r}") from error
        if not math.isclose(record.get("flop", self.case.flop), self.case.flop, rel_tol=1e-6):
            raise Failed(f"it counts {record['flop']:.6g} FLOP a step in place of {self.case.flop:.6g}")
        return answer

    def close(self):
        pass


def open_contender(name, case, options):
    return Gemmlp(case, options) if name == "gemmlp" else Worker(PEERS[name], case, options)
