/* A replicated store of registers, small enough to read in one sitting.
 *
 *     store PORT NAME NAME=ADDRESS... [--log FILE] [--reads local|first]
 *
 * The first node (by name) decides: it performs writes, sends them on to the others, and answers.
 * The others pass on what they are asked; with --reads local they answer GET from what they have.
 * With --log, writes are synced to a file before they are answered, and read from it at the start.
 *
 *     GET key            OK value | NONE
 *     PUT key value      OK
 *     CAS key old new    OK | NO the value is another
 *     SET key value      (between nodes; no answer)
 *     (any)              NO: it did not happen    ERR: nobody knows
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { KEYS = 4096, WORD = 64, LINE = 4 * WORD, PEERS = 16 };

static struct { char key[WORD], value[WORD]; } values[KEYS];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct { char name[WORD], address[WORD]; int link; } peers[PEERS];
static int peer_count, port, log_file = -1, local_reads, first, me;

static char *find(const char *key) {
    for (int i = 0; i < count; i++)
        if (strcmp(values[i].key, key) == 0) return values[i].value;
    return NULL;
}

static void set(const char *key, const char *value) {
    char *there = find(key);
    if (!there) {
        if (count == KEYS) { fprintf(stderr, "full\n"); exit(1); }
        strcpy(values[count].key, key);
        there = values[count++].value;
    }
    strcpy(there, value);
}

static int dial(const char *address) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 2};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(s, (struct sockaddr *)&to, sizeof to) == 0) return s;
    close(s);
    return -1;
}

/* Sends a write to every other node and does not wait for it to arrive. */
static void replicate(const char *key, const char *value) {
    char line[LINE];
    int size = snprintf(line, sizeof line, "SET %s %s\n", key, value);
    for (int i = 0; i < peer_count; i++) {
        if (i == me) continue;
        if (peers[i].link < 0) peers[i].link = dial(peers[i].address);
        if (peers[i].link >= 0 && send(peers[i].link, line, size, MSG_DONTWAIT) != size) {
            close(peers[i].link);
            peers[i].link = -1;
        }
    }
}

static void perform(const char *key, const char *value) {
    if (log_file >= 0) {
        char line[LINE];
        int size = snprintf(line, sizeof line, "%s %s\n", key, value);
        if (write(log_file, line, size) != size || fsync(log_file) != 0) { perror("log"); exit(1); }
    }
    set(key, value);
    if (local_reads) replicate(key, value);
}

/* The first node's answer to a line that was taken apart. */
static void answer(int words, char word[4][WORD], char *out) {
    char *there = words > 1 ? find(word[1]) : NULL;
    if (words == 2 && strcmp(word[0], "GET") == 0) {
        if (there) snprintf(out, LINE, "OK %s\n", there);
        else strcpy(out, "NONE\n");
    } else if (words == 3 && strcmp(word[0], "PUT") == 0) {
        perform(word[1], word[2]);
        strcpy(out, "OK\n");
    } else if (words == 4 && strcmp(word[0], "CAS") == 0) {
        if (there && strcmp(there, word[2]) == 0) {
            perform(word[1], word[3]);
            strcpy(out, "OK\n");
        } else strcpy(out, "NO the value is another\n");
    } else strcpy(out, "NO such command\n");
}

/* Passes a line on to the first node over a connection of its own. */
static void pass_on(FILE **link, const char *line, char *out) {
    if (!*link) {
        int s = dial(peers[first].address);
        if (s < 0) { strcpy(out, "NO connection to the first node\n"); return; }
        *link = fdopen(s, "r+");
    }
    if (send(fileno(*link), line, strlen(line), MSG_NOSIGNAL) < 0 || !fgets(out, LINE, *link)) {
        fclose(*link);
        *link = NULL;
        strcpy(out, "ERR no answer from the first node\n");
    }
}

static void *serve(void *argument) {
    int client = (int)(long)argument;
    FILE *in = fdopen(client, "r"), *link = NULL;
    char line[LINE], word[4][WORD], out[LINE];
    while (fgets(line, sizeof line, in)) {
        int words = sscanf(line, "%63s %63s %63s %63s", word[0], word[1], word[2], word[3]);
        int is_get = words == 2 && strcmp(word[0], "GET") == 0;
        pthread_mutex_lock(&lock);
        if (words == 3 && strcmp(word[0], "SET") == 0) {
            set(word[1], word[2]);
            pthread_mutex_unlock(&lock);
            continue;
        }
        int mine = me == first || (is_get && local_reads);
        if (mine) answer(words, word, out);
        pthread_mutex_unlock(&lock);
        if (!mine) pass_on(&link, line, out);
        if (send(client, out, strlen(out), MSG_NOSIGNAL) < 0) break;
    }
    if (link) fclose(link);
    fclose(in);
    return NULL;
}

static void recover(const char *path) {
    char line[LINE], key[WORD], value[WORD];
    FILE *log = fopen(path, "a+");
    if (!log) { perror(path); exit(1); }
    long end = 0;
    while (fgets(line, sizeof line, log) && strchr(line, '\n')) {
        if (sscanf(line, "%63s %63s", key, value) == 2) set(key, value);
        end = ftell(log);
    }
    log_file = fileno(log);
    /* A last line without its end was never answered; what comes next must not grow onto it. */
    if (ftruncate(log_file, end) != 0) { perror(path); exit(1); }
}

int main(int argc, char **argv) {
    const char *path = NULL;
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "--log") == 0) path = argv[++i];
        else if (strcmp(argv[i], "--reads") == 0) local_reads = strcmp(argv[++i], "local") == 0;
        else if (equals && peer_count < PEERS) {
            snprintf(peers[peer_count].name, WORD, "%.*s", (int)(equals - argv[i]), argv[i]);
            snprintf(peers[peer_count].address, WORD, "%s", equals + 1);
            peers[peer_count++].link = -1;
        }
    }
    for (int i = 0; i < peer_count; i++) {
        if (strcmp(peers[i].name, peers[first].name) < 0) first = i;
        if (strcmp(peers[i].name, argv[2]) == 0) me = i;
    }
    port = atoi(argv[1]);
    if (path && me == first) recover(path);

    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 64)) {
        perror("listen");
        return 1;
    }
    printf("%s serves on port %d\n", argv[2], port);
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (pthread_create(&thread, NULL, serve, (void *)(long)client) == 0) pthread_detach(thread);
        else close(client);
    }
}
