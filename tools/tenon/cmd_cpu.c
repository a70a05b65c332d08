/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_cpu.c: tenon cpu. */
#include <stdlib.h>

#include "command.h"
#include "json.h"
#include "message.h"
#include "options.h"
#include "text.h"
#include "threads.h"

static const char *cache(char *text, int64_t bytes) {
    return bytes > 0 ? text_memory(text, bytes) : "unknown";
}

static void print_cpu(FILE *out, const tn_cpu_info *c) {
    char l1[TEXT_NUMBER], l2[TEXT_NUMBER], l3[TEXT_NUMBER], model[256], why[160];
    say(out, "processor     %s\n", text_clean(model, sizeof model, c->model));
    say(out, "machine       %d socket%s, %d memory node%s, %d core%s, %d hardware thread%s\n",
        c->packages, c->packages == 1 ? "" : "s", c->numa_nodes, c->numa_nodes == 1 ? "" : "s",
        c->cores, c->cores == 1 ? "" : "s", c->hardware_threads,
        c->hardware_threads == 1 ? "" : "s");
    say(out, "caches        L1d %s, L2 %s, L3 %s (of one instance)\n", cache(l1, c->l1d_bytes),
        cache(l2, c->l2_bytes), cache(l3, c->l3_bytes));
    say(out, "affinity      %d core%s, %d hardware thread%s\n", c->allowed_cores,
        c->allowed_cores == 1 ? "" : "s", c->allowed_threads, c->allowed_threads == 1 ? "" : "s");
    if (c->quota_cpus > 0)
        say(out, "cgroup quota  %.4g CPUs\n", c->quota_cpus);
    else
        say(out, "cgroup quota  none\n");
    say(out, "kernels       %s (of %s; TENON_CPU chooses another)\n", c->level, c->levels);
    say(out, "threads       %d: %s\n", c->n_threads, c->reason);
    say(out, "              ");
    text_wrap(out, c->advice, 14, 90);
    if (c->n_threads > 1) {
        say(out, "pinning       ");
        bool pinned = tn_cpu_pins(0, TN_PIN_AUTO, why, sizeof why);
        threads_say_pinning(out, 14, pinned, why);
    }
}

static void print_speed(FILE *out, const tn_cpu_info *c, const tn_cpu_speed *s) {
    if (c->n_threads > 1)
        say(out,
            "fork/join     %.1f us call upon call, %.1f us when threads have fallen asleep "
            "(median)\n",
            s->fork_join_us, s->wake_us);
    if (s->peak_gflops_one > 0)
        say(out, "peak          %.1f GFLOP/s on one thread, %.1f on %d (x%.2f); %s\n",
            s->peak_gflops_one, s->peak_gflops_all, c->n_threads,
            s->peak_gflops_all / s->peak_gflops_one, "multiplying and adding in registers");
}

static int write_json(const tn_cpu_info *c, const tn_cpu_speed *s, const char *path) {
    char why[160];
    json_t *o = json_object();
    json_put_text(o, "processor", c->model);
    json_put_integer(o, "packages", c->packages);
    json_put_integer(o, "numa_nodes", c->numa_nodes);
    json_put_integer(o, "cores", c->cores);
    json_put_integer(o, "hardware_threads", c->hardware_threads);
    json_put_integer(o, "allowed_cores", c->allowed_cores);
    json_put_integer(o, "allowed_threads", c->allowed_threads);
    json_put_real(o, "quota_cpus", c->quota_cpus);
    json_put_integer(o, "l1d_bytes", c->l1d_bytes);
    json_put_integer(o, "l2_bytes", c->l2_bytes);
    json_put_integer(o, "l3_bytes", c->l3_bytes);
    json_put_text(o, "level", c->level);
    json_put_text(o, "levels", c->levels);
    json_put_integer(o, "threads", c->n_threads);
    json_put_text(o, "reason", c->reason);
    json_put_text(o, "advice", c->advice);
    json_put_bool(o, "pinned", tn_cpu_pins(0, TN_PIN_AUTO, why, sizeof why));
    json_put_text(o, "pinned_reason", why);
    json_put_real(o, "fork_join_us", s->fork_join_us);
    json_put_real(o, "wake_us", s->wake_us);
    if (s->peak_gflops_one > 0) {
        json_put_real(o, "peak_gflops_one", s->peak_gflops_one);
        json_put_real(o, "peak_gflops_all", s->peak_gflops_all);
    }
    return json_write(o, path);
}

int cmd_cpu(int argc, char **argv) {
    const char *json = NULL;
    bool peaks = false;
    const option options[] = {
        {"measure", 0, OPTION_FLAG, NULL, &peaks,
         "measure how fast one thread and all threads can multiply and add"},
        {"json", 0, OPTION_TEXT, "FILE", &json, "write the same as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "cpu",
        .usage = "[OPTION]...",
        .summary = "Prints what the processor offers, what this process may use of it (affinity "
                   "mask, cgroup quota), and how many threads and which kernels Tenon will use.",
        .options = options,
        .notes = "The environment variable TENON_CPU chooses slower kernels for comparison:\n"
                 "  TENON_CPU=ref tenon cpu\n",
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    tn_error error = {""};
    tn_cpu_info info = TN_INIT(tn_cpu_info);
    tn_cpu_speed speed = TN_INIT(tn_cpu_speed);
    if (tn_cpu_inspect(&info, &error) != TN_OK || tn_cpu_measure(peaks, &speed, &error) != TN_OK)
        return fail_error(&error);
    FILE *out = people_stream(json, false);
    print_cpu(out, &info);
    print_speed(out, &info, &speed);
    return json ? write_json(&info, &speed, json) : EXIT_DONE;
}
