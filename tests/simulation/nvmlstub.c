/*
 * A libnvidia-ml.so.1 that answers from a text file, so that the truth is known exactly.
 *
 * The file is named by NVML_STUB_WORLD and read again at every call: a test rewrites it to let time
 * pass, lose a GPU or reset a counter. Lines are key=value, those of GPU 0 begin with "0.", and a key
 * that is missing means the default written beside it below. nvml_stub.py writes the file.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15, MOST_GPUS = 16 };

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { unsigned pid; unsigned long long time_us; unsigned sm, memory, encoder, decoder; } sample_t;

static __thread char world[1 << 16];
static int reads[MOST_GPUS];
static int holds;

static void look(void) {
    FILE *file = fopen(getenv("NVML_STUB_WORLD"), "r");
    size_t length = file ? fread(world, 1, sizeof world - 1, file) : 0;
    world[length] = 0;
    if (file) fclose(file);
}

/* The value of a key, up to the end of its line, in a buffer that lasts until the next call. */
static const char *text(int gpu, const char *key, const char *missing) {
    static __thread char value[4096];
    char line_start[64];
    if (gpu < 0) snprintf(line_start, sizeof line_start, "\n%s=", key);
    else snprintf(line_start, sizeof line_start, "\n%d.%s=", gpu, key);
    const char *found = strstr(world, line_start);
    snprintf(value, sizeof value, "%s", found ? found + strlen(line_start) : missing);
    value[strcspn(value, "\n")] = 0;
    return value;
}

static double number(int gpu, const char *key, const char *missing) { return atof(text(gpu, key, missing)); }

/* Handles are small numbers: GPU 0 is 1, its MIG slices are 101, 102... */
static int gpu_of(void *handle) { return (int)(((long)handle % 100) - 1); }

static int code(int gpu, const char *key) {
    look();
    return (int)number(gpu, key, "0");
}

/* Seconds since the trace began, on the clock that the test has stopped or else on CLOCK_MONOTONIC. */
static double elapsed_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char running[32];
    snprintf(running, sizeof running, "%.9f", now.tv_sec + now.tv_nsec / 1e9);
    return fmax(0, number(-1, "clock_s", running) - number(-1, "t0_s", "0"));
}

/* Joules and watts of the piecewise-constant trace "second:watts,second:watts" at a moment. */
static double trace(int gpu, double at_s, double *watts) {
    double joules = 0, since_s = 0;
    *watts = 0;
    const char *step = text(gpu, "trace", "0:100");
    while (step && *step) {
        char *rest;
        double from_s = strtod(step, &rest);
        if (from_s > at_s) break;
        joules += *watts * (from_s - since_s);
        since_s = from_s;
        *watts = strtod(rest + 1, NULL);
        step = strchr(step, ',');
        if (step) step++;
    }
    return joules + *watts * (at_s - since_s);
}

/* What stands in the way of reading a GPU's sensors: an error code, or OK. */
static int obstacle(int gpu, const char *key) {
    int failure = code(gpu, key), most = (int)number(gpu, "lost_after", "-1");
    if (!holds) return UNINITIALIZED;
    if (failure) return failure;
    return most >= 0 && reads[gpu]++ >= most ? LOST : OK;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int failure = code(-1, "init_code");
    holds += !failure;
    return failure;
}

int nvmlShutdown(void) { return holds ? (holds--, OK) : UNINITIALIZED; }

const char *nvmlErrorString(int result) {
    static __thread char message[32];
    snprintf(message, sizeof message, "stub error %d", result);
    return message;
}

int nvmlDeviceGetCount_v2(unsigned *count) { look(); *count = (unsigned)number(-1, "gpus", "0"); return OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(long)(index + 1);
    look();
    if (index >= (unsigned)number(-1, "gpus", "0")) return INVALID;
    return code((int)index, "handle_code");
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    look();
    for (int gpu = 0; gpu < (int)number(-1, "gpus", "0"); gpu++) {
        char slices[4096], *left = slices, *slice;
        snprintf(slices, sizeof slices, "%s", text(gpu, "mig", ""));
        *handle = (void *)(long)(gpu + 1);
        if (!strcmp(text(gpu, "uuid", ""), uuid)) return OK;
        for (long number = 1; (slice = strsep(&left, ",")); number++) {
            *handle = (void *)(100 * number + gpu + 1);
            if (!strcmp(slice, uuid)) return OK;
        }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *slice, void **parent) {
    *parent = (void *)((long)slice % 100);
    return (long)slice > 100 ? OK : INVALID;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    int failure = code(gpu_of(handle), "handle_code");
    snprintf(name, length, "%s", text(gpu_of(handle), "name", "NVIDIA Stub"));
    return failure;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    int failure = code(gpu_of(handle), "handle_code");
    snprintf(uuid, length, "%s", text(gpu_of(handle), "uuid", ""));
    return failure;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    look();
    *current = *pending = *text(gpu_of(handle), "mig", "") != 0;
    return *current ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    int gpu = gpu_of(handle), failure = obstacle(gpu, "energy_code");
    if (failure) return failure;
    double watts, tick_s = number(gpu, "tick_s", "0.1");
    /* The nudge keeps 0.3 / 0.1 from falling into the tick before. */
    double at_s = tick_s > 0 ? floor(elapsed_s() / tick_s + 1e-9) * tick_s : elapsed_s();
    *millijoules = (unsigned long long)(number(gpu, "base_mj", "0") + 1000 * trace(gpu, at_s, &watts) + 1e-6);
    return OK;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    int gpu = gpu_of(handle), failure = obstacle(gpu, "power_code");
    if (failure) return failure;
    double watts;
    trace(gpu, elapsed_s(), &watts);
    *milliwatts = (unsigned)(1000 * watts);
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) {
    look();
    *milliwatts = (unsigned)(1000 * number(gpu_of(handle), "limit_w", "0"));
    return *milliwatts ? OK : NOT_SUPPORTED;
}

static int processes(int gpu, const char *key, unsigned *count, process_t *out) {
    int failure = code(gpu, "process_code");
    if (failure) return failure;
    unsigned room = *count;
    const char *entry = text(gpu, key, "");
    for (*count = 0; entry && *entry; (*count)++) {
        if (out && *count < room) out[*count] = (process_t){.pid = (unsigned)atoi(entry)};
        entry = strchr(entry, ',');
        if (entry) entry++;
    }
    return *count > room ? TOO_SMALL : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_t *out) {
    return processes(gpu_of(handle), "pids", count, out);
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *handle, unsigned *count, process_t *out) {
    return processes(gpu_of(handle), "mps_pids", count, out);
}

/* "sm" is pid:percent,pid:percent */
int nvmlDeviceGetProcessUtilization(void *handle, sample_t *out, unsigned *count, unsigned long long since) {
    (void)since;
    look();
    unsigned room = out ? *count : 0;
    const char *entry = text(gpu_of(handle), "sm", "");
    if (!*entry) return NOT_SUPPORTED;
    for (*count = 0; entry && *entry; (*count)++) {
        const char *percent = strchr(entry, ':') + 1;
        if (*count < room) out[*count] = (sample_t){.pid = (unsigned)atoi(entry), .sm = (unsigned)atoi(percent)};
        entry = strchr(entry, ',');
        if (entry) entry++;
    }
    return *count > room ? TOO_SMALL : OK;
}
