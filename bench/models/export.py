#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the well-known architectures as ONNX files, each as PyTorch's old exporter writes it (from
TorchScript, weights inside) and as its new one does (from torch.export, weights beside the file):

    bench/models/export.py [-o FOLDER] [MODEL...]

The definitions are torchvision's. Weights are random from a seed, and the statistics of batch
normalisation those of random images, so that activations and logits have the size that they have in
a trained network. Batches are dynamic. Runs in bench/peers/.venv; existing files are kept."""
import argparse
import os
import pathlib
import sys
import warnings

import torch

# The package index's torchvision is built for CUDA: beside PyTorch for CPUs its compiled operators
# are missing. No model here uses them, but importing it asks for these.
try:
    import torchvision.models as zoo
except RuntimeError:
    for operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{operator}", "(Tensor b, Tensor s, float t) -> Tensor")
    import torchvision.models as zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {
    "alexnet": zoo.alexnet,
    "vgg11": lambda: zoo.vgg11(init_weights=True),
    "squeezenet": zoo.squeezenet1_1,
    "googlenet": lambda: zoo.googlenet(aux_logits=False, init_weights=False),
    "resnet18": zoo.resnet18,
    "resnet50": zoo.resnet50,
    "densenet121": zoo.densenet121,
    "mobilenetv2": zoo.mobilenet_v2,
    "mobilenetv3-small": zoo.mobilenet_v3_small,
    "shufflenetv2": zoo.shufflenet_v2_x1_0,
    "efficientnet-b0": zoo.efficientnet_b0,
}
EXPORTERS = ("old", "new")


def norms(model):
    return [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]


def build(name, batches=4, batch_size=4):
    """The model in eval mode, the same in every run."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    for norm in norms(model):
        norm.momentum = None  # plain average over the batches
        norm.reset_running_stats()
        norm.train()
    if norms(model):
        with torch.no_grad():
            for _ in range(batches):
                model(torch.randn(batch_size, 3, 224, 224))
    return model.eval()


def export(model, path, exporter):
    x = torch.randn(2, 3, 224, 224)
    names = {"input_names": ["x"], "output_names": ["logits"]}
    if exporter == "old":
        torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, **names,
                          dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}})
    else:
        torch.onnx.export(model, (x,), path, dynamo=True, external_data=True, verbose=False,
                          **names, dynamic_shapes=({0: torch.export.Dim("batch")},))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "build" / "models",
                        help="default: %(default)s")
    args = parser.parse_args()
    unknown = set(args.models) - set(MODELS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    args.output.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    for name in args.models or MODELS:
        paths = {e: args.output / f"{name}-{e}.onnx" for e in EXPORTERS}
        missing = [e for e, path in paths.items() if not path.exists()]
        model = build(name) if missing else None
        for exporter in missing:
            # The name of external data is written into the file, so it is not renamed afterwards.
            os.chdir(args.output)
            export(model, paths[exporter].name, exporter)
            print(paths[exporter], flush=True)


if __name__ == "__main__":
    sys.exit(main())
