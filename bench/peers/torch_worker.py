#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains with PyTorch, a turn at a time, for train.py: reads "SECONDS" lines from standard input
and answers each with a line of JSON. Between turns it sleeps. The environment (memory allocator,
OpenMP, instruction set) is set by whoever starts it, before Python begins."""
import argparse
import gzip
import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch.nn import functional

from torch_models import MODELS

WARM_STEPS = 5  # at the head of each turn; what comes before the first turn is not timed either


def read_idx(path):
    """An IDX file (http://yann.lecun.com/exdb/mnist): magic, dimensions, bytes."""
    with gzip.open(path) as file:
        data = file.read()
    rank = data[3]
    dims = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims)


def load(folder, memory_format, part="train"):
    """All images, normalised once, and labels: as PyTorch's loops over data in memory do it."""
    images = torch.from_numpy(read_idx(folder / f"{part}-images-idx3-ubyte.gz").copy())[:, None]
    x = torch.empty(images.shape, dtype=torch.float32, memory_format=memory_format)
    x.copy_(images).div_(255).sub_(0.1307).div_(0.3081)  # in place: no second copy in memory
    y = torch.from_numpy(read_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64))
    return x, y


def forget_peak_memory():
    """What was needed only to begin does not count."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def peak_memory():
    """VmHWM, in bytes, since forget_peak_memory."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


class Training:
    """An endless training run over shuffled data."""

    def __init__(self, args):
        self.memory_format = (torch.channels_last if "channels_last" in args.mode
                              else torch.contiguous_format)
        self.x, self.y = load(args.data, self.memory_format)
        build, make_optimizer = MODELS[args.model]
        self.model = build().to(memory_format=self.memory_format).train()
        self.optimizer = make_optimizer(self.model.parameters())
        self.batch_size = args.batch_size
        self.loss_of = self.forward
        if "compile" in args.mode:
            self.loss_of = torch.compile(self.forward, mode="max-autotune-no-cudagraphs"
                                         if "autotune" in args.mode else None)
        self.batches = iter(())

    def forward(self, x, y):
        return functional.cross_entropy(self.model(x), y)

    def next_batch(self):
        indices = next(self.batches, None)
        if indices is None:  # a new epoch, in full batches
            order = torch.randperm(len(self.x))
            self.batches = iter(order.split(self.batch_size)[:len(self.x) // self.batch_size])
            indices = next(self.batches)
        return indices

    def step(self):
        indices = self.next_batch()
        self.optimizer.zero_grad()
        loss = self.loss_of(self.x.index_select(0, indices), self.y.index_select(0, indices))
        loss.backward()
        self.optimizer.step()
        return loss

    def turn(self, seconds):
        for _ in range(WARM_STEPS):
            self.step()
        begin, steps, elapsed = time.perf_counter(), 0, 0.0
        while elapsed < seconds:
            loss = self.step()
            steps += 1
            elapsed = time.perf_counter() - begin
        return {"images_per_s": steps * self.batch_size / elapsed, "seconds": elapsed,
                "steps": steps, "loss": loss.item(),
                "peak_rss_bytes": peak_memory()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=list(MODELS), required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_flush_denormal(True)  # before there are threads: they inherit it
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    training = Training(args)
    for _ in range(WARM_STEPS):  # compiles, plans, allocates
        training.step()
    forget_peak_memory()
    print(json.dumps({"ready": True, "parameters": sum(
        p.numel() for p in training.model.parameters())}), flush=True)
    for line in sys.stdin:
        print(json.dumps(training.turn(float(line))), flush=True)


if __name__ == "__main__":
    main()
