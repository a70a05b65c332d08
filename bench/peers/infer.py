#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Races inference: the same ONNX files in Tenon, OpenVINO, ONNX Runtime, and the same networks in
PyTorch. First each program qualifies: of the ways to run it, each network and batch keeps the
fastest. Then all run in turn, A B C D A B C D, on the same cores, each turn between two
measurements of the multiply-add peak; turns in which others took the machine are repeated.

    bench/race.sh TENON --inference                    this, and the page
    bench/peers/.venv/bin/python bench/peers/infer.py TENON --peak BENCH-PEAK --infer BENCH-INFER \\
        -o RESULTS.json
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from train import HERE, ROOT, TUNED, Failed, Machine, Worker, describe, mark_busy, say

BUILT_IN = {"mnist-cnn", "lenet", "resnet20"}
APART = 1e-3  # of the largest score: farther apart are not the same network


# ---- The programs -------------------------------------------------------------------------------

class Program(Worker):
    """One way to run a network, on the cores of the race."""

    def __init__(self, command, extra, args):
        super().__init__(command, extra, preexec_fn=lambda: os.sched_setaffinity(0, args.cpus))
        self.scores = self.hello["scores"]


def ways(program, batch_size, args):
    """Name, environment, and arguments of each way to run a program on a batch."""
    threads, quick = args.threads, args.quick
    openmp = {"OMP_NUM_THREADS": str(threads)}
    worker = {"onnxruntime": {}, "openvino": {}, "pytorch": TUNED | openmp, "tenon": {}}[program]
    found = [("all cores on a request", worker, ["--threads", threads, "--hint", "latency"])]
    if program == "pytorch":
        modes = ["compile channels_last", "compile", "eager channels_last", "eager"]
        found = [(f"{mode}, {name}", environment, [*more, "--mode", mode])
                 for mode in (["eager"] if quick else modes) for name, environment, more in found]
    if quick:
        return found
    if batch_size > 1:
        hint = ["--threads", threads, "--hint", "throughput"]
        if program == "pytorch":
            found.append(("compile channels_last, a request on each core", worker,
                          [*hint, "--mode", "compile channels_last"]))
        else:
            found.append(("a request on each core", worker, hint))
        if program == "openvino":
            found.append((f"throughput hint, {threads} streams", worker,
                          [*hint, "--streams", threads]))
    else:
        one = ["--threads", 1, "--hint", "latency"]
        more = ["--mode", "compile channels_last"] if program == "pytorch" else []
        found.append(("one core", worker, one + more))
    return found


def start(program, model, files, way, args):
    _, environment, more = way
    if program == "tenon":
        return Program([args.infer, files["model"], files["input"], str(more[1]), more[3]],
                       environment, args)
    command = [sys.executable, HERE / "infer_worker.py", program, files["model"], files["input"],
               "--network", model, *map(str, more)]
    return Program(command, environment, args)


# ---- The files ----------------------------------------------------------------------------------

def prepare(model, batch_size, args, scratch):
    """The ONNX file and an input; built-in networks are trained for a moment."""
    if model in BUILT_IN:
        path = scratch / f"{model}.onnx"
        if not path.exists():
            subprocess.run([args.tenon, "train", model, "--data", ROOT / "data" / "mnist",
                            "--limit", "640", "--epochs", "1", "--no-checkpoint", "--quiet",
                            "-o", path], check=True, stdout=subprocess.DEVNULL)
        shape = (batch_size, 1, 28, 28)
    else:
        path = args.models_folder / f"{model}-old.onnx"
        if not path.exists():
            raise SystemExit(f"no {path} (bench/models/export.py {model} writes it)")
        shape = (batch_size, 3, 224, 224)
    x = scratch / f"{model}-{batch_size}.npy"
    np.save(x, np.random.default_rng(0).random(shape, np.float32))
    return {"model": path, "input": x}


def check_scores(model, programs):
    """PyTorch's weights are its own; the other programs read the same file."""
    ours = np.array(programs["tenon"].scores)
    for name in set(programs) - {"tenon", "pytorch"}:
        apart = np.abs(ours - programs[name].scores).max() / np.abs(ours).max()
        if not apart <= APART:
            raise SystemExit(f"{model}: the scores of {name} and Tenon are {apart:.2g} apart")


# ---- The race -----------------------------------------------------------------------------------

def worth(turn, batch_size):
    """What a way is chosen by: the more the better."""
    return 1 / turn["latency_us_p50"] if batch_size == 1 else turn["images_per_s"]


def try_way(machine, program, model, batch_size, files, way, args):
    running = start(program, model, files, way, args)
    try:
        turns = [machine.turn(running, args.threads, args.qualify_seconds)
                 for _ in range(args.tries)]
        return max(turns, key=lambda turn: worth(turn, batch_size))
    finally:
        running.close()


def qualify(machine, program, model, batch_size, files, args):
    """The fastest way, and what all were worth."""
    tried, best, best_way = [], 0, None
    for way in ways(program, batch_size, args):
        row = {"program": program, "name": way[0]}
        try:
            turn = try_way(machine, program, model, batch_size, files, way, args)
            row |= {key: turn[key] for key in ("latency_us_p50", "images_per_s")}
            if worth(turn, batch_size) > best:
                best, best_way = worth(turn, batch_size), way
            say(f"  {program:12} {way[0]:48} {turn['latency_us_p50']:10.1f} us "
                f"{turn['images_per_s']:9.0f} images/s")
        except Failed as reason:
            row["reason"] = str(reason)[:200]
            say(f"  {program:12} {way[0]:48} {row['reason']}")
        tried.append(row)
    if not best_way:
        say(f"  {program} cannot run {model}")
    return best_way, tried


def race(machine, model, batch_size, args, scratch):
    say(f"{model}, batch {batch_size}: qualification")
    files, found, tried = prepare(model, batch_size, args, scratch), {}, []
    for program in args.programs:
        found[program], rows = qualify(machine, program, model, batch_size, files, args)
        tried += rows
    ways_found = {program: way for program, way in found.items() if way}
    programs, turns = {}, {program: [] for program in ways_found}
    try:
        for program, way in ways_found.items():
            programs[program] = start(program, model, files, way, args)
        check_scores(model, programs)
        for _ in range(2 * args.rounds):
            for program, running in programs.items():
                turns[program].append(machine.turn(running, args.threads, args.seconds))
            say("  " + "  ".join(f"{p} {turns[p][-1]['latency_us_p50']:.1f} us" for p in turns),
                f" peak {turns['tenon'][-1]['peak_after']:.0f} GFLOP/s")
            if min(sum(machine.was_free(t, args.threads) for t in turns[p])
                   for p in turns) >= args.rounds:
                break
    finally:
        for running in programs.values():
            running.close()
    return {"model": model, "batch_size": batch_size, "threads": args.threads, "tried": tried,
            "ways": {p: way[0] for p, way in ways_found.items()}, "turns": turns}


# ---- The whole ----------------------------------------------------------------------------------

def versions():
    code = ("import onnxruntime, openvino, torch; print(openvino.__version__.split('-')[0], "
            "onnxruntime.__version__, torch.__version__)")
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    return dict(zip(("openvino", "onnxruntime", "pytorch"), done.stdout.rsplit(maxsplit=3)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", help="the tenon command")
    parser.add_argument("--peak", required=True, help="the program bench-peak of the same build")
    parser.add_argument("--infer", required=True, help="the program bench-infer of the same build")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True, help="a JSON file")
    parser.add_argument("--models", default="mnist-cnn@1,mnist-cnn@64,lenet@1,lenet@64,resnet20@1,"
                        "resnet20@64,resnet18@1,resnet50@1,mobilenetv2@1", help="MODEL@BATCH,...")
    parser.add_argument("--programs", default="tenon,openvino,onnxruntime,pytorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each that must count")
    parser.add_argument("--seconds", type=float, default=1, help="of a turn")
    parser.add_argument("--qualify-seconds", type=float, default=0.5, help="of a qualifying turn")
    parser.add_argument("--models-folder", type=pathlib.Path, default=ROOT / "build" / "models")
    parser.add_argument("--quick", action="store_true", help="short turns: does everything run?")
    args = parser.parse_args()
    args.programs = args.programs.split(",")
    args.cpus = sorted(os.sched_getaffinity(0))[:args.threads]
    args.tries = 2
    if args.quick:
        args.rounds, args.seconds, args.qualify_seconds, args.tries = 1, 0.3, 0.2, 1
    machine, races = Machine(args), []
    with tempfile.TemporaryDirectory() as scratch:
        for spec in args.models.split(","):
            model, _, batch = spec.partition("@")
            races.append(race(machine, model, int(batch or 1), args, pathlib.Path(scratch)))
            mark_busy(machine, races)
            results = {"machine": describe(args) | versions(), "rounds": args.rounds,
                       "seconds": args.seconds, "quick": args.quick, "threads": args.threads,
                       "best_peak": machine.best, "races": races}
            args.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
