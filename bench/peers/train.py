#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Races the training of Tenon against PyTorch's on this machine and writes the results as JSON,
from which write_benchmarks.py makes a page. First PyTorch qualifies: of the ways to run it, each
model and number of threads keeps the fastest. Then both train in turn, A B A B, each turn between
two measurements of the multiply-add peak; turns in which others took the machine are repeated.

    bench/race.sh TENON                              this, and the page
    bench/peers/.venv/bin/python bench/peers/train.py TENON --peak BENCH-PEAK -o RESULTS.json
"""
import argparse
import contextlib
import ctypes.util
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUSY = 0.8  # a peak below this part of the best one seen means that others were using the cores
MNIST = 60000

# glibc returns large freed blocks to the system at once, and PyTorch frees every activation in
# every step; these are the largest values that glibc accepts and that matter here.
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
         "MALLOC_TOP_PAD_": str(64 << 20)}
MODES = ["eager", "eager channels_last", "compile", "compile channels_last",
         "compile autotune channels_last"]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


# ---- The peers ----------------------------------------------------------------------------------

class Failed(Exception):
    """A variant that does not run here; says why."""


class Worker:
    """A process that answers each line of seconds with what it did in them; `extra` is added to its
    environment. `hello` is its first answer."""

    def __init__(self, command, extra, **options):
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(("MALLOC_", "OMP_", "GOMP_", "KMP_", "LD_PRELOAD",
                                            "GLIBC_TUNABLES", "ONEDNN_", "ATEN_"))}
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, env=environment | extra, text=True,
                                        stderr=self.log, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, **options)
        self.hello = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            lines = [l.strip() for l in self.log.read().splitlines() if l.strip()]
            raise Failed(lines[-1] if lines else f"ended with {self.process.returncode}")
        return json.loads(line)

    def turn(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class PyTorch(Worker):
    """One variant: (mode, environment)."""

    def __init__(self, model, threads, variant, args):
        mode, extra = variant
        command = [sys.executable, str(HERE / "torch_worker.py"), "--model", model, "--mode", mode,
                   "--threads", str(threads), "--batch-size", str(args.batch_size),
                   "--data", str(args.data)]
        super().__init__(command, {"OMP_NUM_THREADS": str(threads)} | extra)
        self.parameters = self.hello["parameters"]


class Tenon:
    """The command, a process for each turn."""

    def __init__(self, model, threads, args, scratch):
        self.command = [args.tenon, "train", model, "--data", str(args.data), "--batch-size",
                        str(args.batch_size), "--threads", str(threads), "--no-checkpoint",
                        "--quiet", "--json", "-", "-o", str(scratch / "model.onnx")]
        self.batch_size = args.batch_size
        self.rate = self.run(4 * self.batch_size)["images_per_s"]

    def run(self, images):
        """Trains on about so many images, in full batches."""
        epochs = -(-images // MNIST)
        limit = max(1, images // epochs // self.batch_size) * self.batch_size
        done = subprocess.run(self.command + ["--epochs", str(epochs), "--limit", str(limit)],
                              text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr.strip())
        return json.loads(done.stdout)

    def turn(self, seconds):
        result = self.run(int(self.rate * seconds))
        self.rate = result["images_per_s"]
        return {key: result[key] for key in ("images_per_s", "seconds", "steps", "loss",
                                             "peak_rss_bytes", "parameters", "level")}


# ---- Turns --------------------------------------------------------------------------------------

class Machine:
    """Measures the peak beside every turn and knows what it is when nobody else is there."""

    def __init__(self, args):
        self.args, self.best = args, {}

    def measure(self, threads, *options):
        seconds = "0.05" if self.args.quick else "0.2"
        done = subprocess.run([self.args.peak, "--threads", str(threads), "--seconds", seconds,
                               *options], text=True, capture_output=True, check=True)
        return float(done.stdout)

    def peak(self, threads):
        if threads not in self.best:  # of a machine that is never free, too
            self.best[threads] = self.measure(threads, "--own")
        peak = self.measure(threads)
        self.best[threads] = max(self.best[threads], peak)
        return peak

    def turn(self, peer, threads, seconds):
        before = self.peak(threads)
        result = peer.turn(seconds)
        return result | {"peak_before": before, "peak_after": self.peak(threads)}

    def was_free(self, turn, threads):
        return min(turn["peak_before"], turn["peak_after"]) >= BUSY * self.best[threads]


def best_rate(machine, peer, threads, args):
    """The best of a few turns, those on a busy machine repeated: in favour of the variant."""
    turns = []
    while len(turns) < 3 * args.tries:
        turns.append(machine.turn(peer, threads, args.qualify_seconds))
        if sum(machine.was_free(t, threads) for t in turns) >= args.tries:
            break
    return max(t["images_per_s"] for t in turns)


# ---- Qualification ------------------------------------------------------------------------------

def has_avx512():
    with contextlib.suppress(OSError):
        return "avx512f" in pathlib.Path("/proc/cpuinfo").read_text()
    return False


def refinements(threads):
    """What may be tried on top of the best mode: name, and environment or why it cannot be."""
    jemalloc = ctypes.util.find_library("jemalloc")
    yield "malloc as glibc has it", {key: None for key in TUNED}
    yield "huge pages", {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    yield "jemalloc", ({"LD_PRELOAD": jemalloc,
                        "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}
                       if jemalloc else "not installed")
    if threads > 1:
        yield "threads bound to cores", {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}
        yield "threads that spin", {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "10000000"}
    if has_avx512():
        yield "AVX2 only", {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def try_variant(machine, model, threads, variant, args):
    worker = PyTorch(model, threads, variant, args)
    try:
        return best_rate(machine, worker, threads, args)
    finally:
        worker.close()


def qualify(machine, model, threads, args):
    """The fastest variant, and all that were tried."""
    tried = []

    def attempt(name, variant):
        try:
            rate = try_variant(machine, model, threads, variant, args)
            tried.append({"name": name, "images_per_s": rate})
        except Failed as reason:
            tried.append({"name": name, "images_per_s": None, "reason": str(reason)[:200]})
            rate = 0
        say(f"  {name:32} {rate:10.0f} images/s" if rate else f"  {name:32} {tried[-1]['reason']}")
        return rate

    best, best_name, variant = 0, "", None
    for mode in MODES[:1] if args.quick else MODES:
        rate = attempt(mode, (mode, TUNED))
        if rate > best:
            best, best_name, variant = rate, mode, (mode, TUNED)
    if variant is None:
        raise SystemExit(f"PyTorch cannot train {model}: {tried[0]['reason']}")
    for name, extra in [] if args.quick else refinements(threads):
        if isinstance(extra, str):
            tried.append({"name": name, "images_per_s": None, "reason": extra})
            continue
        environment = {k: v for k, v in (variant[1] | extra).items() if v is not None}
        rate = attempt(f"{best_name}, {name}", (variant[0], environment))
        if rate > best:
            best, best_name, variant = rate, f"{best_name}, {name}", (variant[0], environment)
    return variant, best_name, tried


# ---- The race -----------------------------------------------------------------------------------

def race(machine, model, threads, args, scratch):
    say(f"{model}, {threads} threads: PyTorch qualifies")
    variant, name, tried = qualify(machine, model, threads, args)
    peers = {"tenon": Tenon(model, threads, args, scratch),
             "pytorch": PyTorch(model, threads, variant, args)}
    turns = {"tenon": [], "pytorch": []}
    try:
        for _ in range(3 * args.rounds):
            for who, peer in peers.items():
                turns[who].append(machine.turn(peer, threads, args.seconds))
            say("  " + "  ".join(f"{who} {turns[who][-1]['images_per_s']:9.0f}" for who in turns),
                f" peak {turns['pytorch'][-1]['peak_after']:.0f} GFLOP/s")
            if min(sum(machine.was_free(t, threads) for t in turns[who])
                   for who in turns) >= args.rounds:
                break
    finally:
        peers["pytorch"].close()
    if turns["tenon"][0]["parameters"] != peers["pytorch"].parameters:
        raise SystemExit(f"{model} has {turns['tenon'][0]['parameters']} parameters in Tenon and "
                         f"{peers['pytorch'].parameters} in PyTorch: not the same model")
    return {"model": model, "threads": threads, "variant": name, "tried": tried, "turns": turns}


def mark_busy(machine, races):
    """After all, since the best peak may have come last."""
    for result in races:
        for turns in result["turns"].values():
            for turn in turns:
                turn["busy"] = not machine.was_free(turn, result["threads"])


# ---- Where the time goes ------------------------------------------------------------------------

def profile(model, args, scratch):
    """The plan of a training step on one thread, with the time of each node: the fastest of a
    few."""
    plans = []
    for _ in range(args.tries + 1):
        subprocess.run([args.tenon, "info", model, "--plan", "--train", "--threads", "1",
                        "--batch-size", str(args.batch_size), "--json", str(scratch / "plan.json")],
                       capture_output=True, check=True)
        plans.append(json.loads((scratch / "plan.json").read_text())["plan"])
    return {"model": model, "plan": min(plans, key=lambda plan: plan["measured_us"])}


# ---- The machine --------------------------------------------------------------------------------

def first_match(pattern, text, default="unknown"):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else default


def output_of(*command):
    with contextlib.suppress(OSError):
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip()
    return ""


def describe(args):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    with contextlib.suppress(OSError):
        system = first_match(r'^PRETTY_NAME="?([^"\n]*)',
                             pathlib.Path("/etc/os-release").read_text())
    cpu = json.loads(output_of(args.tenon, "cpu", "--json", "-") or "{}")
    packages = output_of(sys.executable, "-c", "import torch; print(torch.__version__)")
    return {"date": datetime.date.today().isoformat(), "processor": cpu.get("processor"),
            "family": first_match(r"^cpu family\s*: (\d+)", cpuinfo),
            "cpu_model": first_match(r"^model\s*: (\d+)", cpuinfo),
            "cores": cpu.get("cores"), "hardware_threads": cpu.get("hardware_threads"),
            "l2_bytes": cpu.get("l2_bytes"), "l3_bytes": cpu.get("l3_bytes"),
            "virtual": "hypervisor" in cpuinfo, "level": cpu.get("level"), "system": system,
            "kernel": platform.release(), "libc": "-".join(platform.libc_ver()),
            "compiler": compiler_of(args.tenon), "tenon": output_of(args.tenon, "--version"),
            "commit": (output_of("git", "-C", str(ROOT), "describe", "--always", "--dirty")
                       or "unknown"),
            "pytorch": packages, "python": platform.python_version()}


def compiler_of(program):
    """What compilers leave in the programs that they make."""
    program_bytes = pathlib.Path(program).read_bytes()
    found = re.findall(rb"(?:GCC: \([^)]*\) [\d.]+|clang version [\d.]+)", program_bytes)
    return found[-1].decode() if found else "unknown"


def write_results(machine, races, profiles, args):
    mark_busy(machine, races)
    results = {"machine": describe(args), "batch_size": args.batch_size, "rounds": args.rounds,
               "seconds": args.seconds, "quick": args.quick, "best_peak": machine.best,
               "races": races, "profiles": profiles}
    args.output.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", help="the tenon command to race")
    parser.add_argument("--peak", required=True, help="the program bench-peak of the same build")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="a JSON file")
    parser.add_argument("--models", default="mnist-cnn,mnist-cnn@1000,lenet,resnet20",
                        help="MODEL or MODEL@BATCH, several with commas between")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each that must count")
    parser.add_argument("--seconds", type=float, default=4, help="of a turn")
    parser.add_argument("--qualify-seconds", type=float, default=2, help="of a qualifying turn")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data" / "mnist",
                        help="the folder of the MNIST files")
    parser.add_argument("--quick", action="store_true",
                        help="short turns, eager PyTorch only: does everything run?")
    args = parser.parse_args()
    args.tries = 2
    if args.quick:
        args.rounds, args.seconds, args.qualify_seconds, args.tries = 1, 0.5, 0.3, 1
    machine, races, profiles = Machine(args), [], []
    with tempfile.TemporaryDirectory() as scratch:
        for spec in args.models.split(","):
            model, _, batch = spec.partition("@")
            these = argparse.Namespace(**vars(args) | {"batch_size": int(batch or args.batch_size)})
            for threads in map(int, args.threads.split(",")):
                found = race(machine, model, threads, these, pathlib.Path(scratch))
                races.append(found | ({"model": f"{model}, batch {batch}"} if batch else {}))
            if not batch:
                profiles.append(profile(model, args, pathlib.Path(scratch)))
            write_results(machine, races, profiles, args)


if __name__ == "__main__":
    main()
