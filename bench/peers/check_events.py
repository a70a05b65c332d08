#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the event files of `tenon train --tensorboard DIR` with TensorBoard's own reader and
demands that everything is there: scalars with the values of the results, histograms that count
every parameter, images that are PNG files. Ends with 1 and says why if not.

    bench/peers/.venv/bin/python bench/peers/check_events.py DIR RESULTS.json
"""
import argparse
import json
import math
import sys

from tensorboard.backend.event_processing import event_accumulator

SCALARS = ["loss", "train_accuracy", "lr", "images_per_s", "gradient_norm", "held_out_loss",
           "held_out_accuracy", "test_accuracy", "test_loss"]


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6)  # event files hold floats


def faults_of_scalars(events, results):
    tags = events.Tags()["scalars"]
    yield from (f"there is no scalar {tag}" for tag in SCALARS if tag not in tags)
    for tag in tags:
        steps = [event.step for event in events.Scalars(tag)]
        if steps != sorted(set(steps)) or steps[-1] != results["steps"]:
            yield f"the steps of {tag} are {steps}"
    for tag in ["held_out_loss", "held_out_accuracy", "test_loss", "test_accuracy"]:
        if tag in tags and not close(events.Scalars(tag)[-1].value, results[tag]):
            yield f"{tag} is {events.Scalars(tag)[-1].value}, not {results[tag]}"


def faults_of_histograms(events, results):
    tags = events.Tags()["histograms"]
    for kind in ["weights/", "gradients/"]:
        last = [events.Histograms(tag)[-1] for tag in tags if tag.startswith(kind)]
        n = sum(event.histogram_value.num for event in last)
        if n != results["parameters"]:
            yield f"the histograms of {kind} count {n} of {results['parameters']} parameters"
        for histogram in (event.histogram_value for event in last):
            if sum(histogram.bucket) != histogram.num or not histogram.min <= histogram.max:
                yield f"a histogram of {kind} does not add up"


def faults_of_images(events, results):
    tags = [tag for tag in events.Tags()["images"] if tag.startswith("mistakes/")]
    if not tags or any(" taken for " not in tag for tag in tags):
        yield f"the tags of images are {tags}"
    for tag in tags:
        for image in events.Images(tag):
            if not image.encoded_image_string.startswith(b"\x89PNG\r\n\x1a\n"):
                yield f"the image {tag} is no PNG file"
            if image.width != 28 or image.height != 28:
                yield f"the image {tag} is of {image.width}x{image.height}"
    print(f"{len(tags)} images of mistakes")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", help="the folder of event files")
    parser.add_argument("results", help="what tenon train --json wrote")
    args = parser.parse_args()

    events = event_accumulator.EventAccumulator(
        args.dir, size_guidance={kind: 0 for kind in event_accumulator.DEFAULT_SIZE_GUIDANCE})
    events.Reload()
    with open(args.results, encoding="utf-8") as file:
        results = json.load(file)
    faults = [*faults_of_scalars(events, results), *faults_of_histograms(events, results),
              *faults_of_images(events, results)]
    for fault in faults:
        print(fault)
    print(f"TensorBoard reads {len(events.Tags()['scalars'])} scalars and "
          f"{len(events.Tags()['histograms'])} histograms; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
