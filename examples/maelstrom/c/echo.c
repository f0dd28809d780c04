/* Says back what it is told. Build it with `make`, or `cc -O2 -o echo echo.c`.
 *
 * With the argument --wrong it makes a mistake: it forgets the last letter.
 *
 * It finds the few fields it needs by their names, which is enough for this one task; a real node
 * reads JSON with a library. It answers all that it has read before it reads again, and so needs
 * few system calls when there is much to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM (1 << 20)

static char in[ROOM + 1], out[2 * ROOM];
static char node_id[64] = "\"\"";

/* The value of a field, as it stands there: its beginning and length. */
static const char *field(const char *line, const char *name, size_t *length) {
    const char *at = strstr(line, name);
    *length = 0;
    if (at == NULL) return "";
    at += strlen(name);
    const char *end = at;
    if (*at == '"') {
        for (end = at + 1; *end && *end != '"'; end++)
            if (*end == '\\' && end[1]) end++;
        end += *end == '"';
    } else {
        while (*end && !strchr(",}] ", *end)) end++;
    }
    *length = (size_t)(end - at);
    return at;
}

static size_t answer(const char *line, char *to, int wrong) {
    size_t src_length, id_length, length;
    const char *src = field(line, "\"src\":", &src_length);
    const char *id = field(line, "\"msg_id\":", &id_length);
    if (strstr(line, "\"type\":\"init\"")) {
        const char *mine = field(line, "\"node_id\":", &length);
        snprintf(node_id, sizeof node_id, "%.*s", (int)length, mine);
        return (size_t)sprintf(to,
            "{\"src\":%s,\"dest\":%.*s,\"body\":{\"type\":\"init_ok\",\"in_reply_to\":%.*s}}\n",
            node_id, (int)src_length, src, (int)id_length, id);
    }
    const char *echo = field(line, "\"echo\":", &length);
    int drops = wrong && length > 2 && *echo == '"';
    return (size_t)sprintf(to,
        "{\"src\":%s,\"dest\":%.*s,\"body\":{\"type\":\"echo_ok\",\"in_reply_to\":%.*s,"
        "\"echo\":%.*s%s}}\n",
        node_id, (int)src_length, src, (int)id_length, id,
        (int)(drops ? length - 2 : length), echo, drops ? "\"" : "");
}

int main(int count, char **arguments) {
    int wrong = count > 1 && strcmp(arguments[1], "--wrong") == 0;
    size_t held = 0;
    for (;;) {
        ssize_t got = read(0, in + held, ROOM - held);
        if (got <= 0) return 0;
        held += (size_t)got;
        in[held] = '\0';
        size_t used = 0, written = 0;
        char *line = in, *end;
        while ((end = memchr(line, '\n', held - (size_t)(line - in))) != NULL) {
            *end = '\0';
            if (written + 2 * (size_t)(end - line) + 512 > sizeof out) {
                if (write(1, out, written) < 0) return 1;
                written = 0;
            }
            written += answer(line, out + written, wrong);
            line = end + 1;
            used = (size_t)(line - in);
        }
        for (size_t sent = 0; sent < written;) {
            ssize_t now = write(1, out + sent, written - sent);
            if (now < 0) return 1;
            sent += (size_t)now;
        }
        memmove(in, in + used, held - used);
        held -= used;
        if (held == ROOM) return 1; /* a line that is longer than any echo */
    }
}
