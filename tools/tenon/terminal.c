/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static terminal_colour colour_of_environment(const char *term) {
    const char *no_color = getenv("NO_COLOR"), *colorterm = getenv("COLORTERM");
    if (no_color && *no_color) return COLOUR_NONE;
    if (colorterm && (strcmp(colorterm, "truecolor") == 0 || strcmp(colorterm, "24bit") == 0))
        return COLOUR_24_BIT;
    if (strstr(term, "-direct")) return COLOUR_24_BIT;
    return strstr(term, "256color") || strstr(term, "kitty") ? COLOUR_256 : COLOUR_NONE;
}

terminal terminal_of(FILE *out) {
    terminal t = {0};
    t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *term = getenv("TERM");
    if (!out || !isatty(fileno(out)) || !term || strcmp(term, "dumb") == 0) return t;
    t.live = true;
    t.colour = colour_of_environment(term);
    return t;
}

int terminal_width(FILE *out) {
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    return width > 0 && width < 10000 ? width : 80;
}
