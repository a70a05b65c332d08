/* SPDX-License-Identifier: Apache-2.0 */
/* plan_table.h: a plan for people and for programs. */
#ifndef TN_TENON_PLAN_TABLE_H
#define TN_TENON_PLAN_TABLE_H

#include <stdio.h>

#include "json.h"

/* Prints tables as wide as out is. Prints the error and returns false on failure. */
bool plan_table_print(FILE *out, const tn_plan_report *report);
json_t *plan_table_json(const tn_plan_report *report);

#endif
