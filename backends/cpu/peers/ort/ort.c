// A server around the C library of ONNX Runtime, so that nothing but the
// library's own work is in a time: no interpreter's start, heap or call cost.
//
//	cc -O2 -o ort ort.c -ldl
//	./ort libonnxruntime.so.1
//
// It reads commands from stdin, one a line, and answers each with one line that
// begins with ok or error. Tensors follow their line as raw little-endian bytes.
//
//	version                         ok 1.30.0
//	threads N                       for the next load; intra-op, sequential execution
//	optimize N                      for the next load: 0, 1, 2 or 99 (all, the default)
//	dim NAME N                      for the next load: a symbolic axis gets a value
//	load PATH                       ok NANOSECONDS
//	in NAME TYPE RANK D...          + bytes; TYPE 1 is float32, 7 is int64
//	run N                           ok NS NS ...: N runs, each timed on the monotonic clock
//	out                             ok COUNT, then for each output: NAME TYPE RANK D... and bytes
//	rss                             ok BYTES, the peak resident set so far
//	quit
//
// The library's interface is a table of functions that is only ever appended to
// (its ABI rule), so the positions below hold for every version since 1.3 and no
// header is needed.
#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct Status Status;
typedef struct {
	const void *const *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} ApiBase;

static const void *const *api;

#define API_VERSION 11
#define CALL(slot, ret, ...) ((ret(*)(__VA_ARGS__))api[slot])

enum {
	GetErrorMessage = 2,
	CreateEnv = 3,
	CreateSession = 7,
	Run = 9,
	CreateSessionOptions = 10,
	SetSessionExecutionMode = 13,
	SetSessionGraphOptimizationLevel = 23,
	SetIntraOpNumThreads = 24,
	SetInterOpNumThreads = 25,
	SessionGetOutputCount = 31,
	SessionGetOutputName = 37,
	CreateTensorWithDataAsOrtValue = 49,
	GetTensorMutableData = 51,
	GetTensorElementType = 60,
	GetDimensionsCount = 61,
	GetDimensions = 62,
	GetTensorTypeAndShape = 65,
	CreateCpuMemoryInfo = 69,
	AllocatorFree = 76,
	GetAllocatorWithDefaultOptions = 78,
	ReleaseStatus = 93,
	ReleaseSession = 95,
	ReleaseValue = 96,
	ReleaseTensorTypeAndShapeInfo = 99,
	ReleaseSessionOptions = 100,
	AddFreeDimensionOverrideByName = 124,
};

enum { MAX = 256, RANK = 8, FLOAT = 1, INT64 = 7 };

static void *env, *session, *memory, *allocator;
static int threads = 1, optimize = 99;
static struct { char name[128]; int64_t n; } dims[8];
static int ndims;
static char *in_name[MAX], *out_name[MAX];
static void *in_value[MAX], *in_data[MAX], *out_value[MAX];
static size_t nin, nout;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// fail answers with an error of the library or, with no status, of our own.
static int fail(Status *s, const char *what) {
	const char *msg = s ? CALL(GetErrorMessage, const char *, Status *)(s) : what;
	printf("error ");
	for (; *msg; msg++) putchar(*msg == '\n' || *msg == '\r' ? ' ' : *msg);
	putchar('\n');
	if (s) CALL(ReleaseStatus, void, Status *)(s);
	return 0;
}

#define TRY(x) do { Status *s_ = (x); if (s_) return fail(s_, NULL); } while (0)

static void forget_outputs(void) {
	for (size_t i = 0; i < nout; i++) {
		if (out_value[i]) CALL(ReleaseValue, void, void *)(out_value[i]);
		out_value[i] = NULL;
	}
}

static void unload(void) {
	forget_outputs();
	for (size_t i = 0; i < nout; i++) free(out_name[i]);
	for (size_t i = 0; i < nin; i++) {
		CALL(ReleaseValue, void, void *)(in_value[i]);
		free(in_data[i]);
		free(in_name[i]);
	}
	nin = nout = 0;
	if (session) CALL(ReleaseSession, void, void *)(session);
	session = NULL;
}

static int load(const char *path) {
	void *o = NULL;
	unload();
	int64_t t = now();
	TRY(CALL(CreateSessionOptions, Status *, void **)(&o));
	TRY(CALL(SetSessionExecutionMode, Status *, void *, int)(o, 0));
	TRY(CALL(SetSessionGraphOptimizationLevel, Status *, void *, int)(o, optimize));
	TRY(CALL(SetIntraOpNumThreads, Status *, void *, int)(o, threads));
	TRY(CALL(SetInterOpNumThreads, Status *, void *, int)(o, 1));
	for (int i = 0; i < ndims; i++)
		TRY(CALL(AddFreeDimensionOverrideByName, Status *, void *, const char *, int64_t)(o, dims[i].name, dims[i].n));
	Status *s = CALL(CreateSession, Status *, void *, const char *, void *, void **)(env, path, o, &session);
	CALL(ReleaseSessionOptions, void, void *)(o);
	if (s) {
		session = NULL;
		return fail(s, NULL);
	}
	size_t n;
	TRY(CALL(SessionGetOutputCount, Status *, void *, size_t *)(session, &n));
	if (n > MAX) return fail(NULL, "too many outputs");
	for (; nout < n; nout++) {
		char *name;
		TRY(CALL(SessionGetOutputName, Status *, void *, size_t, void *, char **)(session, nout, allocator, &name));
		out_name[nout] = strdup(name);
		TRY(CALL(AllocatorFree, Status *, void *, void *)(allocator, name));
	}
	printf("ok %" PRId64 "\n", now() - t);
	return 0;
}

static int input(char *args) {
	char name[512];
	int type, rank, used;
	int64_t d[RANK];
	size_t size;
	if (sscanf(args, "%511s %d %d%n", name, &type, &rank, &used) != 3 || rank < 0 || rank > RANK || (type != FLOAT && type != INT64))
		return -1;
	size = type == FLOAT ? 4 : 8;
	args += used;
	for (int i = 0; i < rank; i++) {
		if (sscanf(args, "%" SCNd64 "%n", &d[i], &used) != 1 || d[i] < 1) return -1;
		size *= (size_t)d[i];
		args += used;
	}
	void *data = NULL;
	// Aligned as its own tensors are.
	if (posix_memalign(&data, 64, size + 64) != 0 || fread(data, 1, size, stdin) != size) return -1;
	size_t i = 0;
	while (i < nin && strcmp(in_name[i], name) != 0) i++;
	if (i == MAX) return -1;
	void *value;
	Status *s = CALL(CreateTensorWithDataAsOrtValue, Status *, void *, void *, size_t, const int64_t *, size_t, int, void **)(
		memory, data, size, d, (size_t)rank, type, &value);
	if (s) {
		free(data);
		return fail(s, NULL);
	}
	if (i == nin) {
		in_name[nin++] = strdup(name);
	} else {
		CALL(ReleaseValue, void, void *)(in_value[i]);
		free(in_data[i]);
	}
	in_value[i] = value;
	in_data[i] = data;
	forget_outputs(); // their shapes may change
	printf("ok\n");
	return 0;
}

static int run(int n) {
	if (!session) return fail(NULL, "no model is loaded");
	int64_t *ns = malloc(sizeof *ns * (size_t)(n > 0 ? n : 1));
	if (!ns) return fail(NULL, "out of memory");
	for (int i = 0; i < n; i++) {
		int64_t t = now();
		// Outputs of the first run are written again by the next ones.
		Status *s = CALL(Run, Status *, void *, void *, char **, void **, size_t, char **, size_t, void **)(
			session, NULL, in_name, in_value, nin, out_name, nout, out_value);
		ns[i] = now() - t;
		if (s) {
			free(ns);
			return fail(s, NULL);
		}
	}
	printf("ok");
	for (int i = 0; i < n; i++) printf(" %" PRId64, ns[i]);
	printf("\n");
	free(ns);
	return 0;
}

static int output(void) {
	for (size_t i = 0; i < nout; i++)
		if (!out_value[i]) return fail(NULL, "the model has not run");
	printf("ok %zu\n", nout);
	for (size_t i = 0; i < nout; i++) {
		void *info, *data;
		int type;
		size_t rank, size;
		int64_t d[RANK];
		TRY(CALL(GetTensorTypeAndShape, Status *, void *, void **)(out_value[i], &info));
		TRY(CALL(GetTensorElementType, Status *, void *, int *)(info, &type));
		TRY(CALL(GetDimensionsCount, Status *, void *, size_t *)(info, &rank));
		if (rank > RANK || (type != FLOAT && type != INT64)) return fail(NULL, "an output is neither float32 nor int64 of rank 8 at most");
		TRY(CALL(GetDimensions, Status *, void *, int64_t *, size_t)(info, d, rank));
		CALL(ReleaseTensorTypeAndShapeInfo, void, void *)(info);
		TRY(CALL(GetTensorMutableData, Status *, void *, void **)(out_value[i], &data));
		size = type == FLOAT ? 4 : 8;
		printf("%s %d %zu", out_name[i], type, rank);
		for (size_t j = 0; j < rank; j++) {
			printf(" %" PRId64, d[j]);
			size *= (size_t)d[j];
		}
		putchar('\n');
		fwrite(data, 1, size, stdout);
	}
	return 0;
}

int main(int argc, char **argv) {
	if (argc != 2) {
		fprintf(stderr, "usage: ort LIBONNXRUNTIME\n");
		return 2;
	}
	void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	const ApiBase *(*get_base)(void) = lib ? (const ApiBase *(*)(void))dlsym(lib, "OrtGetApiBase") : NULL;
	if (!get_base) {
		fprintf(stderr, "ort: %s\n", dlerror());
		return 1;
	}
	const ApiBase *base = get_base();
	api = base->get_api(API_VERSION);
	if (!api) {
		fprintf(stderr, "ort: version %s is too old\n", base->get_version());
		return 1;
	}
	if (CALL(CreateEnv, Status *, int, const char *, void **)(3 /* errors */, "incc", &env) ||
	    CALL(CreateCpuMemoryInfo, Status *, int, int, void **)(0 /* device */, 0 /* default */, &memory) ||
	    CALL(GetAllocatorWithDefaultOptions, Status *, void **)(&allocator)) {
		fprintf(stderr, "ort: the library does not start\n");
		return 1;
	}
	static char line[8192];
	while (fgets(line, sizeof line, stdin)) {
		size_t n = strcspn(line, "\n");
		if (line[n] != '\n') return 1;
		line[n] = 0;
		char *args = strchr(line, ' ');
		args = args ? (*args = 0, args + 1) : line + n;
		int bad = 0;
		if (!strcmp(line, "version")) printf("ok %s\n", base->get_version());
		else if (!strcmp(line, "threads")) bad = (threads = atoi(args)) < 1 || printf("ok\n") < 0;
		else if (!strcmp(line, "optimize")) optimize = atoi(args), printf("ok\n");
		else if (!strcmp(line, "dim")) {
			bad = ndims == 8 || sscanf(args, "%127s %" SCNd64, dims[ndims].name, &dims[ndims].n) != 2;
			if (!bad) ndims++, printf("ok\n");
		}
		else if (!strcmp(line, "load")) bad = load(args), ndims = 0;
		else if (!strcmp(line, "in")) bad = input(args);
		else if (!strcmp(line, "run")) bad = run(atoi(args));
		else if (!strcmp(line, "out")) bad = output();
		else if (!strcmp(line, "rss")) {
			struct rusage u;
			getrusage(RUSAGE_SELF, &u);
			printf("ok %lld\n", (long long)u.ru_maxrss * 1024);
		}
		else if (!strcmp(line, "quit")) break;
		else bad = 1;
		if (bad) {
			printf("error bad command: %s %.200s\n", line, args);
			fflush(stdout);
			return 1; // what follows on stdin may be a tensor
		}
		fflush(stdout);
	}
	unload();
	return 0;
}
