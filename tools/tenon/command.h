/* SPDX-License-Identifier: Apache-2.0 */
/* command.h: the verbs. Each is one cmd_<verb>.c that parses argv[2] and what follows, does its
 * work and returns the exit code; errors are printed already. */
#ifndef TN_TENON_COMMAND_H
#define TN_TENON_COMMAND_H

int cmd_train(int argc, char **argv);
int cmd_infer(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_cpu(int argc, char **argv);

#endif
