/* SPDX-License-Identifier: Apache-2.0 */
/* topology.c: the whole machine, by hwloc. What this process may use comes from budget.c, so that
 * the short and the long way to the core budget cannot disagree. */
#include "cpu/topology.h"

#include <ctype.h>
#include <hwloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cpu/sysfile.h"

/* Copies a line of text, with runs of white space made one space and those at the ends dropped. */
static void copy_squeezed(char *out, size_t size, const char *text) {
    size_t used = 0;
    for (; *text && *text != '\n'; text++) {
        bool space = isspace((unsigned char)*text);
        if (space && (used == 0 || out[used - 1] == ' ')) continue;
        if (used + 1 < size) out[used++] = space ? ' ' : *text;
    }
    if (used > 0 && out[used - 1] == ' ') used--;
    out[used] = '\0';
}

static void name_model(hwloc_topology_t topology, tn_cpu_info *info) {
    hwloc_obj_t package = topology ? hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0) : NULL;
    const char *name = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    if (name) copy_squeezed(info->model, sizeof info->model, name);
    if (info->model[0]) return;

    char text[8192];
    struct utsname machine;
    tn_sysfile_read(text, sizeof text, "/proc/cpuinfo");
    const char *line = strstr(text, "model name");
    const char *value = line ? strchr(line, ':') : NULL;
    if (value) copy_squeezed(info->model, sizeof info->model, value + 1);
    if (!info->model[0] && uname(&machine) == 0)
        snprintf(info->model, sizeof info->model, "unnamed %s processor", machine.machine);
}

/* At least one: hwloc knows some things of some machines only. */
static int count(hwloc_topology_t topology, hwloc_obj_type_t type) {
    int n = hwloc_get_nbobjs_by_type(topology, type);
    return n > 1 ? n : 1;
}

static int64_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
    hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
    return cache ? (int64_t)cache->attr->cache.size : 0;
}

static void inspect_machine(hwloc_topology_t topology, tn_cpu_info *info) {
    info->packages = count(topology, HWLOC_OBJ_PACKAGE);
    info->numa_nodes = count(topology, HWLOC_OBJ_NUMANODE);
    info->cores = count(topology, HWLOC_OBJ_CORE);
    info->hardware_threads = count(topology, HWLOC_OBJ_PU);
    info->l1d_bytes = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
    info->l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
    info->l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
}

/* The whole machine, what is forbidden to this process included; NULL on failure. */
static hwloc_topology_t discover(void) {
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) return NULL;
    if (hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 &&
        hwloc_topology_load(topology) == 0)
        return topology;
    hwloc_topology_destroy(topology);
    return NULL;
}

void tn_topology_describe(struct hwloc_topology *machine, const tn_budget *budget,
                          tn_cpu_info *info) {
    info->model[0] = '\0';
    info->packages = info->numa_nodes = info->cores = info->hardware_threads = 1;
    info->l1d_bytes = info->l2_bytes = info->l3_bytes = 0;
    if (machine) inspect_machine(machine, info);
    name_model(machine, info);

    if (info->cores < budget->cores) info->cores = budget->cores;
    if (info->hardware_threads < budget->threads) info->hardware_threads = budget->threads;
    info->allowed_cores = budget->cores;
    info->allowed_threads = budget->threads;
    info->quota_cpus = budget->quota_cpus;
    info->n_threads = budget->n_threads;
    tn_budget_explain(info);
}

void tn_topology_inspect(tn_cpu_info *info) {
    tn_budget budget = tn_budget_here();
    hwloc_topology_t topology = discover();
    tn_topology_describe(topology, &budget, info);
    if (topology) hwloc_topology_destroy(topology);
}
