/* blas_library.c: see blas_library.h. The table of libraries, and the loader. */
#define _GNU_SOURCE /* dladdr */
#include "linalg/blas_library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what each library says of itself -------------------------------------------------------- */

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …": its name and number are kept. */
static void describe_openblas(struct blas_library *library)
{
    enum { SERIAL, OWN_THREADS, OPENMP };
    char *(*config)(void), *(*core)(void);
    int (*parallel)(void);
    if (gm_blas_symbol(library, "openblas_get_config", &config)) {
        const char *text = config();
        size_t length = strcspn(text, " ");
        length += strspn(text + length, " ");
        length += strcspn(text + length, " ");
        snprintf(library->version, sizeof library->version, "%.*s", (int)length, text);
        library->wide = library->wide || strstr(text, "USE64BITINT");
    }
    if (gm_blas_symbol(library, "openblas_get_corename", &core))
        snprintf(library->kernel, sizeof library->kernel, "%s", core());
    if (!gm_blas_symbol(library, "openblas_get_parallel", &parallel) || parallel() == OPENMP)
        return;
    if (parallel() == SERIAL) {
        library->notice = "this OpenBLAS has one thread; its OpenMP build (Debian: "
                          "libopenblas0-openmp) uses all";
        return;
    }
    library->notice = "this OpenBLAS has threads of its own, which spin beside those of OpenMP: "
                      "its OpenMP build (Debian: libopenblas0-openmp) is several times faster, and "
                      "so is OMP_WAIT_POLICY=passive";
    gm_blas_symbol(library, "openblas_get_num_threads", &library->get_threads);
    gm_blas_symbol(library, "openblas_set_num_threads", &library->set_threads);
}

/* BLIS counts in dim_t, 64 bits unless it was built otherwise, also where its CBLAS takes int. */
static void describe_blis(struct blas_library *library)
{
    const char *(*version)(void), *(*arch)(int);
    int (*arch_id)(void);
    int64_t (*integer_bits)(void);
    if (gm_blas_symbol(library, "bli_info_get_version_str", &version))
        snprintf(library->version, sizeof library->version, "BLIS %s", version());
    if (gm_blas_symbol(library, "bli_arch_query_id", &arch_id) &&
        gm_blas_symbol(library, "bli_arch_string", &arch))
        snprintf(library->kernel, sizeof library->kernel, "%s", arch(arch_id()));
    if (gm_blas_symbol(library, "bli_info_get_blas_int_type_size", &integer_bits))
        library->wide = integer_bits() == 64;
    gm_blas_symbol(library, "bli_thread_get_num_threads", &library->get_threads_wide);
    gm_blas_symbol(library, "bli_thread_set_num_threads", &library->set_threads_wide);
}

/* "Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build …": up to the number. Both
 * layers are chosen before the first product, whatever MKL_THREADING_LAYER and MKL_INTERFACE_LAYER
 * say: the OpenMP of gcc, so that there is one pool of threads, and 32-bit integers. */
static void describe_mkl(struct blas_library *library)
{
    enum { INTERFACE_LP64 = 0, THREADING_GNU = 3 };
    int (*set_interface)(int), (*set_threading)(int);
    void (*version)(char *, int);
    if (gm_blas_symbol(library, "MKL_Set_Interface_Layer", &set_interface))
        set_interface(INTERFACE_LP64);
    if (gm_blas_symbol(library, "MKL_Set_Threading_Layer", &set_threading))
        set_threading(THREADING_GNU);
    if (gm_blas_symbol(library, "MKL_Get_Version_String", &version)) {
        char text[256] = "", *number;
        version(text, sizeof text - 1);
        number = strstr(text, "Version ");
        number = number ? number + strlen("Version ") : text;
        snprintf(library->version, sizeof library->version, "MKL %.*s", (int)strcspn(number, " -"),
                 number);
    }
    gm_blas_symbol(library, "MKL_Get_Max_Threads", &library->get_threads);
    gm_blas_symbol(library, "MKL_Set_Num_Threads", &library->set_threads);
}

static void describe_atlas(struct blas_library *library)
{
    library->notice = "ATLAS is several times slower than OpenBLAS (Debian: libopenblas0-openmp)";
}

static void describe_netlib(struct blas_library *library)
{
    library->notice = "netlib's BLAS is simple loops on one thread: OpenBLAS (Debian: "
                      "libopenblas0-openmp) is many times faster";
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct blas_row rows[] = {
    {"openblas",
     "OpenBLAS: fast on every CPU",
     "libopenblas0-openmp",
     {"libopenblas.so.0", "/usr/lib/*/openblas-openmp/libopenblas.so.0",
      "/usr/lib/*/openblas-pthread/libopenblas.so.0",
      "/usr/lib/*/openblas-serial/libopenblas.so.0"},
     "openblas_get_config",
     describe_openblas},
    {"blis",
     "BLIS, also AMD's",
     "libblis4-openmp",
     {"libblis.so.4", "/usr/lib/*/blis-openmp/libblis.so.4", "/usr/lib/*/blis-pthread/libblis.so.4",
      "/usr/lib/*/blis-serial/libblis.so.4"},
     "bli_info_get_version_str",
     describe_blis},
    {"mkl",
     "Intel's oneMKL",
     "libmkl-rt (non-free)",
     {"libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"},
     "MKL_Get_Version_String",
     describe_mkl},
    {"atlas",
     "ATLAS, as it was tuned when it was built",
     "libatlas3-base",
     {"/usr/lib/*/atlas/libblas.so.3", "libtatlas.so.3", "libsatlas.so.3"},
     "ATL_sgemm",
     describe_atlas},
    {"netlib",
     "the reference BLAS: simple loops, one thread",
     "libblas3",
     {"/usr/lib/*/blas/libblas.so.3", "libblas.so.3", "libcblas.so.3"},
     NULL,
     describe_netlib},
};

enum { ROWS = sizeof rows / sizeof *rows };

const struct blas_row *gm_blas_row_at(size_t index)
{
    return index < ROWS ? &rows[index] : NULL;
}

size_t gm_blas_rows(void)
{
    return ROWS;
}

/* Candidate `*index` of one, which is many if it is a pattern; false: *index is less by as many as
 * there are. */
static bool expand(const char *candidate, size_t *index, char path[BLAS_PATH_SIZE])
{
    glob_t found = {0};
    bool here = false;
    if (!strchr(candidate, '*')) {
        snprintf(path, BLAS_PATH_SIZE, "%s", candidate);
        return (*index)-- == 0;
    }
    if (glob(candidate, 0, NULL, &found) == 0) {
        here = *index < found.gl_pathc;
        if (here)
            snprintf(path, BLAS_PATH_SIZE, "%s", found.gl_pathv[*index]);
        *index -= found.gl_pathc;
    }
    globfree(&found);
    return here;
}

static bool candidate_of(const struct blas_row *row, size_t *index, char path[BLAS_PATH_SIZE])
{
    for (size_t i = 0; row->candidates[i]; i++)
        if (expand(row->candidates[i], index, path))
            return true;
    return false;
}

bool gm_blas_candidate_at(size_t index, struct blas_candidate *out)
{
    for (out->row = rows; out->row < rows + ROWS; out->row++)
        if (candidate_of(out->row, &index, out->path))
            return true;
    return false;
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* dlsym looks in the library and in what it depends on, nowhere else in the process. */
static void *address(const struct blas_library *library, const char *name)
{
    char full[96];
    snprintf(full, sizeof full, "%s%s%s", library->prefix, name, library->suffix);
    return dlsym(library->handle, full);
}

bool gm_blas_symbol(const struct blas_library *library, const char *name, void *function)
{
    void *found = address(library, name);
    memcpy(function, &found, sizeof found); /* C has no cast from an object to a function */
    return found != NULL;
}

/* PyPI's scipy-openblas32 and the copies inside NumPy and SciPy have "scipy_cblas_sgemm"; builds
 * with 64-bit integers have "cblas_sgemm64_". */
static bool find_products(struct blas_library *library)
{
    static const char *const prefixes[] = {"", "scipy_"}, *const suffixes[] = {"", "64_"};
    for (int i = 0; i < 4; i++) {
        library->prefix = prefixes[i & 1];
        library->suffix = suffixes[i >> 1];
        library->wide = i >> 1;
        if (address(library, "cblas_sgemm") && address(library, "cblas_dgemm"))
            return true;
    }
    return false;
}

static void bind_products(struct blas_library *library)
{
    gm_blas_symbol(library, "cblas_sgemm",
                   library->wide ? (void *)&library->sgemm_wide : (void *)&library->sgemm);
    gm_blas_symbol(library, "cblas_dgemm",
                   library->wide ? (void *)&library->dgemm_wide : (void *)&library->dgemm);
}

/* ---- what was loaded ------------------------------------------------------------------------- */

static void find_path(struct blas_library *library)
{
    Dl_info info;
    if (!dladdr(address(library, "cblas_sgemm"), &info) || !info.dli_fname)
        return;
    char *real = realpath(info.dli_fname, NULL);
    snprintf(library->path, sizeof library->path, "%s", real ? real : info.dli_fname);
    free(real);
}

/* netlib's has no symbol that the others do not have, but an old name. */
static bool is_library_of(const struct blas_row *row, const struct blas_library *library)
{
    const char *base = strrchr(library->path, '/');
    return row->marker ? address(library, row->marker) != NULL
                       : base && (strncmp(base, "/libblas.so", 11) == 0 ||
                                  strncmp(base, "/libcblas.so", 12) == 0);
}

static void describe(struct blas_library *library)
{
    for (size_t r = 0; r < ROWS; r++) {
        if (is_library_of(&rows[r], library)) {
            snprintf(library->name, sizeof library->name, "%s", rows[r].name);
            rows[r].describe(library);
            return;
        }
    }
    snprintf(library->name, sizeof library->name, "cblas");
}

struct blas_library gm_blas_beneath(void *handle)
{
    struct blas_library library = {.handle = handle, .prefix = "", .suffix = ""};
    describe(&library);
    return library;
}

int gm_blas_set_threads(const struct blas_library *library, int threads)
{
    int before = threads;
    if (library->get_threads && library->set_threads) {
        before = library->get_threads();
        if (before != threads)
            library->set_threads(threads);
    } else if (library->get_threads_wide && library->set_threads_wide) {
        before = (int)library->get_threads_wide();
        if (before != threads)
            library->set_threads_wide(threads);
    }
    return before;
}

/* ---- the loader ------------------------------------------------------------------------------ */

enum { REASON_SIZE = 500 };

/* RTLD_LOCAL: its symbols are for those who ask through the handle. RTLD_NODELETE: an OpenMP
 * runtime that came with it has threads that live on; unloading would take their code away.
 * False: `reason` says why it is no CBLAS. */
static bool load(const char *path, struct blas_library *library, char *reason, size_t size)
{
    *library = (struct blas_library){0};
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library->handle) {
        const char *text = dlerror();
        snprintf(reason, size, "%s", text ? text : "dlopen failed");
        return false;
    }
    if (!find_products(library)) {
        snprintf(reason, size,
                 "%s has no cblas_sgemm and cblas_dgemm (nor scipy_cblas_sgemm, cblas_sgemm64_, "
                 "scipy_cblas_sgemm64_)",
                 path);
        return false;
    }
    find_path(library);
    describe(library);
    bind_products(library);
    if (!library->version[0]) {
        const char *base = strrchr(library->path, '/');
        snprintf(library->version, sizeof library->version, "%.100s",
                 base ? base + 1 : library->path);
    }
    return true;
}

/* The first candidate that is a CBLAS. It stays loaded, so that whatever it turns out to be ends
 * the search: the next would be a second BLAS in the process. */
static bool load_row(const struct blas_row *row, struct blas_library *library, char *reason,
                     size_t size)
{
    char path[BLAS_PATH_SIZE], why[REASON_SIZE];
    size_t index = 0;
    for (size_t i = 0; candidate_of(row, &index, path); index = ++i) {
        if (load(path, library, why, sizeof why))
            return true;
        /* Of a file that exists, the reason is worth more than that another was not found. */
        if (!reason[0] || strchr(path, '/'))
            snprintf(reason, size, "%s", why);
    }
    return false;
}

static gemmlp_status fail_missing(const struct blas_row *row, const char *reason,
                                  gemmlp_error *error)
{
    char tried[300] = "";
    for (size_t i = 0; row->candidates[i]; i++) {
        const size_t used = strlen(tried);
        snprintf(tried + used, sizeof tried - used, "%s%s", i ? ", " : "", row->candidates[i]);
    }
    return gm_fail(error, GEMMLP_UNSUPPORTED,
                   "the library of provider '%s' could not be loaded: %s; tried %s; Debian's "
                   "package is %s",
                   row->name, reason, tried, row->package);
}

gemmlp_status gm_blas_open(const struct blas_row *row, struct blas_library *library,
                           gemmlp_error *error)
{
    char reason[REASON_SIZE] = "";
    if (row && load_row(row, library, reason, sizeof reason)) {
        if (strcmp(library->name, row->name) == 0)
            return GEMMLP_OK;
        snprintf(reason, sizeof reason, "what stands in its place is %s, %.300s", library->name,
                 library->path);
    }
    for (size_t r = 0; !row && r < ROWS; r++)
        if (load_row(&rows[r], library, reason, sizeof reason))
            return GEMMLP_OK;
    *library = (struct blas_library){0};
    return row ? fail_missing(row, reason[0] ? reason : "no such file", error)
               : gm_fail(error, GEMMLP_UNSUPPORTED,
                         "no CBLAS library was found; Debian's package of %s is %s", rows[0].name,
                         rows[0].package);
}

gemmlp_status gm_blas_open_path(const char *path, struct blas_library *library, gemmlp_error *error)
{
    char reason[REASON_SIZE];
    if (load(path, library, reason, sizeof reason))
        return GEMMLP_OK;
    *library = (struct blas_library){0};
    return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                   "provider '%.300s': expected a shared library with cblas_sgemm and cblas_dgemm, "
                   "found: %s",
                   path, reason);
}
