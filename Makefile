# make           the program, build/ssvbench
# make demo      set up what is missing, build, run the demonstration and draw its figure
# make test      set up what is missing, build, run every test (two at a time on two cores)
# make check     format, static analysis, include direction, exit codes
# make info      what was found on this machine
# Variables: CC, O (optimisation flags), PREFIX, DESTDIR, BUILD (output folder), SAN=1 (sanitizers)

CC     ?= gcc
BUILD  ?= build
O      ?= -O3
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)

PKGS   := openblas hdf5 jansson inih libmd zlib
LDPKG  := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lhdf5_hl
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DIRTY  := $(if $(shell git status --porcelain 2>/dev/null),1,0)

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
SANFLAGS := $(if $(SAN),-fsanitize=address$(,)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
, := ,
CFLAGS_ALL := -std=c11 $(O) -g $(WARN) $(SANFLAGS) $(CFLAGS)
CPPFLAGS_ALL := -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
LIBS   := $(LDPKG) -lm -lpthread

# The program's own folders; kernels/cpu is compiled once per instruction set.
FOLDERS := core kernels kernels/ref nn data results methods protocols reports
SRC     := $(wildcard $(FOLDERS:%=%/*.c))
CPUSRC  := $(wildcard kernels/cpu/*.c)
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)
ISAS    := $(if $(filter x86_64,$(ARCH)),sse2 avx2 avx512,generic)
FLAGS_sse2    := -msse2
FLAGS_avx2    := -mavx2 -mfma
FLAGS_avx512  := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
FLAGS_generic :=

OBJ     := $(SRC:%.c=$(BUILD)/obj/%.o)
CPUOBJ  := $(foreach i,$(ISAS),$(CPUSRC:%.c=$(BUILD)/obj/%.$(i).o))
CLIOBJ  := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bench/*.c))
LIB     := $(BUILD)/libssvbench.a
# The double-precision twin of what gradients go through.
F64SRC  := $(wildcard core/*.c kernels/ref/*.c nn/*.c)
F64OBJ  := $(F64SRC:%.c=$(BUILD)/f64/%.o)
LIB64   := $(BUILD)/libssvbench64.a

TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/t*.c))
TESTS64 := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/g*.c))

all: $(BUILD)/ssvbench

$(BUILD)/ssvbench: $(CLIOBJ) $(LIB)
	$(CC) $(CFLAGS_ALL) -fopenmp -o $@ $^ $(LIBS)

$(LIB): $(OBJ) $(CPUOBJ)
	@rm -f $@ && ar rcs $@ $^
$(LIB64): $(F64OBJ)
	@rm -f $@ && ar rcs $@ $^

# ref is the specification: no contraction, no vectorisation surprises.
$(BUILD)/obj/kernels/ref/%.o $(BUILD)/f64/kernels/ref/%.o: CFLAGS += -ffp-contract=off
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fopenmp -MMD -MP -c -o $@ $<
$(BUILD)/f64/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -DSSV_F64 $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fopenmp -MMD -MP -c -o $@ $<
define ISA_RULE
$(BUILD)/obj/kernels/cpu/%.$(1).o: kernels/cpu/%.c
	@mkdir -p $$(@D)
	$(CC) -DISA=$(1) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(FLAGS_$(1)) -ffp-contract=fast -fno-math-errno -fno-trapping-math \
	  -fopenmp -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call ISA_RULE,$(i))))

$(TESTS): $(BUILD)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fopenmp -MMD -MP -o $@ $< $(LIB) -lcmocka $(LIBS)
$(TESTS64): $(BUILD)/tests/%: tests/%.c $(LIB64)
	@mkdir -p $(@D)
	$(CC) -DSSV_F64 $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fopenmp -MMD -MP -o $@ $< $(LIB64) -lcmocka $(LIBS)

-include $(OBJ:.o=.d) $(CPUOBJ:.o=.d) $(CLIOBJ:.o=.d) $(F64OBJ:.o=.d) $(TESTS:=.d) $(TESTS64:=.d)

clean:
	rm -rf $(BUILD)

.PHONY: all clean
