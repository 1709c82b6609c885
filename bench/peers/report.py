"""From the rows of step.py to one object, printed as JSON or as a table for people."""
import datetime
import os
import platform
import shlex
import sys

from contenders import CPUS, PEERS

SETTINGS = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "XLA_", "JAX_", "TORCH")  # environment that changes speed


def cpu_name():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def facts():
    return {"command": shlex.join(["sh", "bench/peers/run.sh", *sys.argv[1:]]),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cpu": cpu_name(), "cpus": len(CPUS), "os": platform.platform(), "python": platform.python_version(),
            "load": os.getloadavg()[0],
            "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(SETTINGS)}}


def report(rows, head, stopped):
    """The object that both formats print. A record that is not ok has no seconds."""
    ours = {row.case: row.seconds for row in rows if row.name == "gemmlp"}
    peaks = {row.case: row.peak for row in rows if row.name == "gemmlp"}
    records = []
    for row in rows:
        record = {"case": str(row.case), "peer": row.name, "label": row.label, **vars(row.case),
                  "network": "-".join(map(str, row.case.network)), "flop": row.case.flop}
        if row.seconds is None:
            record |= {"status": "failed", "message": row.failure or "stopped before it was measured"}
        else:
            gflops = 1e-9 * row.case.flop / row.seconds
            record |= {"status": "ok", "verified": row.verified or None, "loss": row.loss,
                       "repetitions": len(row.samples), "samples": row.samples,
                       "seconds_median": row.seconds, "seconds_min": min(row.samples),
                       "gflops": gflops, "examples_per_second": row.case.batch / row.seconds,
                       "peak_fraction": peaks[row.case] and gflops / peaks[row.case],
                       "gemmlp_ratio": ours[row.case] and row.seconds / ours[row.case]}
        records.append({key: value for key, value in record.items() if value is not None})
    versions = {row.label: row.version for row in rows if row.version}
    return {**head, "stopped": stopped, "versions": versions, "records": records}


def cells(record, previous):
    case = "" if previous and previous["case"] == record["case"] else record["case"]
    if record["status"] != "ok":
        return [case, record["label"], record["status"].upper(), "", "", "", "", ""]
    fraction, ratio = record.get("peak_fraction"), record.get("gemmlp_ratio")
    return [case, record["label"], f"{record['examples_per_second']:.0f}", f"{record['gflops']:.4g}",
            f"{100 * fraction:.0f}" if fraction else "", f"{1e3 * record['seconds_median']:.4g}",
            str(record["repetitions"]), f"{ratio:.2f}" if ratio and record["peer"] != "gemmlp" else ""]


def markdown(values):
    records = values["records"]
    settings = " ".join(f"{k}={v}" for k, v in values["environment"].items())
    yield (f"{values['cpu']}, {values['cpus']} CPUs, {values['os']}, load {values['load']:.2f} at the start, "
           f"{values['date']}" + (f", {settings}" if settings else ""))
    yield f"`{values['command']}`\n"
    yield "".join(f"- {version}\n" for version in dict.fromkeys(values["versions"].values()))
    table = [["case", "peer", "examples/s", "GFLOP/s", "% of peak", "ms", "samples", "gemmlp is × faster"]]
    table += [cells(record, previous) for record, previous in zip(records, [None, *records])]
    widths = [max(map(len, column)) for column in zip(*table)]
    rule = ["-" * width if i < 2 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    for row in [table[0], rule, *table[1:]]:
        yield "| " + " | ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"
    yield "\nMedians over the samples of all rounds. The head of bench/peers/step.py tells how they were measured.\n"
    yield "- gemmlp: its examples are bytes, scaled as they are gathered; those of all others are float32."
    for name in dict.fromkeys(record["peer"] for record in records if record["peer"] in PEERS):
        yield f"- {PEERS[name].label}: {PEERS[name].note}."
    for record in records:
        if record["status"] != "ok":
            yield f"- {record['label']}, {record['case']}: {record['message'].rstrip('.')}."
        elif "loss" not in record and "verified" not in record:
            yield f"- {record['label']}, {record['case']}: its report says neither a loss nor that it was verified."
    if values["stopped"]:
        yield "- Interrupted: these are the figures until then."
