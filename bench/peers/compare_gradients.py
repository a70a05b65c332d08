#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the gradients of a whole ResNet-18 with PyTorch's. Both exporters write the network,
Tenon trains it for one step of plain SGD on one batch, and what its weights have moved by
is the gradient. Ends with 1 if the difference of a tensor is more than the bound times its norm.

Where a Relu sees 0 the gradient jumps, and among a million numbers rounding moves some across. The
images therefore are few and small, and those of a few seeds that keep farthest away from jumps.

    bench/peers/.venv/bin/python bench/peers/compare_gradients.py TENON
"""
import argparse
import copy
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import torch
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
from export import zoo  # torchvision's models

CLASSES, SIZE, LR, SEEDS = 4, 32, 1.0, 40
LABELS = sorted([*range(CLASSES)] * 2)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (len(LABELS), SIZE, SIZE, 3),
                                                dtype=np.uint8)


def as_tensor(images, dtype=torch.float32):
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(dtype) / 255


def distance_from_jumps(model, images):
    """The least magnitude that a Relu sees, relative to the root mean square of its layer."""
    found = []

    def look(_, inputs):
        found.append(float(inputs[0].abs().min() / inputs[0].square().mean().sqrt()))

    model = copy.deepcopy(model).double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_pre_hook(look)
    with torch.no_grad():
        model(as_tensor(images, torch.float64))
    return min(found)


def write_images(images, folder):
    for split in ("train", "test"):
        for i, (image, label) in enumerate(zip(images, LABELS)):
            where = folder / split / f"class{label}"
            where.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(where / f"{i}.png")


def build():
    """Exporters write tensors that are equal only once, so that no two should be."""
    torch.manual_seed(0)
    model = zoo.resnet18(num_classes=CLASSES).eval()
    with torch.no_grad():
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.1)
    return model


def export(model, path, exporter):
    x, names = torch.randn(2, 3, SIZE, SIZE), {"input_names": ["x"], "output_names": ["logits"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Normalisation is to stay beside its convolution.
        if exporter == "old":
            torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17,
                              do_constant_folding=False, **names,
                              training=torch.onnx.TrainingMode.PRESERVE,
                              dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}})
        else:
            torch.onnx.export(model, (x,), path, dynamo=True, optimize=False, verbose=False,
                              **names, dynamic_shapes=({0: torch.export.Dim("batch")},))


def gradients_of_pytorch(model, images, dtype):
    model = model.to(dtype).train()
    model.zero_grad()
    torch.nn.functional.cross_entropy(model(as_tensor(images, dtype)),
                                      torch.tensor(LABELS)).backward()
    return {name: p.grad.double().numpy() for name, p in model.named_parameters()}


def weights(path):
    return {t.name: onnx.numpy_helper.to_array(t).astype(np.float64)
            for t in onnx.load(path).graph.initializer}


def gradients_of_tenon(tenon, model, data, scratch):
    trained = scratch / "trained.onnx"
    done = subprocess.run([tenon, "train", model, "--data", data, "--epochs", "1", "--batch-size",
                           str(len(LABELS)), "--optimizer", "sgd", "--momentum", "0",
                           "--lr", str(LR), "--schedule", "constant", "--weight-decay", "0",
                           "--label-smoothing", "0", "--no-checkpoint", "-o", trained],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    before, after = weights(model), weights(trained)
    return {name: (before[name] - after[name]) / LR for name in before if name in after}


def difference(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def compare(exporter, ours, single, double, bound):
    missing = sorted(set(single) - set(ours))
    if missing:
        sys.exit(f"{exporter} exporter: Tenon's file lacks {', '.join(missing[:5])}")
    apart = {name: difference(ours[name], single[name]) for name in single}
    name = max(apart, key=apart.get)
    print(f"{exporter} exporter: of {len(apart)} tensors {name} differs most, by {apart[name]:.2g} "
          f"of its norm; from float64, Tenon "
          f"{max(difference(ours[n], double[n]) for n in double):.2g}, PyTorch "
          f"{max(difference(single[n], double[n]) for n in double):.2g}; the bound is {bound:g}")
    return apart[name] <= bound


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", help="the tenon command to run")
    parser.add_argument("--exporters", default="old,new")
    parser.add_argument("--bound", type=float, default=1e-3, help="default: %(default)g")
    args = parser.parse_args()
    model, good = build(), True
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        images = max(map(noise, range(SEEDS)), key=lambda i: distance_from_jumps(model, i))
        write_images(images, scratch / "data")
        paths = {e: scratch / f"resnet18-{e}.onnx" for e in args.exporters.split(",")}
        for exporter, path in paths.items():
            export(model, path, exporter)
        single = gradients_of_pytorch(model, images, torch.float32)
        double = gradients_of_pytorch(model, images, torch.float64)
        for exporter, path in paths.items():
            ours = gradients_of_tenon(args.tenon, path, scratch / "data", scratch)
            good = compare(exporter, ours, single, double, args.bound) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
