/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

/* Bytes of the UTF-8 character at s, 0 if it is malformed or a control character. */
static size_t character_bytes(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool c1 = s[0] == 0xc2 && s[1] < 0xa0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    /* U+200E, 200F, 202A..202E and 2066..2069 reorder what stands around them */
    bool direction =
        s[0] == 0xe2 &&
        ((s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xaa && s[2] <= 0xae))) ||
         (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
    return c1 || overlong || surrogate || beyond || direction ? 0 : n;
}

/* Copies at most max_columns characters; returns how many. */
static int copy_clean(char *buffer, size_t size, const char *text, int max_columns) {
    size_t used = 0;
    int columns = 0;
    const unsigned char *s = (const unsigned char *)text;
    while (*s && columns < max_columns) {
        size_t n = character_bytes(s);
        size_t out = n ? n : 1;
        if (used + out + 1 > size) break;
        memcpy(buffer + used, n ? (const char *)s : "?", out);
        used += out;
        s += out;
        columns++;
    }
    buffer[used] = '\0';
    return columns;
}

char *text_clean(char *buffer, size_t size, const char *text) {
    copy_clean(buffer, size, text ? text : "", 1 << 30);
    return buffer;
}

char *text_fit(char *buffer, size_t size, const char *text, int columns) {
    int n = copy_clean(buffer, size, text ? text : "", columns);
    size_t used = strlen(buffer);
    for (; n < columns && used + 1 < size; n++) buffer[used++] = ' ';
    buffer[used] = '\0';
    return buffer;
}

int text_columns(const char *text) {
    int n = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s; n++) {
        size_t bytes = character_bytes(s);
        s += bytes ? bytes : 1;
    }
    return n;
}

char *text_count(char buffer[static TEXT_NUMBER], int64_t n) {
    char digits[TEXT_NUMBER];
    int n_digits = snprintf(digits, sizeof digits, "%" PRId64, n);
    char *to = buffer;
    for (int i = 0; i < n_digits; i++) {
        *to++ = digits[i];
        int rest = n_digits - 1 - i;
        if (rest > 0 && rest % 3 == 0 && digits[i] != '-') *to++ = ',';
    }
    *to = '\0';
    return buffer;
}

static char *scaled(char *buffer, int64_t bytes, double step, const char *const *units, int n) {
    double value = (double)bytes;
    int unit = 0;
    while (unit < n - 1 && value >= step) {
        value /= step;
        unit++;
    }
    bool whole = unit == 0 || value >= 100 || fabs(value - round(value)) < 0.05;
    snprintf(buffer, TEXT_NUMBER, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buffer;
}

char *text_bytes(char buffer[static TEXT_NUMBER], int64_t bytes) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    return scaled(buffer, bytes, 1000, units, 5);
}

char *text_memory(char buffer[static TEXT_NUMBER], int64_t bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    return scaled(buffer, bytes, 1024, units, 4);
}

char *text_duration(char buffer[static TEXT_NUMBER], double seconds) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        snprintf(buffer, TEXT_NUMBER, "-");
    } else if (seconds < 9.95) {
        snprintf(buffer, TEXT_NUMBER, "%.*f s", seconds < 0.1 ? 3 : 1, seconds);
    } else if (seconds < 59.5) {
        snprintf(buffer, TEXT_NUMBER, "%.0f s", seconds);
    } else {
        int64_t s = (int64_t)(seconds + 0.5);
        if (s < 3600)
            snprintf(buffer, TEXT_NUMBER, "%" PRId64 ":%02d", s / 60, (int)(s % 60));
        else
            snprintf(buffer, TEXT_NUMBER, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60),
                     (int)(s % 60));
    }
    return buffer;
}

char *text_percent(char buffer[static TEXT_NUMBER], double fraction) {
    double percent = 100 * fraction;
    if (percent < 100 && percent > 99.99) percent = 99.99;
    if (percent > 0 && percent < 0.01) percent = 0.01;
    snprintf(buffer, TEXT_NUMBER, "%.2f %%", percent);
    return buffer;
}

void text_wrap(FILE *out, const char *text, int column, int width) {
    if (isatty(fileno(out)) && terminal_width(out) < width) width = terminal_width(out);
    for (int at = column; *text;) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > width) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", length, text);
        at += length;
        text += length + strspn(text + length, " ");
    }
    fputc('\n', out);
}

char *text_shell_word(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,+@%";
    size_t length = strlen(word);
    if (length > 0 && strspn(word, plain) == length) return strdup(word);
    char *quoted = malloc(4 * length + 3);
    if (!quoted) return NULL;
    char *to = quoted;
    *to++ = '\'';
    for (const char *from = word; *from; from++) {
        if (*from == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *from;
        }
    }
    *to++ = '\'';
    *to = '\0';
    return quoted;
}

/* Levenshtein's distance, for words of up to 31 letters. */
static int distance(const char *a, const char *b) {
    int row[32], n = (int)strlen(b);
    if (strlen(a) > 31 || n > 31) return 99;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t stride) {
    const char *nearest = NULL;
    int least = strlen(word) < 4 ? 2 : 3; /* from here on it is another word */
    for (const char *at = (const char *)candidates; *(const char *const *)(const void *)at;
         at += stride) {
        const char *candidate = *(const char *const *)(const void *)at;
        size_t n = strlen(word);
        int d = n >= 3 && strncmp(candidate, word, n) == 0 ? 1 : distance(word, candidate);
        if (d < least) {
            least = d;
            nearest = candidate;
        }
    }
    return nearest;
}
