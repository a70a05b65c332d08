#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the logits of models in ONNX Runtime and Tenon, in each of its modes, on random images;
the files are those of bench/models/export.py unless some are named. Ends with 1 if a logit differs
by more than the bound, relative to the largest logit.

    bench/peers/.venv/bin/python bench/peers/compare_models.py TENON [MODEL.onnx...]
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODES = ("reference", "fp32")


def run_onnxruntime(path, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    return inputs[0].name, outputs[0].name, session.run(None, {inputs[0].name: x})[0]


def run_tenon(tenon, mode, model, feed, fetch, scratch):
    """The output, or what Tenon says is wrong."""
    done = subprocess.run([tenon, "run", model, "--mode", mode,
                           "--input", f"{feed}={scratch}/x.npy",
                           "--output", f"{fetch}={scratch}/y.npy"],
                          capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else np.load(scratch / "y.npy")


def compare(tenon, path, x, scratch, bound):
    feed, fetch, theirs = run_onnxruntime(path, x)
    good, words = True, []
    for mode in MODES:
        ours = run_tenon(tenon, mode, path, feed, fetch, scratch)
        if isinstance(ours, str):
            return False, ours
        apart = (np.abs(ours - theirs).max() / np.abs(theirs).max()
                 if ours.shape == theirs.shape else np.inf)
        good = good and bool(apart <= bound)
        words.append(f"{mode} {apart:.1e}")
    return good, "  ".join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", help="the tenon command to run")
    parser.add_argument("models", nargs="*", type=pathlib.Path, metavar="MODEL.onnx")
    parser.add_argument("--batch-size", type=int, default=2, help="default: %(default)d")
    parser.add_argument("--bound", type=float, default=1e-4, help="default: %(default)g")
    args = parser.parse_args()
    models = args.models or sorted((ROOT / "build" / "models").glob("*-*.onnx"))
    if not models:
        sys.exit("no files in build/models: bench/models/export.py writes them")
    x = np.random.default_rng(0).standard_normal((args.batch_size, 3, 224, 224), np.float32)
    n_bad = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        np.save(scratch / "x.npy", x)
        for path in models:
            good, words = compare(args.tenon, path, x, scratch, args.bound)
            n_bad += not good
            print(f"{'ok' if good else 'NOT OK':7} {path.name:26} {words}", flush=True)
    print(f"{len(models) - n_bad} of {len(models)} agree within {args.bound:g} of their largest "
          "logit")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
