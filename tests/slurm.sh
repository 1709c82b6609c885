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

verdict() { # verdict WHAT FOUND: of the last command
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        failed=$((failed + 1))
        echo "FAILED $1: $2 (see $work)"
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
epochs_in() { grep -c '"event": *"epoch"' "$1" 2>/dev/null; }
has_epochs() { [ "$(epochs_in "$1")" -ge "$2" ]; }

# ---- the run -----------------------------------------------------------------------------------

epochs=${EPOCHS:-60}
options=(--hidden 128 --dropout 0.1 --epochs "$epochs" --batch 64 --seed 3 --deterministic --checkpoint-every 5s)

export GEMMLP=$gemmlp
if ! set_up; then
    false
    verdict "SLURM is up" "$(tail -n 3 "$work"/log/*)"
    echo "$passed passed, $failed failed"
    exit 1
fi
true
verdict "SLURM is up" ""

cd "$work" || exit 1
job=$(sbatch --parsable --cpus-per-task="$cpus" "$sbatch_file" "$datasets/mnist" "$work/run" "${options[@]}")
wait_until 60 has_epochs run/run.jsonl 2
verdict "the job trains" "$(job_field "$job" JobState)"

urgent=$(sbatch --parsable --partition=high --cpus-per-task="$cpus" --output=/dev/null --wrap "sleep 1")
wait_until 60 job_is "$urgent" COMPLETED
verdict "a job of a higher partition takes its place" "$(job_field "$urgent" JobState)"
[ "$(job_field "$job" Restarts)" = 1 ]
verdict "the preempted job is queued again" "restarts $(job_field "$job" Restarts)"
grep -q '"event": *"checkpoint"' run/run.jsonl
verdict "it wrote a checkpoint" "$(tail -n 2 run/run.jsonl)"
before=$(epochs_in run/run.jsonl)
wait_until 90 has_epochs run/run.jsonl $((before + 2))
verdict "it goes on where it was" "$(epochs_in run/run.jsonl) epochs, $(job_field "$job" JobState)"

# The signal before the time limit comes up to a minute early.
scontrol update JobId="$job" TimeLimit="$(($(job_field "$job" RunTime | awk -F: '{ print $1 * 60 + $2 }') + 2))"
wait_until 150 grep -q 'stopped by SIGUSR1' "gemmlp-$job.out"
verdict "the signal before the time limit makes it queue itself again" "$(tail -n 3 "gemmlp-$job.out")"
scontrol update JobId="$job" TimeLimit=60

wait_until 300 job_is "$job" COMPLETED
verdict "the job is completed" "$(job_field "$job" JobState), $(tail -n 3 "gemmlp-$job.out")"
[ "$(job_field "$job" ExitCode)" = 0:0 ]
verdict "with exit code 0" "$(job_field "$job" ExitCode)"
[ "$(job_field "$job" Restarts)" -ge 2 ]
verdict "after two restarts or more" "$(job_field "$job" Restarts)"

"$gemmlp" train --data "$datasets/mnist" --threads "$cpus" --model alone.safetensors --quiet "${options[@]}" 2>alone.err
[ "$(sha256sum <alone.safetensors)" = "$(sha256sum <run/model.safetensors)" ]
verdict "the model has the bits of an undisturbed run" "$(sha256sum ./*.safetensors run/*.safetensors)"
[ "$(epochs_in run/run.jsonl)" = "$epochs" ]
verdict "the log has each epoch once" "$(epochs_in run/run.jsonl)"

echo "# the job's output"
sed 's/^/# /' "gemmlp-$job.out"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
