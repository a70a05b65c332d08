#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains tiny-cnn on MNIST with PyTorch by the recipe of docs/training.md, "99 % in seconds", and
tests it once. bench/time_to_accuracy.sh times it from process start to process end; `seconds` in
the JSON leave out the imports.

    bench/peers/.venv/bin/python bench/peers/time_to_accuracy.py --seed 1 --threads 2 --json FILE
"""
import argparse
import json
import os
import pathlib
import sys

# glibc returns large freed blocks to the system at once, and PyTorch frees every activation in
# every step: glibc reads this when a process begins. OpenMP, too, decides early.
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
         "MALLOC_TOP_PAD_": str(64 << 20)}

# The first takes least: compiling takes longer than training.
MODES = ["eager channels_last", "eager", "compile", "compile channels_last"]


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2] / "data" / "mnist")
    parser.add_argument("--mode", choices=MODES, default=MODES[0])
    parser.add_argument("--json", default="/dev/stdout")
    return parser.parse_args()


def shifted(torch, images):
    """Each image moved by -1, 0 or 1 pixels both ways: crop=1, of a whole epoch at once."""
    n = len(images)
    windows = torch.nn.functional.pad(images, (1, 1, 1, 1)).unfold(2, 28, 1).unfold(3, 28, 1)
    rows, columns = torch.randint(0, 3, (2, n))
    return windows[torch.arange(n), :, rows, columns]


def train(torch, model, x, y, black, args):
    epochs, batch_size = 2, 32
    steps = epochs * len(x) // batch_size
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, steps, cycle_momentum=False)
    layout = torch.channels_last if "channels_last" in args.mode else torch.contiguous_format
    model.to(memory_format=layout)

    def loss_of(images, labels):
        return torch.nn.functional.cross_entropy(model(images), labels)

    loss_of = torch.compile(loss_of) if "compile" in args.mode else loss_of
    for _ in range(epochs):
        order = torch.randperm(len(x))
        images = (shifted(torch, x - black) + black)[order].contiguous(memory_format=layout)
        labels = y[order]
        for begin in range(0, len(x), batch_size):
            optimizer.zero_grad()
            loss_of(images[begin:begin + batch_size], labels[begin:begin + batch_size]).backward()
            optimizer.step()
            schedule.step()


def test(torch, model, x, y):
    model.eval()
    with torch.inference_mode():
        return sum((model(images).argmax(1) == labels).sum().item()
                   for images, labels in zip(x.split(500), y.split(500))) / len(x)


def main():
    args = parse()
    if any(os.environ.get(key) != value for key, value in TUNED.items()):
        os.execve(sys.executable, [sys.executable] + sys.argv,
                  os.environ | TUNED | {"OMP_NUM_THREADS": str(args.threads)})
    import time
    import torch
    from torch_models import tiny_cnn
    from torch_worker import load

    begin = time.perf_counter()
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    x, y = load(args.data, torch.contiguous_format)
    test_x, test_y = load(args.data, torch.contiguous_format, "t10k")
    model = tiny_cnn()
    train(torch, model, x, y, -0.1307 / 0.3081, args)
    accuracy = test(torch, model, test_x, test_y)
    with open(args.json, "w", encoding="ascii") as file:
        json.dump({"test_accuracy": accuracy, "seconds": time.perf_counter() - begin}, file)
        file.write("\n")


if __name__ == "__main__":
    main()
