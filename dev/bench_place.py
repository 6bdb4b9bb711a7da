"""The file systems that are measured on: B is an ext4 with a journal in an image of its own, C a tmpfs, and without either
a folder that is given. What is mounted is gone when the bench ends, however it ends."""

import contextlib, os, shutil, subprocess, sys, tempfile
from pathlib import Path

SIZE = "8G"
# Set in the environment of the bench once it has mounts of its own.
OWN_MOUNTS = "QUIRE_BENCH_OWN_MOUNTS"
KINDS = {"B": "ext4 with a journal, loop-mounted", "C": "tmpfs"}


def take_own_mounts():
    """Starts the bench again where its mounts are seen by nobody else and end with its last process."""
    if os.environ.get(OWN_MOUNTS) or not may_mount():
        return
    os.environ[OWN_MOUNTS] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--", sys.executable, *sys.argv])


def may_mount():
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "quire-bench", "/tmp"]
    return os.geteuid() == 0 and all(map(shutil.which, ("unshare", "mount", "mkfs.ext4"))) and \
        os.path.exists("/dev/loop-control") and subprocess.run(tried, capture_output=True).returncode == 0


def chosen(names, folder):
    """Which of the file systems can be measured on: those of `names`, or the folder."""
    if names and os.environ.get(OWN_MOUNTS):
        return names
    if names:
        print("WARNING: file systems cannot be mounted here (that takes root): only the folder is measured on; its file "
              "system moves most figures more than quire does", file=sys.stderr)
    return ["folder"]


@contextlib.contextmanager
def mounted(name, parent):
    """A folder on that file system, removed with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="quire-bench-", dir=parent))
    try:
        if name == "B":
            image = folder.with_name(folder.name + ".img")
            try:
                subprocess.run(["truncate", "-s", SIZE, image], check=True)
                # Without the lazy options the kernel would still be making the file system while it is measured on.
                subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
                subprocess.run(["mount", "-o", "loop", image, folder], check=True)
            finally:
                image.unlink(missing_ok=True)  # the mount holds it
        elif name == "C":
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "quire-bench", folder], check=True)
        yield folder
    finally:
        if name in KINDS and os.path.ismount(folder):
            if subprocess.run(["umount", folder], capture_output=True).returncode:
                subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def described(name, folder):
    """The file system that a folder is on; of one that is not the bench's own, its type and its options."""
    if name in KINDS:
        return KINDS[name]
    best = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if (str(folder) + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best[0]):
            best = (place, f"{kind} ({options})")
    return best[1]
