/* gnuplot.c: see gnuplot.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/terminal.h"

extern char **environ;

enum { PATH_SIZE = 4096 + 256 + 8, OUTPUT_SIZE = 4096 };

/* The terminal that the name's extension asks for, in capitals or not; NULL for any other. */
static const char *terminal_of(const char *name)
{
    static const char *const known[] = {"svg", "png"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && dot != name && i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(dot + 1, known[i]) == 0) {
            return known[i];
        }
    }
    return NULL;
}

/* Directory, stem and extension of a path; false: a message. */
static bool split_path(struct gnuplot *plot, const char *path, char *message, size_t size)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    plot->terminal = terminal_of(name);
    if (!plot->terminal) {
        snprintf(message, size, "%s: expected a picture's name that ends in .svg or .png", path);
        return false;
    }
    const size_t stem = strlen(name) - 4, directory = slash ? (size_t)(slash - path) : 0;
    if (stem >= sizeof plot->stem || directory >= sizeof plot->directory) {
        snprintf(message, size, "%s: the name is too long", path);
        return false;
    }
    for (const char *at = path; *at; at++) {
        if ((unsigned char)*at < 0x20) {
            snprintf(message, size,
                     "the picture's name has a control character, which no script "
                     "of gnuplot can name");
            return false;
        }
    }
    snprintf(plot->stem, sizeof plot->stem, "%.*s", (int)stem, name);
    snprintf(plot->extension, sizeof plot->extension, "%s", name + stem + 1);
    snprintf(plot->directory, sizeof plot->directory, "%.*s", (int)directory, path);
    if (!*plot->directory) {
        strcpy(plot->directory, slash ? "/" : ".");
    }
    return true;
}

/* DIRECTORY/STEM.EXTENSION */
static void path_of(const struct gnuplot *plot, const char *extension, char *out, size_t size)
{
    snprintf(out, size, "%s/%s.%s", plot->directory, plot->stem, extension);
}

/* The first line of our scripts, by which they are known. */
static const char signature[] =
    "# gnuplot, run on this file in its directory, draws the picture again.\n";

static bool is_ours(const char *script)
{
    char line[sizeof signature] = "";
    FILE *file = fopen(script, "r");
    if (!file) {
        return false;
    }
    const bool same = fgets(line, sizeof line, file) && strcmp(line, signature) == 0;
    fclose(file);
    return same;
}

bool cli_gnuplot_accepts(const char *path, char *message, size_t size)
{
    struct gnuplot plot;
    char data[PATH_SIZE], script[PATH_SIZE];
    if (!split_path(&plot, path, message, size)) {
        return false;
    }
    path_of(&plot, "dat", data, sizeof data);
    path_of(&plot, "gp", script, sizeof script);
    const bool data_there = access(data, F_OK) == 0, script_there = access(script, F_OK) == 0;
    if ((data_there || script_there) && !is_ours(script)) {
        snprintf(message, size,
                 "%s would be replaced, and is not of an earlier picture: expected another name",
                 script_there ? script : data);
        return false;
    }
    return true;
}

bool cli_gnuplot_installed(void)
{
    const char *path = getenv("PATH");
    for (const char *end; path; path = *end ? end + 1 : NULL) {
        char program[PATH_SIZE];
        end = path + strcspn(path, ":");
        snprintf(program, sizeof program, "%.*s/gnuplot", (int)(end - path), path);
        if (access(program, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

bool cli_gnuplot_open(struct gnuplot *plot, const char *path, char *message, size_t size)
{
    char data[PATH_SIZE], script[PATH_SIZE];
    gemmlp_error error;
    *plot = (struct gnuplot){0};
    if (!split_path(plot, path, message, size)) {
        return false;
    }
    path_of(plot, "dat", data, sizeof data);
    path_of(plot, "gp", script, sizeof script);
    if (gm_atomic_open(&plot->data_file, data, &error) != GEMMLP_OK ||
        gm_atomic_open(&plot->script_file, script, &error) != GEMMLP_OK) {
        gm_atomic_abort(&plot->data_file);
        snprintf(message, size, "%s", error.message);
        return false;
    }
    plot->data = plot->data_file.stream;
    plot->script = plot->script_file.stream;
    return true;
}

void cli_gnuplot_abandon(struct gnuplot *plot)
{
    gm_atomic_abort(&plot->data_file);
    gm_atomic_abort(&plot->script_file);
}

/* gnuplot reads a string in single quotes as it stands: neither backslash nor backquote nor @ means
 * anything there. Its '' for a quote does not work everywhere, so quotes stand between strings, in
 * double quotes. Control characters would end the line. */
static void quote(FILE *out, const char *text, size_t bytes)
{
    putc('\'', out);
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '\'') {
            fputs("'.\"'\".'", out);
        } else {
            putc(c < 0x20 || c == 0x7F ? ' ' : c, out);
        }
    }
    putc('\'', out);
}

/* Bytes of the next line of `text`, *next what follows it. Breaks at the last blank that fits, else
 * between two characters. */
static size_t line_length(const char *text, size_t width, const char **next)
{
    size_t columns = 0, blank = 0, end = 0;
    for (; text[end]; end++) {
        const bool begins = ((unsigned char)text[end] & 0xC0) != 0x80;
        if (begins && width > 0 && columns == width) {
            break;
        }
        columns += begins;
    }
    for (size_t i = 0; text[end] && i <= end; i++) {
        blank = text[i] == ' ' ? i : blank;
    }
    size_t length = blank > 0 ? blank : end;
    *next = text + length;
    while (blank > 0 && length > 0 && text[length - 1] == ' ') {
        length--;
    }
    while (**next == ' ') {
        ++*next;
    }
    return length;
}

void cli_gnuplot_text(struct gnuplot *plot, const char *text, size_t width)
{
    const char *next = text;
    do {
        const size_t length = line_length(text, width, &next);
        quote(plot->script, text, length);
        fputs(*next ? ".\"\\n\"." : "", plot->script);
        text = next;
    } while (*next);
}

size_t cli_gnuplot_lines(const char *text, size_t width, size_t *longest)
{
    size_t lines = 0;
    do {
        const char *next;
        size_t length = line_length(text, width, &next), columns = 0;
        for (size_t i = 0; i < length; i++) {
            columns += ((unsigned char)text[i] & 0xC0) != 0x80;
        }
        *longest = columns > *longest ? columns : *longest;
        text = next;
        lines++;
    } while (*text);
    return lines;
}

/* "./": a name that begins with | or < would be a command to be run.
 *
 * Debian's gnuplot-nox has pngcairo and png, builds without cairo have png only, whose type looks
 * worse and whose points cannot be scaled by the terminal. In both a point of type is 4/3 of a
 * pixel. */
void cli_gnuplot_page(struct gnuplot *plot, int width, int height)
{
    FILE *out = plot->script;
    fprintf(out, "%sreset\nset encoding utf8\ndot = 1\n", signature);
    if (strcmp(plot->terminal, "svg") == 0) {
        fprintf(out,
                "set terminal svg noenhanced size %d,%d font 'DejaVu Sans,12' "
                "background '#ffffff'\n",
                width, height);
    } else {
        fprintf(out,
                "if (strstrt(GPVAL_TERMINALS, ' pngcairo ')) {\n"
                "    set terminal pngcairo noenhanced size %d,%d font 'Sans,12' fontscale 1.5 "
                "linewidth 2 pointscale 2 background '#ffffff'\n"
                "} else {\n"
                "    set terminal png noenhanced truecolor size %d,%d font 'Sans,12' "
                "fontscale 1.5 linewidth 2 background '#ffffff'\n"
                "    dot = 2\n"
                "}\n",
                2 * width, 2 * height, 2 * width, 2 * height);
    }
    char name[sizeof plot->stem + 8];
    snprintf(name, sizeof name, "./%s.%s", plot->stem, plot->extension);
    fprintf(out, "set output ");
    quote(out, name, strlen(name));
    snprintf(name, sizeof name, "./%s.dat", plot->stem);
    fprintf(out, "\ndata = ");
    quote(out, name, strlen(name));
    fprintf(out, "\nset border 3 lc rgb '#606060'\nset tics nomirror textcolor rgb '#000000'\n"
                 "set style fill solid 1 noborder\nunset key\n");
}

const char *cli_gnuplot_colour(size_t index)
{
    static const char *const colours[GNUPLOT_COLOURS] = {"#0072b2", "#e69f00", "#009e73",
                                                         "#cc79a7", "#56b4e9", "#d55e00",
                                                         "#999999", "#000000", "#882255"};
    return colours[index % GNUPLOT_COLOURS];
}

void cli_gnuplot_block(struct gnuplot *plot, const char *name)
{
    fprintf(plot->data, "%s# %s\n", ftell(plot->data) > 0 ? "\n\n" : "", name);
}

void cli_gnuplot_row(struct gnuplot *plot, const char *name)
{
    char shown[512];
    fprintf(plot->data, " # %s\n", cli_printable(name, shown, sizeof shown));
}

/* `cd` and the script's name in one command line: the script then runs as it would by hand. */
static int start(const struct gnuplot *plot, int errors, pid_t *child)
{
    char change[8 * PATH_SIZE], script[PATH_SIZE];
    FILE *stream = fmemopen(change, sizeof change, "w");
    if (!stream) {
        return errno;
    }
    fputs("cd ", stream);
    quote(stream, plot->directory, strlen(plot->directory));
    fclose(stream);
    snprintf(script, sizeof script, "./%s.gp", plot->stem);
    char program[] = "gnuplot", defaults[] = "-d", execute[] = "-e";
    char *arguments[] = {program, defaults, execute, change, script, NULL};
    posix_spawn_file_actions_t actions;
    int cause = posix_spawn_file_actions_init(&actions);
    if (cause != 0) {
        return cause;
    }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    cause = posix_spawnp(child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return cause;
}

/* The last line that says something: gnuplot shows the command first, then what is wrong. */
static const char *last_line(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr(" \n", text[length - 1])) {
        text[--length] = '\0';
    }
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* Runs gnuplot to its end: 0, or the errno why it did not start. *state is as of waitpid, and
 * output[OUTPUT_SIZE] the end of what it said. */
static int run(const struct gnuplot *plot, int *state, char *output)
{
    int ends[2];
    pid_t child;
    if (pipe(ends) != 0) {
        return errno;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    const int cause = start(plot, ends[1], &child);
    close(ends[1]);
    size_t length = 0;
    ssize_t got = 0;
    while (cause == 0 && ((got = read(ends[0], output + length, OUTPUT_SIZE - 1 - length)) > 0 ||
                          (got < 0 && errno == EINTR))) {
        length += got > 0 ? (size_t)got : 0;
        if (length > OUTPUT_SIZE / 2) { /* keep the later half */
            memmove(output, output + length - OUTPUT_SIZE / 2, OUTPUT_SIZE / 2);
            length = OUTPUT_SIZE / 2;
        }
    }
    output[length] = '\0';
    close(ends[0]);
    while (cause == 0 && waitpid(child, state, 0) < 0 && errno == EINTR) {
    }
    return cause;
}

bool cli_gnuplot_draw(struct gnuplot *plot, char *message, size_t size)
{
    char picture[PATH_SIZE], output[OUTPUT_SIZE], shown[512];
    gemmlp_error error;
    path_of(plot, plot->extension, picture, sizeof picture);
    const bool written = gm_atomic_commit(&plot->data_file, &error) == GEMMLP_OK &&
                         gm_atomic_commit(&plot->script_file, &error) == GEMMLP_OK;
    gm_atomic_abort(&plot->script_file);
    if (!written) {
        snprintf(message, size, "%s", error.message);
        return false;
    }
    unlink(picture); /* an older one must not pass for this one */
    int state = 0;
    struct stat status;
    const int cause = run(plot, &state, output);
    if (cause == ENOENT || (cause == 0 && WIFEXITED(state) && WEXITSTATUS(state) == 127)) {
        snprintf(message, size,
                 "%s was not drawn: there is no program gnuplot (Debian, Ubuntu: package "
                 "gnuplot-nox); its data and script are %s.dat and %s.gp in %s",
                 picture, plot->stem, plot->stem, plot->directory);
    } else if (cause != 0) {
        snprintf(message, size, "%s was not drawn: could not start gnuplot: %s", picture,
                 strerror(cause));
    } else if (WIFSIGNALED(state)) {
        snprintf(message, size, "%s was not drawn: gnuplot was ended by signal %d", picture,
                 WTERMSIG(state));
    } else if (WEXITSTATUS(state) != 0 || stat(picture, &status) != 0 || status.st_size == 0) {
        snprintf(message, size, "%s was not drawn: gnuplot ended with %d and said: %s", picture,
                 WEXITSTATUS(state), cli_printable(last_line(output), shown, sizeof shown));
    } else {
        return true;
    }
    return false;
}
