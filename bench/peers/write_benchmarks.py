#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/benchmarks.md, up to the part on inference, and docs/benchmarks.svg from the results
of train.py.

    python3 bench/peers/write_benchmarks.py RESULTS.json DOCS_DIR
"""
import argparse
import json
import pathlib
import statistics

PEERS = {"tenon": "Tenon", "pytorch": "PyTorch"}
COLOURS = {"tenon": "#1a7f64", "pytorch": "#b9bec6"}
INFERENCE_MARK = "\n<!-- Inference, written by bench/race.sh --inference. -->\n"
FEWEST = 3  # turns on a free machine that a median needs; else all are shown, and nothing follows


# ---- Numbers ------------------------------------------------------------------------------------

def counted(result):
    """The turns that count, and whether those are only the ones on a free machine."""
    free = {who: [t for t in turns if not t["busy"]] for who, turns in result["turns"].items()}
    enough = all(len(turns) >= FEWEST for turns in free.values())
    return (free if enough else result["turns"]), enough


def spread(turns):
    rates = [t["images_per_s"] for t in turns]
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates)}


def summarise(result):
    turns, enough = counted(result)
    peaks = [p for t in turns["tenon"] + turns["pytorch"]
             for p in (t["peak_before"], t["peak_after"])]
    rates = {who: spread(turns[who]) for who in PEERS}
    return {"model": result["model"], "threads": result["threads"], "enough": enough,
            "rates": rates, "peak": statistics.median(peaks), "n": len(turns["tenon"]),
            "dropped": sum(t["busy"] for all_of in result["turns"].values() for t in all_of),
            "ratio": rates["tenon"]["median"] / rates["pytorch"]["median"],
            "rss": {who: max(t["peak_rss_bytes"] for t in turns[who]) for who in PEERS},
            "variant": result["variant"], "tried": result["tried"]}


def scaling(rows, model):
    """What two threads are to one, for both, beside what the peak does."""
    one, two = (next((r for r in rows if r["model"] == model and r["threads"] == n), None)
                for n in (1, 2))
    if not one or not two or not one["enough"] or not two["enough"]:
        return None
    return {"peak": two["peak"] / one["peak"]} | {
        who: two["rates"][who]["median"] / one["rates"][who]["median"] for who in PEERS}


# ---- The page -----------------------------------------------------------------------------------

def rate(r):
    return f"**{r['median']:,.0f}** ({r['min']:,.0f} to {r['max']:,.0f})"


def speed_table(rows):
    yield ("| model | threads | Tenon, images/s | PyTorch, images/s | Tenon / PyTorch "
           "| peak, GFLOP/s |")
    yield "|---|--:|--:|--:|--:|--:|"
    for r in rows:
        ratio = f"**{r['ratio']:.2f}**" if r["enough"] else "†"
        yield (f"| `{r['model']}` | {r['threads']} | {rate(r['rates']['tenon'])} "
               f"| {rate(r['rates']['pytorch'])} | {ratio} | {r['peak']:.0f} |")


def scaling_table(rows):
    models = list(dict.fromkeys(r["model"] for r in rows))
    found = [(m, s) for m in models if (s := scaling(rows, m))]
    if not found:
        return
    yield from ("", "Two threads against one:", "",
                "| model | Tenon | PyTorch | multiply-add peak | Tenon, of what the peak gains |",
                "|---|--:|--:|--:|--:|")
    for model, s in found:
        yield (f"| `{model}` | {s['tenon']:.2f} | {s['pytorch']:.2f} | {s['peak']:.2f} "
               f"| {100 * s['tenon'] / s['peak']:.0f} % |")


def memory_table(rows):
    yield "| model | threads | Tenon, MiB | PyTorch, MiB |"
    yield "|---|--:|--:|--:|"
    for r in rows:
        yield (f"| `{r['model']}` | {r['threads']} | {r['rss']['tenon'] / 2**20:.0f} "
               f"| {r['rss']['pytorch'] / 2**20:.0f} |")


def variants_table(rows):
    yield "| model | threads | way | images/s |"
    yield "|---|--:|---|--:|"
    for r in rows:
        for t in r["tried"]:
            speed = (f"{t['images_per_s']:,.0f}" if t["images_per_s"]
                     else f"did not run: {t['reason'].replace('|', '/')}")
            chosen = t["name"] == r["variant"]
            name = f"**{t['name']}**" if chosen else t["name"]
            yield f"| `{r['model']}` | {r['threads']} | {name} | {speed} |"


def layers(plan):
    """Nodes that do the same, summed: operator, kernel, how many, us, expected us, MACs."""
    found = {}
    for node in (n for segment in plan["segments"] for n in segment["nodes"]):
        key = (node["operator"], node["implementation"], node["macs"], node["bytes_in"])
        row = found.setdefault(key, [0, 0, 0, 0])
        for i, value in enumerate((1, node["measured_cpu_us"], node["expected_cpu_us"],
                                   node["macs"])):
            row[i] += value
    return sorted(((*key[:2], *row) for key, row in found.items()), key=lambda row: -row[3])


def layers_table(profile):
    """The rows of at least a hundredth of the step, and what the others take together."""
    plan = profile["plan"]
    rows = layers(plan)
    total = sum(row[3] for row in rows)
    large = [row for row in rows if row[3] >= total / 100]
    yield (f"\n`{profile['model']}`: {plan['measured_us'] / 1e3:.2f} ms for {plan['batch_size']} "
           f"images, peak {plan['core_gflops']:.0f} GFLOP/s\n")
    yield "| operator | kernel | nodes | ms | of the step | roof, ms | GFLOP/s | of peak |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for operator, kernel, nodes, us, expected, macs in large:
        gflops = 2 * macs / us / 1e3
        speed = f"{gflops:.0f} | {100 * gflops / plan['core_gflops']:.0f} %" if macs else "|"
        yield (f"| {operator} | {kernel} | {nodes} | {us / 1e3:.2f} | {100 * us / total:.0f} % "
               f"| {expected / 1e3:.2f} | {speed} |")
    rest = total - sum(row[3] for row in large)
    yield f"| others | | | {rest / 1e3:.2f} | {100 * rest / total:.0f} % | | | |"


def layers_section(results):
    if not results.get("profiles"):
        return
    yield """
## Where the time goes

One step on one thread, by layers of the same shape, as `tenon info MODEL --plan --train` measures
it; gathering the images and the step of the optimiser are not in it. *Roof* is what the layer would
take if it multiplied at its kernel's best rate and moved its bytes at the rate of the cache that
they come from. Operations are counted as a direct convolution has them: Winograd's algorithm and
gradients without their zeros can be above the peak. The convolutions are bound by multiplying and
by the transforms around it; weight gradients of large fully connected layers by the tree in which
shards are added; what has no GFLOP/s by moving bytes through the second-level cache."""
    for profile in results["profiles"]:
        yield from layers_table(profile)


def page(results, rows):
    m, batch = results["machine"], results["batch_size"]
    yield f"""# Benchmarks

<!-- Written by bench/race.sh: run it again instead of editing. -->

Images trained per second by Tenon and by PyTorch on the same {m['cores']} cores: same layers,
dropout, normalisation, optimiser and batch ({batch}), MNIST in memory for both. Medians, and in
brackets the lowest and highest turn.
{warning(results)}
![Images trained per second](benchmarks.svg)
"""
    yield from speed_table(rows)
    yield from scaling_table(rows)
    yield "\nPeak memory of the whole process, data set included:\n"
    yield from memory_table(rows)
    yield f"""
## How to read it

- Both train in turn, Tenon, PyTorch, Tenon, ..., until {results['rounds']} of each count, of about
  {results['seconds']:g} s. PyTorch stays in memory between its turns and warms up before
  each; Tenon is started anew, and its first step counts.
- *Peak* is what all threads reach together when they do nothing but multiply and add in registers,
  measured before and after every turn. Turns beside which it was below 80 % of the best were
  on a machine that others were using; they are repeated and do not count
  ({sum(r['dropped'] for r in rows)} of {sum(len(t) for x in results['races']
                                             for t in x['turns'].values())} here).{footnote(rows)}
- A step is everything that training does: gathering the batch, forward, backward, optimiser. Tenon
  also adds up loss and accuracy and follows its schedule of learning rates; PyTorch's loop does
  neither. Starting, reading the data, compiling and the test at the end are in neither number.
- PyTorch's images are converted to float32 and normalised before the race; Tenon's are bytes that
  it converts in every step.
- Numbers of two machines, or of two days on a virtual one, compare badly. Ratios within a row are
  of one run.

## PyTorch at its best

Version {m['pytorch']}, with a fused optimiser, denormals flushed, one `index_select` per step for
images and labels, and glibc's malloc told to keep memory (`MALLOC_MMAP_THRESHOLD_`,
`MALLOC_TRIM_THRESHOLD_`, `MALLOC_TOP_PAD_`). Of these ways each model and number of threads keeps
the fastest (bold), which is raced. The rates are the better of two short turns.
"""
    yield from variants_table(rows)
    yield from layers_section(results)
    yield f"""
## The machine

| | |
|---|---|
| date | {m['date']} |
| processor | {m['processor']} (family {m['family']}, model {m['cpu_model']}), {m['cores']} cores, \
{m['hardware_threads']} hardware threads{', virtual' if m['virtual'] else ''} |
| caches | L2 {m['l2_bytes'] // 1024} KiB, L3 {m['l3_bytes'] // 1024} KiB |
| best peak | {', '.join(f"{p:.0f} GFLOP/s on {n} thread{'s' if n != '1' else ''}"
                             for n, p in results['best_peak'].items())} |
| system | {m['system']}, Linux {m['kernel']}, {m['libc']} |
| Tenon | {m['tenon']}, commit {m['commit']}, {m['level']} kernels, {m['compiler']} |
| PyTorch | {m['pytorch']}, Python {m['python']} |

## Repeat it

```console
bench/peers/setup.sh                       # once: PyTorch, into bench/peers/.venv
meson setup build && ninja -C build
bench/race.sh build/tools/tenon/tenon      # half an hour; writes this page
```

`bench/race.sh --help` lists models, threads, batch size, and `--quick`, which shows in a few
minutes that everything runs. Single layers are timed by `build/bench/bench-layers`, kernels by
`build/bench/bench-kernels`."""


def warning(results):
    if not results["quick"]:
        return ""
    return ("\n**A quick run, which only shows that the race runs: short turns, PyTorch not at its "
            "best.**\n")


def footnote(rows):
    if all(r["enough"] for r in rows):
        return ""
    return (f"\n  † marks rows with fewer than {FEWEST} turns of each on a free machine: all turns "
            "are\n  shown, but say nothing about who is faster.")


# ---- The plot -----------------------------------------------------------------------------------

WIDTH, TOP, HEIGHT, BOTTOM, BAR = 760, 84, 190, 80, 34


def text(x, y, words, anchor="middle", size=12, colour="#24292f", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}" font-weight="{weight}">{words}</text>')


def rectangle(x, y, width, height, colour):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{colour}"/>')


def bar(x, who, spread_of, highest):
    """A bar as high as the median, its number on top, and a line from lowest to highest turn."""
    def at(value):
        return TOP + HEIGHT * (1 - value / highest)
    y, low, high = (at(spread_of[key]) for key in ("median", "min", "max"))
    middle = x + BAR / 2
    yield rectangle(x, y, BAR, TOP + HEIGHT - y, COLOURS[who])
    yield (f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}M{middle - 4:.1f} {low:.1f}h8'
           f'M{middle - 4:.1f} {high:.1f}h8" stroke="#24292f" fill="none"/>')
    yield text(middle, min(y, high) - 5, f"{spread_of['median']:,.0f}", size=11)


def panel(x, width, model, rows):
    """One model: a group of two bars for each number of threads, with a scale of its own."""
    highest = max(r["rates"][who]["max"] for r in rows for who in PEERS)
    group = width / len(rows)
    yield text(x + width / 2, 54, model, size=14, weight="bold")
    yield f'<path d="M{x:.1f} {TOP + HEIGHT}h{width:.1f}" stroke="#8c959f"/>'
    for i, r in enumerate(rows):
        middle = x + group * (i + 0.5)
        yield from bar(middle - BAR - 2, "pytorch", r["rates"]["pytorch"], highest)
        yield from bar(middle + 2, "tenon", r["rates"]["tenon"], highest)
        threads = f"{r['threads']} thread{'s' if r['threads'] != 1 else ''}"
        yield text(middle, TOP + HEIGHT + 18, threads)
        ratio = f"{r['ratio']:.2f} ×" if r["enough"] else "†"
        yield text(middle, TOP + HEIGHT + 36, ratio, weight="bold")


def plot(results, rows):
    models = list(dict.fromkeys(r["model"] for r in rows))
    height = TOP + HEIGHT + BOTTOM
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           f'viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" role="img" '
           'aria-label="Images trained per second, PyTorch and Tenon">')
    yield rectangle(0, 0, WIDTH, height, "#ffffff")
    yield text(16, 22, f"Images trained per second, batch {results['batch_size']}", "start", 13)
    for i, (who, name) in enumerate((("pytorch", "PyTorch, its best way"), ("tenon", "Tenon"))):
        x = WIDTH - 260 + 170 * i
        yield rectangle(x, 11, 12, 12, COLOURS[who])
        yield text(x + 18, 22, name, "start")
    gap = 24
    width = (WIDTH - gap * (len(models) + 1)) / len(models)
    for i, model in enumerate(models):
        yield from panel(gap + i * (width + gap), width, model,
                         [r for r in rows if r["model"] == model])
    legend = "Bars: medians. Lines: lowest and highest turn. ×: Tenon / PyTorch."
    if not all(r["enough"] for r in rows):
        legend += " †: on a machine that others were using, so no ratio."
    yield text(16, height - 12, legend, "start", 11, "#57606a")
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    rows = [summarise(result) for result in results["races"]]
    path = args.folder / "benchmarks.md"
    _, mark, inference = path.read_text().partition(INFERENCE_MARK) if path.exists() else [""] * 3
    path.write_text("\n".join(page(results, rows)) + "\n" + mark + inference)
    (args.folder / "benchmarks.svg").write_text("\n".join(plot(results, rows)) + "\n")


if __name__ == "__main__":
    main()
