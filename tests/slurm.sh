#!/usr/bin/env bash
# tests/slurm.sh [GEMMLP [DATASETS]]: a SLURM of one node (Debian: slurm-wlm, munge; run as root), set up in a
# directory of its own and taken down at the end; on it bench/slurm/train.sbatch goes through a preemption, a
# time limit and completion. Its model must have the bits of a run that nobody disturbed, its log each epoch once.
# The last line is "N passed, N failed". About three minutes.
set -uo pipefail
cd "$(dirname "$0")/.."
gemmlp=$(realpath "${1:-build/gemmlp}")
datasets=$(realpath "${2:-datasets}")
sbatch_file=$(realpath bench/slurm/train.sbatch)

sh bench/packages.sh slurm-wlm munge || exit 1
work=$(mktemp -d)
pids=()
passed=0 failed=0

take_down() {
    scancel --signal=KILL --user=root 2>/dev/null && wait_until 30 no_jobs
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do # munged last: the others need it to end
        kill "${pids[i]}" 2>/dev/null
        wait_until 10 gone "${pids[i]}" || kill -9 "${pids[i]}"
    done
    [ "$failed" -eq 0 ] && rm -rf "$work"
}
trap take_down EXIT

check() { # check WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $what"
    else
        failed=$((failed + 1))
        echo "FAILED $what (see $work)"
        tail -n 3 "$work"/log/slurm* "$work"/gemmlp-*.out 2>/dev/null | sed 's/^/    /'
    fi
}

# ---- one node ----------------------------------------------------------------------------------

set_up() {
    cpus=$(nproc)
    mkdir -p "$work"/{state,spool,munge,log}
    dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
    chmod 0700 "$work/munge"
    chmod 0600 "$work/munge/key"
    munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" --log-file="$work/log/munged" \
        --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" \
        >"$work/log/munged.out" 2>&1 &
    pids+=($!)
    cat >"$work/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=20
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1,sched_min_interval=500000
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
CONF
    export SLURM_CONF=$work/slurm.conf
    wait_until 20 test -S "$work/munge/socket" || return 1
    slurmctld -D >/dev/null 2>&1 &
    pids+=($!)
    slurmd -D >/dev/null 2>&1 &
    pids+=($!)
    wait_until 60 node_is idle
}

wait_until() { # wait_until SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }
no_jobs() { [ -z "$(squeue --noheader 2>/dev/null)" ]; }
node_is() { [ "$(sinfo --noheader --format=%t 2>/dev/null | sort -u)" = "$1" ]; }
job_field() { scontrol show job "$1" 2>/dev/null | tr ' ' '\n' | sed -n "s/^$2=//p"; }
job_is() { [ "$(job_field "$1" JobState)" = "$2" ]; }
restarted() { [ "$(job_field "$job" Restarts)" -ge "$1" ]; }
epochs_in() { grep -c '"event": *"epoch"' "$1" 2>/dev/null; }
has_epochs() { [ "$(epochs_in "$1")" -ge "$2" ]; }

# ---- the run -----------------------------------------------------------------------------------

epochs=${EPOCHS:-150}
options=(--hidden 128 --dropout 0.1 --epochs "$epochs" --batch 64 --seed 3 --deterministic)

export GEMMLP=$gemmlp
check "SLURM is up" set_up
if [ "$failed" -gt 0 ]; then
    echo "$passed passed, $failed failed"
    exit 1
fi

cd "$work" || exit 1
job=$(sbatch --parsable --cpus-per-task="$cpus" "$sbatch_file" "$datasets/mnist" "$work/run" --checkpoint-every 5s \
    "${options[@]}")
output=gemmlp-$job.out
check "the job trains" wait_until 60 has_epochs run/run.jsonl 2

urgent=$(sbatch --parsable --partition=high --cpus-per-task="$cpus" --output=/dev/null --wrap "sleep 1")
check "a job of a higher partition takes its place" wait_until 60 job_is "$urgent" COMPLETED
check "the preempted job writes a checkpoint" grep -q '^stopped by SIGTERM after a checkpoint' "$output"
check "and is started again" wait_until 90 job_is "$job" RUNNING
check "it goes on where it was" wait_until 60 grep -q '^resumed from .*step-' "$output"

# The signal before the time limit may come up to a minute early, and here does so at once.
scontrol update JobId="$job" TimeLimit=2
check "the signal before the time limit stops it" wait_until 150 grep -q '^stopped by SIGUSR1 after a checkpoint' "$output"
scontrol update JobId="$job" TimeLimit=60
check "it has queued itself again" wait_until 90 restarted 2

check "the job is completed" wait_until 300 job_is "$job" COMPLETED
check "with exit code 0" [ "$(job_field "$job" ExitCode)" = 0:0 ]

"$gemmlp" train --data "$datasets/mnist" --threads "$cpus" --model alone.safetensors --quiet "${options[@]}" \
    >/dev/null 2>alone.err
check "the model has the bytes of an undisturbed run" cmp alone.safetensors run/model.safetensors
check "the log has each epoch once" [ "$(epochs_in run/run.jsonl)" = "$epochs" ]

echo "# the job's output"
sed 's/^/# /' "$output"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
