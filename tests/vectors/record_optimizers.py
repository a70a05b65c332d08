#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what PyTorch's optimisers and schedules do, for tests/test_optimizer.c.

    python3 tests/vectors/record_optimizers.py >tests/vectors/optimizers.json

Recorded with PyTorch 2.13 on the CPU. LARS has no original in PyTorch: it is transcribed from
algorithm 1 of You, Gitman and Ginsburg (arXiv 1708.03888), norms and rates in double precision,
with an epsilon in the denominator and plain momentum SGD for tensors of rank 0 and 1.
"""
import json

import numpy as np
import torch

SHAPES = [(3, 2), (3,), (2, 1, 2, 2)]
STEPS = 10
LR_SCHEDULE = torch.optim.lr_scheduler

generator = np.random.default_rng(7)
START = [generator.standard_normal(s).astype(np.float32) for s in SHAPES]
GRADIENTS = [[generator.standard_normal(s).astype(np.float32) for s in SHAPES]
             for _ in range(STEPS)]
GRADIENTS[3][0][:] = 0  # a step without a gradient for one tensor
GRADIENTS[5] = [g * np.float32(20) for g in GRADIENTS[5]]  # and one with a large one


def flat(tensors):
    return [float(f"{x:.9g}") for t in tensors for x in np.asarray(t, np.float64).ravel()]


def by_torch(make, case):
    parameters = [torch.tensor(t, requires_grad=True) for t in START]
    decay = case.get("weight_decay", 0)
    groups = [{"params": [p], "weight_decay": decay if p.ndim > 1 or case.get("decay_all") else 0}
              for p in parameters]
    optimizer, weights = make(groups), []
    for gradients in GRADIENTS:
        for p, g in zip(parameters, gradients):
            p.grad = torch.tensor(g)
        if "clip_norm" in case:
            torch.nn.utils.clip_grad_norm_(parameters, case["clip_norm"])
        optimizer.step()
        weights.append(flat(p.detach() for p in parameters))
    return weights


def by_lars(case):
    lr, momentum, decay = case["lr"], np.float32(case["momentum"]), case.get("weight_decay", 0)
    parameters = [t.copy() for t in START]
    velocities, weights = [np.zeros_like(p) for p in parameters], []
    for gradients in GRADIENTS:
        for i, g in enumerate(gradients):
            w, rate, beta = parameters[i], lr, decay if parameters[i].ndim > 1 else 0
            w_norm, g_norm = (np.linalg.norm(t.astype(np.float64)) for t in (w, g))
            if w.ndim > 1 and w_norm > 0 and g_norm > 0:
                rate = lr * 0.001 * w_norm / (g_norm + beta * w_norm + 1e-9)
            velocities[i] = momentum * velocities[i] + np.float32(rate) * (g + np.float32(beta) * w)
            parameters[i] = w - velocities[i]
        weights.append(flat(parameters))
    return weights


def steps():
    optim = torch.optim

    def sgd(**case):
        yield case | {"optimizer": "sgd", "weights": by_torch(
            lambda p: optim.SGD(p, lr=case["lr"], momentum=case["momentum"],
                                nesterov=case.get("nesterov", False)), case)}

    def other(name, of, **case):
        yield case | {"optimizer": name,
                      "weights": by_torch(lambda p: of(p, lr=case["lr"]), case)}

    yield from sgd(lr=0.1, momentum=0)
    yield from sgd(lr=0.1, momentum=0, weight_decay=0.1)
    yield from sgd(lr=0.1, momentum=0.9, weight_decay=0.01)
    yield from sgd(lr=0.1, momentum=0.9, weight_decay=0.1, decay_all=True)
    yield from sgd(lr=0.1, momentum=0.9, nesterov=True)
    yield from sgd(lr=0.05, momentum=0.8, weight_decay=0.1, nesterov=True)
    yield from sgd(lr=0.1, momentum=0.9, weight_decay=0.01, clip_norm=2.5)
    yield from other("adam", optim.Adam, lr=0.01)
    yield from other("adam", optim.Adam, lr=0.01, weight_decay=0.1)
    yield from other("adamw", optim.AdamW, lr=0.01, weight_decay=0.01)
    yield from other("adamw", optim.AdamW, lr=0.1, weight_decay=0.5, decay_all=True)
    yield from other("adadelta", optim.Adadelta, lr=1.0)
    yield from other("adadelta", optim.Adadelta, lr=0.5, weight_decay=0.1)
    yield from other("rmsprop", optim.RMSprop, lr=0.01)
    yield from other("rmsprop", optim.RMSprop, lr=0.01, weight_decay=0.1)
    for case in ({"lr": 0.5, "momentum": 0.9}, {"lr": 1, "momentum": 0.5, "weight_decay": 0.1},
                 {"lr": 1, "momentum": 0}):
        yield case | {"optimizer": "lars", "weights": by_lars(case)}


def rates(name, n, warmup=0, lr=0.1):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    rest = n - warmup
    if name == "one-cycle":
        scheduler = LR_SCHEDULE.OneCycleLR(optimizer, lr, total_steps=n, cycle_momentum=False,
                                           pct_start=warmup / n if warmup else 0.3)
    else:
        scheduler = {
            "constant": lambda: LR_SCHEDULE.ConstantLR(optimizer, factor=1),
            "cosine": lambda: LR_SCHEDULE.CosineAnnealingLR(optimizer, rest),
            "polynomial": lambda: LR_SCHEDULE.PolynomialLR(optimizer, rest, power=2),
        }[name]()
        if warmup:
            rise = LR_SCHEDULE.LinearLR(optimizer, 1 / warmup, 1, warmup - 1)
            scheduler = LR_SCHEDULE.SequentialLR(optimizer, [rise, scheduler], [warmup])
    seen = []
    for _ in range(n):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(seen) < n:
            scheduler.step()
    return {"schedule": name, "lr": lr, "steps": n, "warmup": warmup, "rates": seen}


def main():
    print(json.dumps({
        "ranks": [len(s) for s in SHAPES],
        "sizes": [int(np.prod(s)) for s in SHAPES],
        "start": flat(START),
        "gradients": [flat(g) for g in GRADIENTS],
        "steps": list(steps()),
        "rates": [rates(name, n, warmup)
                  for name in ("constant", "cosine", "polynomial", "one-cycle")
                  for n, warmup in ((3, 0), (10, 0), (20, 5), (40, 8))],
    }, indent=None, separators=(",", ":")).replace("],[", "],\n[").replace("},{", "},\n{"))


main()
