#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks ONNX's own checker (Debian's python3-onnx) about models, shape inference included.

usage: onnx_checker.py MODEL.onnx...       exits 77 if the checker is not installed
"""
import sys

try:
    import onnx
    import onnx.checker
    import onnx.shape_inference
except ImportError as reason:
    print(f"onnx_checker.py: skipped: {reason} (apt install python3-onnx)")
    sys.exit(77)


def shape_of(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    declared = {v.name: shape_of(v) for v in model.graph.output}
    # The outputs' shapes once more, as the checker finds them when the file does not say.
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    for value in inferred.graph.output:
        if shape_of(value) != declared[value.name]:
            raise ValueError(f"output {value.name} is {shape_of(value)}, "
                             f"the file says {declared[value.name]}")


for name in sys.argv[1:]:
    check(name)
