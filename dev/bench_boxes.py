"""A step in a container, beside what podman itself takes for the same."""

import os, shutil, subprocess, sys
from pathlib import Path
from resource import RLIMIT_NOFILE, RLIMIT_NPROC, getrlimit

from bench_figure import Figure

# What podman takes is timed by the step that calls it.
IMAGE = "localhost/busybox"
BOXES = """(ci:job :boxes [:quire/push]
  (fn [{{: sh : container}}]
    (sh "podman {flags} run -d --name quire-bench-{pid} --network=none {limits} {image} sleep 600 >/dev/null")
    (fn timed [kind command]
      (sh (.. "b=$(date +%s%N); podman {flags} " command " true; e=$(date +%s%N); echo " kind " $((e-b)) >> {marks}")))
    (local kinds [#(container "{image}" ["true"])
                  #(timed "run" "run {options} {image}")
                  #(timed "exec" "exec quire-bench-{pid}")])
    (for [turn 1 {count}]
      (for [place 1 3] ((. kinds (+ 1 (% (+ turn place) 3))))))
    (sh "podman rm -f -t0 quire-bench-{pid} >/dev/null")))
"""
OPTIONS = (
    "--pull=never --cap-drop=ALL --security-opt=no-new-privileges --log-driver=none --no-healthcheck "
    "--tmpfs=/tmp:rw,nosuid,nodev,mode=1777 --entrypoint= --image-volume=ignore --http-proxy=false --read-only-tmpfs=false "
    "--init --read-only --rm --network=none --pids-limit=512 --workdir=/work --user=0:0 --env=CI --env=HOME=/tmp "
    "--mount=type=bind,source=$PWD,destination=/work {limits} --")


def boxes(session):
    """One run with steps of all kinds in turn; nothing without podman or the image of the tests."""
    count = session.boxes
    if count == 0 or not shutil.which("podman") or subprocess.run(["podman", "image", "exists", IMAGE]).returncode:
        print(f"no figures of containers: that takes podman and the image {IMAGE}, which the tests make", file=sys.stderr)
        return []
    has_both = Path("/sys/fs/cgroup/unified/cgroup.procs").exists() and shutil.which("runc")
    limits = " ".join(f"--ulimit={name}={most}:{most}" for name, most in (
        ("nofile", min(getrlimit(RLIMIT_NOFILE)[1] % 2**63, 65536)), ("nproc", min(getrlimit(RLIMIT_NPROC)[1] % 2**63, 32768))))
    marks = session.folder / "boxes"
    forges = session.forges("boxes", BOXES.format(
        flags="--runtime runc" if has_both else "", options=OPTIONS.format(limits=limits), limits=limits, image=IMAGE,
        count=count, marks=marks, pid=os.getpid()))
    taken = [one(forge, count, marks) for forge in forges]
    part = lambda place, kind: taken[place][kind][1:] if place < len(taken) else []
    return [
        Figure("boxes", "step in a container ÷ podman run", "ms", part(0, "quire"), part(0, "run"), "podman run",
               part(1, "quire"), 1.1, is_ratio=True),
        Figure("boxes-exec", "podman exec ÷ podman run", "ms", part(0, "exec"), part(0, "run"), "podman run", is_ratio=True),
    ]


def one(forge, count, marks):
    """Milliseconds of each container, by kind."""
    marks.unlink(missing_ok=True)
    forge.commit()
    forge.git("push", "-q", str(forge.repo), "HEAD:refs/heads/main")
    number = forge.wait_for_run(patience=600)
    taken = {"run": [], "exec": [], "quire": []}
    for line in marks.read_text().splitlines():
        kind, spent = line.split()
        taken[kind].append(int(spent) / 1e6)
    begun = {}
    for fact, at in forge.facts(number):
        if fact["kind"] == "step-started":
            begun[fact["step"]["number"]] = (fact["step"]["title"], at)
        elif fact["kind"] == "step-ended" and begun[fact["number"]][0] == "true":
            taken["quire"].append(at - begun[fact["number"]][1])
    if any(len(of) != count for of in taken.values()):
        sys.exit(f"not all containers ran: {forge.run_folder(number)}")
    return taken
