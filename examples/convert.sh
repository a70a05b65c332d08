#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# convert.sh: trains a network, converts it, and classifies the test images in the modes there are.
#     ./convert.sh [OPTION]...        with options for tenon train: --epochs 1 --limit 1280
set -eu
tenon train mnist-cnn -o mnist-cnn.onnx "$@"
tenon convert mnist-cnn.onnx -o mnist-cnn-fp32.onnx --precision fp32
tenon infer mnist-cnn.onnx --mode reference # as it was trained
tenon infer mnist-cnn.onnx --mode fp32      # optimised while loading: the default
tenon infer mnist-cnn-fp32.onnx             # optimised in the file, as other programs get it
