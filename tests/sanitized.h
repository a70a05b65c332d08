/* SPDX-License-Identifier: Apache-2.0 */
/* sanitized.h: whether a sanitizer watches this program, which is slower by ten times then. Tests
 * that repeat work for the sake of bits alone, on many numbers of threads and levels of kernels,
 * leave out repetitions that meet the same code. */
#ifndef TN_TESTS_SANITIZED_H
#define TN_TESTS_SANITIZED_H

#ifndef __has_feature
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1, SANITIZED_THREADS = 1 };
#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SANITIZED = 1, SANITIZED_THREADS = 0 };
#else
enum { SANITIZED = 0, SANITIZED_THREADS = 0 };
#endif

#endif
