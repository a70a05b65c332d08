#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the part of docs/benchmarks.md on inference from the results of infer.py.

    python3 bench/peers/write_inference.py RESULTS.json DOCS_DIR
"""
import argparse
import json
import pathlib
import statistics

from write_benchmarks import FEWEST, INFERENCE_MARK, warning

PROGRAMS = {"tenon": "Tenon", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime",
            "pytorch": "PyTorch"}


# ---- Numbers ------------------------------------------------------------------------------------

def counted(result):
    """The turns that count, and whether those are only the ones on a free machine."""
    free = {who: [t for t in turns if not t["busy"]] for who, turns in result["turns"].items()}
    enough = all(len(turns) >= FEWEST for turns in free.values())
    return (free if enough else result["turns"]), enough


def spread(turns, key):
    values = [t[key] for t in turns]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarise(result):
    turns, enough = counted(result)
    latency = result["batch_size"] == 1
    key = "latency_us_p50" if latency else "images_per_s"
    found = {who: spread(turns[who], key) for who in turns}
    peers = [found[who]["median"] for who in found if who != "tenon"]
    ours = found["tenon"]["median"]
    ratio = (min(peers) / ours if latency else ours / max(peers)) if peers else None
    peaks = [p for all_of in turns.values() for t in all_of
             for p in (t["peak_before"], t["peak_after"])]
    return {"model": result["model"], "batch_size": result["batch_size"], "latency": latency,
            "found": found, "enough": enough, "ratio": ratio, "peak": statistics.median(peaks),
            "p99": {who: statistics.median(t["latency_us_p99"] for t in turns[who])
                    for who in turns},
            "tried": result["tried"], "ways": result["ways"]}


# ---- The page -----------------------------------------------------------------------------------

def number(value, latency):
    return f"{value:,.1f}" if latency and value < 1000 else f"{value:,.0f}"


def cell(row, who):
    if who not in row["found"]:
        return "did not run"
    s, latency = row["found"][who], row["latency"]
    text = (f"**{number(s['median'], latency)}** ({number(s['min'], latency)} to "
            f"{number(s['max'], latency)})")
    return text + (f", p99 {number(row['p99'][who], True)}" if latency else "")


def table(rows, unit):
    programs = " | ".join(f"{name}, {unit}" for name in PROGRAMS.values())
    yield f"| network | batch | {programs} | ratio | peak |"
    yield "|---|--:|" + "--:|" * (len(PROGRAMS) + 2)
    for r in rows:
        ratio = f"**{r['ratio']:.2f}**" if r["enough"] and r["ratio"] else "†"
        yield (f"| `{r['model']}` | {r['batch_size']} | "
               f"{' | '.join(cell(r, who) for who in PROGRAMS)} | {ratio} | {r['peak']:.0f} |")


def ways_table(rows):
    yield "| network | batch | program | way | latency, µs | images/s |"
    yield "|---|--:|---|---|--:|--:|"
    for r in rows:
        for t in r["tried"]:
            chosen = t["name"] == r["ways"].get(t["program"])
            name = f"**{t['name']}**" if chosen else t["name"]
            speed = (f"{number(t['latency_us_p50'], True)} | {t['images_per_s']:,.0f}"
                     if "images_per_s" in t else
                     f"did not run: {t['reason'].replace('|', '/')} |")
            yield (f"| `{r['model']}` | {r['batch_size']} | {PROGRAMS[t['program']]} | {name} "
                   f"| {speed} |")


def page(results, rows):
    m = results["machine"]
    yield f"""
## Inference

The same ONNX files in Tenon (mode fp32), OpenVINO {m['openvino']} and ONNX Runtime
{m['onnxruntime']}, and the same networks in PyTorch {m['pytorch']}, all in float32 on the same
{results['threads']} cores. Medians over turns, in brackets the lowest and highest turn. *Ratio* is
how many times as fast as the best of the others Tenon is, *peak* GFLOP/s as above.
{warning(results)}"""
    latency, rates = ([r for r in rows if r["latency"] == is_latency]
                      for is_latency in (True, False))
    if latency:
        yield "Time for one image, the next one after the answer; p50, and p99:\n"
        yield from table(latency, "µs")
    if rates:
        yield "\nImages per second in batches:\n"
        yield from table(rates, "images/s")
    yield f"""
- All run in turn, in processes that stay, until {results['rounds']} turns of each count, of
  {results['seconds']:g} s after a few calls to warm up. Turns on a machine that others were using
  are repeated, as above.{footnote(rows)}
- A call is an input in memory to scores in memory. OpenVINO, ONNX Runtime and PyTorch are called
  from Python, inputs and outputs bound once where they allow it, which costs them a few
  microseconds.
- Weights are random but for the built-in networks, which does not matter for the time; scores of
  all programs that read the file are compared before the race.
- Ways to run a program, the fastest of which (bold) is raced: all cores on one request, or a
  request on each core; OpenVINO's hints and streams; ONNX Runtime with all optimisations and
  threads that spin; PyTorch compiled with frozen weights or not, channels last or not, in inference
  mode.
"""
    yield from ways_table(rows)
    yield f"""
Measured on {m['date']}: {m['processor']}, {m['system']}, {m['tenon']}, commit {m['commit']},
{m['level']} kernels. To repeat it: `bench/race.sh build/tools/tenon/tenon --inference`, after
`bench/peers/setup.sh` and `bench/models/export.py`."""


def footnote(rows):
    if all(r["enough"] for r in rows):
        return ""
    return (f" † marks rows with fewer than {FEWEST}\n  turns of each on a free machine: all are "
            "shown, but say nothing about who is faster.")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    path = args.folder / "benchmarks.md"
    training = path.read_text().partition(INFERENCE_MARK)[0] if path.exists() else ""
    rows = [summarise(result) for result in results["races"]]
    path.write_text(training + INFERENCE_MARK + "\n".join(page(results, rows)) + "\n")


if __name__ == "__main__":
    main()
