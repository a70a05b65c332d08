#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a model in one of the peers, a turn at a time, for infer.py: reads "SECONDS" lines from
standard input and answers each with a line of JSON, as bench-infer does for Tenon. Between turns it
sleeps."""
import argparse
import json
import sys
import threading
import time

import numpy as np

WARM_CALLS = 5  # at the head of each turn; what comes before the first turn is not timed either


class OnnxRuntime:
    """As many sessions as requests at a time; inputs and outputs are bound once."""

    def __init__(self, args, x):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.intra_op_num_threads = 1 if args.hint == "throughput" else args.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        options.log_severity_level = 3
        self.calls, self.bindings = [], []
        for _ in range(args.threads if args.hint == "throughput" else 1):
            session = ort.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
            binding = session.io_binding()
            binding.bind_cpu_input(session.get_inputs()[0].name, x)
            binding.bind_output(session.get_outputs()[0].name)
            self.bindings.append(binding)
            self.calls.append(lambda s=session, b=binding: s.run_with_iobinding(b))

    def scores(self):
        self.calls[0]()
        return self.bindings[0].copy_outputs_to_cpu()[0]


class OpenVino:
    def __init__(self, args, x):
        import openvino as ov
        core = ov.Core()
        model = core.read_model(args.model)
        model.reshape(list(x.shape))  # static shapes are faster
        settings = {"PERFORMANCE_HINT": args.hint.upper(), "INFERENCE_NUM_THREADS": args.threads,
                    "INFERENCE_PRECISION_HINT": "f32"}
        if args.streams:
            settings["NUM_STREAMS"] = args.streams
        compiled = core.compile_model(model, "CPU", settings)
        wanted = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.requests = [compiled.create_infer_request()
                         for _ in range(wanted if args.hint == "throughput" else 1)]
        for request in self.requests:
            request.set_input_tensor(ov.Tensor(x))
        self.calls = [request.infer for request in self.requests]
        self.queue = args.hint == "throughput"

    def turn_of_requests(self, seconds):
        """All requests under way at once: each is started again as soon as it is done."""
        times, begin = [], time.perf_counter()
        started = [begin] * len(self.requests)
        for request in self.requests:
            request.start_async()
        now = begin
        while now - begin < seconds:
            for i, request in enumerate(self.requests):
                request.wait()
                now = time.perf_counter()
                times.append(now - started[i])
                started[i] = now
                request.start_async()
        for request in self.requests:
            request.wait()
        return times, time.perf_counter() - begin, len(times) + len(self.requests)

    def scores(self):
        self.requests[0].infer()
        return self.requests[0].get_output_tensor(0).data


class PyTorch:
    def __init__(self, args, x):
        import pathlib
        import torch
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
        torch.set_flush_denormal(True)
        torch.set_num_threads(1 if args.hint == "throughput" else args.threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(0)
        if args.network in ("mnist-cnn", "lenet", "resnet20"):
            from torch_models import MODELS
            model = MODELS[args.network][0]()
        else:
            import export
            model = export.MODELS[args.network]()
        layout = torch.channels_last if "channels_last" in args.mode else torch.contiguous_format
        model = model.eval().to(memory_format=layout)
        x = torch.from_numpy(x).to(memory_format=layout)
        if "compile" in args.mode:
            torch._inductor.config.freezing = True  # weights are constants, packed once
            model = torch.compile(model, mode="max-autotune-no-cudagraphs"
                                  if "autotune" in args.mode else None)
        self.torch, self.model, self.x = torch, model, x
        self.calls = [self.call] * (args.threads if args.hint == "throughput" else 1)
        with torch.inference_mode():
            self.y = model(x)

    def call(self):
        with self.torch.inference_mode():
            return self.model(self.x)

    def scores(self):
        return self.y.numpy()


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "pytorch": PyTorch}


def call_for(call, seconds, times):
    before = begin = time.perf_counter()
    while before - begin < seconds:
        call()
        after = time.perf_counter()
        times.append(after - before)
        before = after


def turn_of_calls(peer, seconds):
    """One thread for each request at a time."""
    times = [[] for _ in peer.calls]
    threads = [threading.Thread(target=call_for, args=(call, seconds, found))
               for call, found in list(zip(peer.calls, times))[1:]]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    call_for(peer.calls[0], seconds, times[0])
    for thread in threads:
        thread.join()
    found = [t for one in times for t in one]
    return found, time.perf_counter() - begin, len(found)


def turn(peer, seconds, batch_size):
    for _ in range(WARM_CALLS):
        for call in peer.calls:
            call()
    if getattr(peer, "queue", False):
        times, elapsed, n = peer.turn_of_requests(seconds)
    else:
        times, elapsed, n = turn_of_calls(peer, seconds)
    return {"images_per_s": n * batch_size / elapsed,
            "latency_us_p50": 1e6 * float(np.quantile(times, 0.5)),
            "latency_us_p99": 1e6 * float(np.quantile(times, 0.99))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("model", help="the ONNX file")
    parser.add_argument("input", help="a .npy file")
    parser.add_argument("--network", required=True, help="its name, for PyTorch")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--hint", choices=["latency", "throughput"], required=True)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--mode", default="")
    args = parser.parse_args()
    x = np.load(args.input)
    peer = PEERS[args.peer](args, x)
    scores = np.asarray(peer.scores()).reshape(-1)[:10]
    print(json.dumps({"scores": [float(s) for s in scores]}), flush=True)
    for line in sys.stdin:
        print(json.dumps(turn(peer, float(line), len(x))), flush=True)


if __name__ == "__main__":
    main()
