/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c: CPU quotas, as described in the kernel's admin-guide/cgroup-v2 (cpu.max) and
 * scheduler/sched-bwc (cpu.cfs_quota_us). */
#include "cpu/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cpu/sysfile.h"

/* Microseconds of processor time per period, or 0 for no quota. */
static double quota_of(int64_t quota, int64_t period) {
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

/* cpu.max holds "QUOTA PERIOD" or "max PERIOD". */
static double read_v2(const char *directory) {
    char text[128];
    int64_t quota, period;
    if (!tn_sysfile_read(text, sizeof text, "%s/cpu.max", directory)) return 0;
    if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) return 0;
    return quota_of(quota, period);
}

/* cpu.cfs_quota_us is -1 without a quota. */
static double read_v1(const char *directory) {
    char text[64];
    int64_t quota, period;
    if (!tn_sysfile_read(text, sizeof text, "%s/cpu.cfs_quota_us", directory)) return 0;
    if (sscanf(text, "%" SCNd64, &quota) != 1) return 0;
    if (!tn_sysfile_read(text, sizeof text, "%s/cpu.cfs_period_us", directory)) return 0;
    if (sscanf(text, "%" SCNd64, &period) != 1) return 0;
    return quota_of(quota, period);
}

static double least(double a, double b) { return a == 0 ? b : b == 0 || a < b ? a : b; }

/* The least quota from group up to the mount point. Groups that cannot be seen are passed over:
 * inside a container the mount point may itself be the group, whatever the path says. */
static double walk_up(const char *root, const char *mount, const char *group,
                      double (*read)(const char *directory)) {
    char path[PATH_MAX];
    int base = snprintf(path, sizeof path, "%s%s", root, mount);
    if (base < 0 || (size_t)base >= sizeof path) return 0;
    /* A group outside of the namespace shows as "/../...": only the mount point is left to ask. */
    if (!strstr(group, "/..") && (size_t)base + strlen(group) < sizeof path)
        strcpy(path + base, group);
    double quota = read(path);
    for (char *slash; (slash = strrchr(path + base, '/'));) {
        *slash = '\0';
        quota = least(quota, read(path));
    }
    return quota;
}

/* Whether "cpu" is one of the comma-separated controllers. */
static bool names_cpu(const char *controllers) {
    for (const char *at = controllers;;) {
        size_t length = strcspn(at, ",");
        if (length == 3 && memcmp(at, "cpu", 3) == 0) return true;
        if (!at[length]) return false;
        at += length + 1;
    }
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:GROUP", without controllers for version 2. */
static double quota_of_line(const char *root, char *line) {
    static const char *const v2_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    static const char *const v1_mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return 0;
    *group++ = '\0';
    controllers++;
    double quota = 0;
    for (int i = 0; i < 2; i++)
        if (!controllers[0])
            quota = least(quota, walk_up(root, v2_mounts[i], group, read_v2));
        else if (names_cpu(controllers))
            quota = least(quota, walk_up(root, v1_mounts[i], group, read_v1));
    return quota;
}

double tn_cgroup_quota(const char *root) {
    char text[16 * 1024], *rest = NULL;
    double quota = 0;
    tn_sysfile_read(text, sizeof text, "%s/proc/self/cgroup", root);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        quota = least(quota, quota_of_line(root, line));
    return quota;
}
