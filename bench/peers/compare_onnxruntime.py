#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs an ONNX model with ONNX Runtime and with Tenon on all MNIST test images and prints the
largest difference of any score. Ends with 1 if it is more than the bound.

    bench/peers/.venv/bin/python bench/peers/compare_onnxruntime.py MODEL.onnx TENON
"""
import argparse
import gzip
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHUNK = 500  # images in one run: bounds the memory that activations take


def read_idx(path):
    """An IDX file (http://yann.lecun.com/exdb/mnist): magic, dimensions, bytes."""
    with gzip.open(path) as file:
        data = file.read()
    rank = data[3]
    dims = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims)


def run_tenon(tenon, model, input_name, output_name, x, scratch):
    x_path, y_path = scratch / "x.npy", scratch / "y.npy"
    np.save(x_path, x)
    subprocess.run([tenon, "run", model, "--input", f"{input_name}={x_path}",
                    "--output", f"{output_name}={y_path}"],
                   check=True, stdout=subprocess.DEVNULL)
    return np.load(y_path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an ONNX file that takes MNIST images")
    parser.add_argument("tenon", help="the tenon command to run")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "data" / "mnist",
                        help="the folder of the MNIST files")
    parser.add_argument("--bound", type=float, default=1e-4, help="default: %(default)g")
    args = parser.parse_args()

    images = read_idx(args.data / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(args.data / "t10k-labels-idx1-ubyte.gz")
    pixels = images[:, None].astype(np.float32) / np.float32(255)
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    input_name, output_name = session.get_inputs()[0].name, session.get_outputs()[0].name

    largest, where = 0.0, 0
    correct = {"ONNX Runtime": 0, "Tenon": 0}
    with tempfile.TemporaryDirectory() as scratch:
        for begin in range(0, len(pixels), CHUNK):
            x, truth = pixels[begin:begin + CHUNK], labels[begin:begin + CHUNK]
            theirs = session.run([output_name], {input_name: x})[0]
            ours = run_tenon(args.tenon, args.model, input_name, output_name, x,
                             pathlib.Path(scratch))
            if ours.shape != theirs.shape:
                sys.exit(f"Tenon's scores have shape {ours.shape}, "
                         f"ONNX Runtime's {theirs.shape}")
            if not np.isfinite(ours).all():
                sys.exit(f"Tenon's scores of images {begin}.. are not all finite")
            difference = np.abs(ours - theirs).max(axis=1)
            if difference.max() > largest:
                largest, where = float(difference.max()), begin + int(difference.argmax())
            correct["ONNX Runtime"] += int((theirs.argmax(axis=1) == truth).sum())
            correct["Tenon"] += int((ours.argmax(axis=1) == truth).sum())

    for name, n in correct.items():
        print(f"{name}: {n} of {len(labels)} test images classified correctly")
    print(f"largest difference of any score: {largest:.3g} (image {where}); "
          f"the bound is {args.bound:g}")
    return 0 if largest <= args.bound else 1


if __name__ == "__main__":
    sys.exit(main())
