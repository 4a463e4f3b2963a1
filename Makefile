# make            the program, build/ssvbench
# make demo       set up what is missing, build, run the demonstration, draw its figure
# make test       set up what is missing, build, run every test; test-long: with more rounds
# make check      format, include direction, exit codes, cppcheck, clang's warnings, clang-tidy, shellcheck
# make test-cuda  kernels and networks on the CUDA device that is here
# make cuda-plans  whether the cuDNN that is here has plans for an H200, which need not be here
# make asan       every test program once more under the address and undefined-behaviour sanitizers
# make fuzz       every fuzz target for FUZZ_SECONDS or FUZZ_RUNS, with clang's libFuzzer
# make bench      whole training steps: images per second, GFLOPS, share of peak, memory
# make info       what was found on this machine
# make format     clang-format in place          make tidy, make cppcheck   one analysis alone
# make install    into $(DESTDIR)$(PREFIX)       make uninstall             remove that again
# make clean      remove the build folder
# make portable   $(BUILD)/ssvbench.tar.gz, for machines without the packages; with the programs of ALSO
# Variables: CC, O (optimisation), CFLAGS, CPPFLAGS, LDFLAGS, PREFIX, DESTDIR, JOBS, STATES, WERROR=1,
# SAN=1 (sanitizers), BUILD (output folder; changed flags rebuild everything, so give each set its own)

ifeq ($(origin CC),default)
CC     := gcc
endif
BUILD  ?= build
O      ?= -O3
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
MAKEFLAGS += --no-print-directory

PKGS   := openblas hdf5 jansson inih nettle zlib libutf8proc libjpeg libpng liblbfgs libwebp libwebpdemux libarchive
WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
# GCC 12 takes what a function returned through a pointer to a local for a pointer to that local.
WARN   += $(if $(findstring clang,$(CC)),,-Wno-dangling-pointer)
SANITIZE := $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
SANITIZE += $(if $(FUZZING),-fsanitize=fuzzer-no-link)
CPPFLAGS_ALL := -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(O) -g -fopenmp $(WARN) $(SANITIZE) $(CFLAGS)
# A private folder first, which there is in what `make portable` makes.
OWN_LIBS := '-Wl,--disable-new-dtags,-rpath,$$ORIGIN/../lib/ssvbench'
LIBS   := $(LDFLAGS) $(OWN_LIBS) $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lhdf5_hl -lcsv -lm -lpthread -ldl

# The program's own folders; kernels/cpu is compiled once per instruction set.
FOLDERS := core kernels kernels/ref nn data weights results methods protocols reports
SRC     := $(wildcard $(FOLDERS:%=%/*.c))
CLISRC  := $(wildcard bench/*.c)
CPUSRC  := $(wildcard kernels/cpu/*.c)
ISAS    := $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),sse2 avx2 avx512,generic)
# Octs (kernels/cpu/oct.h) are wider than SSE2's registers; none is passed between objects.
FLAGS_sse2    := -msse2 -Wno-psabi
FLAGS_generic := -Wno-psabi
FLAGS_avx2    := -mavx2 -mfma
FLAGS_avx512  := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512

# AVX-512's source in AVX2's instructions, so that its tests run on processors without it.
FLAGS_wide    := -mavx2 -mfma -DVEC_BYTES=64 -Wno-psabi
WIDEOBJ := $(if $(filter avx512,$(ISAS)),$(BUILD)/obj/kernels/kernels.wide.o $(CPUSRC:%.c=$(BUILD)/obj/%.wide.o))

# The CUDA kernels on the processor, for their tests; and with nvcc for devices.
CXX      = $(if $(findstring clang,$(CC)),clang++,g++)
CUDASRC := $(wildcard kernels/cuda/*.cu)
PLUGC   := $(wildcard kernels/cuda/*.c) core/clock.c core/error.c
EMULATED := $(patsubst %,$(BUILD)/emulated/%.o,$(basename $(CUDASRC) tests/cuda/emulator.cpp tests/cuda/streams.cpp tests/cuda/devices.cpp $(filter-out %/plugin.c %_load.c,$(wildcard kernels/cuda/*.c)) tests/cuda/blas_standin.c tests/cuda/nccl_standin.c))
EMUPLUG := $(BUILD)/emulated/libssvbench_cuda.so
STANDIN := $(BUILD)/emulated/libcudnn.so.9
NVCC    ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc) $(shell command -v nvcc))
CUDAOBJ := $(CUDASRC:%.cu=$(BUILD)/cuda/%.o) $(PLUGC:%.c=$(BUILD)/cuda/%.o)
CUDAPLUG := $(BUILD)/libssvbench_cuda.so
# The headers beside nvcc; tests/cuda has what is needed of cuDNN's where they are missing.
CUDAINC := $(if $(NVCC),-isystem $(abspath $(dir $(NVCC))../include)) -idirafter tests/cuda
ARCHES  := -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90 -gencode=arch=compute_90,code=compute_90
# Ranks on MPI, where there is a compiler for it.
MPICC   ?= $(shell command -v mpicc)
MPISRC  := core/mpi/plugin.c core/clock.c core/error.c
MPIOBJ  := $(MPISRC:%.c=$(BUILD)/mpi/%.o)
MPIPLUG := $(BUILD)/libssvbench_mpi.so
CLIOBJ  := $(CLISRC:%.c=$(BUILD)/obj/%.o)
OBJ     := $(SRC:%.c=$(BUILD)/obj/%.o) $(foreach i,$(ISAS),$(CPUSRC:%.c=$(BUILD)/obj/%.$(i).o))
LIB     := $(BUILD)/libssvbench.a
# The double-precision twin of what gradients go through.
F64OBJ  := $(patsubst %.c,$(BUILD)/f64/%.o,$(wildcard core/*.c kernels/ref/*.c nn/*.c))
LIB64   := $(BUILD)/libssvbench64.a

# t*.c: float, g*.c: double, t*.sh: the program from outside, which they find in $SSVBENCH
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/t*.c))
TESTS64 := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/g*.c))
SHTESTS := $(wildcard tests/t*.sh)
# What takes longest begins first, so that no single one is left at the end.
SLOW    := t268 t985 t963 t982 t980 t940 t969 t962 t920 t930 t910 t250 t262 t267 t200 t614 t945 t970 t955 t261 t713
slow_of = $(foreach t,$(SLOW),$(foreach p,$(1),$(if $(filter $(t)_%,$(notdir $(p))),$(p))))
slow_first = $(call slow_of,$(1)) $(filter-out $(call slow_of,$(1)),$(1))
# What reads files that somebody else wrote, without what computes.
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZOBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/*.c data/*.c nn/safetensors*.c))
FUZZ_SECONDS ?= 5
FUZZ_RUNS    ?= 100000

PLUGINS := $(if $(NVCC),$(CUDAPLUG)) $(if $(MPICC),$(MPIPLUG))

all: $(BUILD)/ssvbench $(PLUGINS)

$(BUILD)/ssvbench: $(CLIOBJ) $(LIB)
	@echo "$(CC) $@"
	@$(CC) $(CFLAGS_ALL) -o $@ $^ $(LIBS)
$(LIB): $(OBJ)
$(LIB64): $(F64OBJ)
$(LIB) $(LIB64):
	@rm -f $@ && ar rcs $@ $^

COMPILE = @mkdir -p $(@D) && echo "$(CC) $<$(NOTE)" && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(EXTRA) -MMD -MP
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(COMPILE) -c -o $@ $<
$(BUILD)/f64/%.o: %.c $(BUILD)/flags
	$(COMPILE) -DSSV_F64 -c -o $@ $<
# Aligned, so that a change of one kernel leaves the others' instructions where they lie in a cache line.
define ISA_RULE
$(BUILD)/obj/kernels/cpu/%.$(1).o: NOTE = , $(1)
$(BUILD)/obj/kernels/cpu/%.$(1).o: kernels/cpu/%.c $(BUILD)/flags
	$$(COMPILE) -DISA=$(1) $(FLAGS_$(1)) -falign-functions=64 -ffp-contract=fast -fno-math-errno -fno-trapping-math -c -o $$@ $$<
endef
$(foreach i,$(ISAS) wide,$(eval $(call ISA_RULE,$(i))))
$(BUILD)/obj/kernels/kernels.wide.o: kernels/kernels.c $(BUILD)/flags
	$(COMPILE) -DSSV_ISA_WIDE -c -o $@ $<
$(TESTS): $(BUILD)/tests/%: tests/%.c $(WIDEOBJ) $(LIB)
	$(COMPILE) -o $@ $< $(WITH_$(@F)) $(WIDEOBJ) $(LIB) -lcmocka $(LIBS)
CXXFLAGS_ALL = -std=c++17 $(O) -g -fPIC -ffp-contract=off -Itests/cuda -Wall -Wextra -Wshadow -Wno-unknown-pragmas $(SANITIZE)
COMPILEXX = @mkdir -p $(@D) && echo "$(CXX) $<" && $(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -MMD -MP
$(BUILD)/emulated/%.o: %.cu $(BUILD)/flags
	$(COMPILEXX) -x c++ -c -o $@ $<
$(BUILD)/emulated/%.o: %.cpp $(BUILD)/flags
	$(COMPILEXX) -c -o $@ $<
$(BUILD)/emulated/%.o: %.c $(BUILD)/flags
	$(COMPILE) -fPIC -fvisibility=hidden -c -o $@ $<
$(BUILD)/emulated/kernels/cuda/%.o $(BUILD)/emulated/tests/cuda/%.o: EXTRA = -Itests/cuda
$(BUILD)/cuda/kernels/cuda/%.o $(BUILD)/cuda/tests/cuda/%.o: EXTRA = $(CUDAINC)
$(BUILD)/cuda/%.o: %.c $(BUILD)/flags
	$(COMPILE) -fPIC -fvisibility=hidden -c -o $@ $<
$(BUILD)/cuda/%.o: %.cu $(BUILD)/flags
	@mkdir -p $(@D) && echo "nvcc $<" && $(NVCC) -O3 -std=c++17 -I. $(ARCHES) -Xcompiler -fPIC,-fvisibility=hidden -MMD -MP -MF $(@:.o=.d) -c -o $@ $<
$(CUDAPLUG): $(CUDAOBJ)
	@echo "nvcc $@" && $(NVCC) -shared $(ARCHES) -o $@ $^ -ldl
$(BUILD)/mpi/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D) && echo "mpicc $<" && OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<
$(MPIPLUG): $(MPIOBJ)
	@echo "mpicc $@" && OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) -shared $(SANITIZE) -o $@ $^
$(EMUPLUG): $(EMULATED) $(patsubst %,$(BUILD)/emulated/%.o,kernels/cuda/plugin core/clock core/error)
	@echo "$(CXX) $@" && $(CXX) -shared $(SANITIZE) -o $@ $^
$(STANDIN): $(wildcard tests/cuda/cudnn*.c tests/cuda/cudnn*.h) $(BUILD)/flags
	$(COMPILE) -fPIC -shared -o $@ $(filter %.c,$^)
$(STANDIN): EXTRA = -Itests/cuda
# Tests with the emulator, some with the stand-in for cuDNN, which finds the emulator in the program.
WITH_STANDIN  := t252_dnn t253_dnn_attention t260_nn_device t261_device_needs t262_device_halves t263_device_conv_halves t264_device_ahead t265_device_peers t267_device_halves_networks t268_device_stored t356_nn_overlap t607_methods_views
WITH_EMULATOR := t250_kernels_cuda $(WITH_STANDIN)
$(WITH_EMULATOR:%=$(BUILD)/tests/%): $(EMULATED)
$(WITH_STANDIN:%=$(BUILD)/tests/%): private EXTRA = -rdynamic -DSTAND_IN=$(call quoted,$(abspath $(STANDIN)))
$(WITH_STANDIN:%=$(BUILD)/tests/%): | $(STANDIN)
$(foreach t,$(WITH_EMULATOR),$(eval WITH_$(t) = $(EMULATED) -lstdc++))
TIMER := $(BUILD)/obj/bench/kernel_time.o
$(BUILD)/tests/t268_device_stored: $(TIMER)
WITH_t268_device_stored += $(TIMER)
FAULTS := $(patsubst %,$(BUILD)/emulated/tests/cuda/%.o,faults emulator streams devices)
$(BUILD)/tests/t251_cuda_emulator: $(FAULTS)
WITH_t251_cuda_emulator = $(FAULTS) -lstdc++
# What a real library has, where it is there.
$(BUILD)/tests/t266_nccl_library: $(BUILD)/cuda/kernels/cuda/nccl_load.o
$(BUILD)/tests/t266_nccl_library: private EXTRA = $(CUDAINC)
WITH_t266_nccl_library = $(BUILD)/cuda/kernels/cuda/nccl_load.o -ldl
# A test that launches itself on several ranks.
$(BUILD)/tests/t150_core_communicator: private EXTRA = -DMPI_PLUGIN=$(call quoted,$(if $(MPICC),$(abspath $(MPIPLUG))))
$(BUILD)/tests/t150_core_communicator: | $(if $(MPICC),$(MPIPLUG))
PLANOBJ := $(patsubst %,$(BUILD)/cuda/%.o,tests/cuda/plans kernels/cuda/dnn_plan kernels/cuda/dnn_made kernels/cuda/dnn_attention kernels/cuda/dnn_library core/error)
$(BUILD)/cuda/plans: $(PLANOBJ)
	@echo "$(CC) $@" && $(CC) $(SANITIZE) -o $@ $^ -ldl
DRIVER := $(abspath $(BUILD)/cuda/libcuda.so.1)
$(DRIVER): tests/cuda/driver_standin.c $(BUILD)/flags
	$(COMPILE) -fPIC -shared -Wl,-soname,libcuda.so.1 -o $@ $<
$(TESTS64): $(BUILD)/tests/%: tests/%.c $(LIB64)
	$(COMPILE) -DSSV_F64 -o $@ $< $(LIB64) -lcmocka $(LIBS)
$(FUZZ): $(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZOBJ)
	$(COMPILE) -fsanitize=fuzzer -o $@ $< $(FUZZOBJ) $(LIBS)
$(BUILD)/f64/%.o $(TESTS64): NOTE = , double
# The peak is that of fused multiply-adds.
$(BUILD)/obj/bench/peak.o: EXTRA = -ffp-contract=fast
# What holds its sums in registers is a hundred times slower where they are not: also under sanitizers.
$(foreach p,gemm conv,$(BUILD)/obj/kernels/cpu/$(p)%.o): EXTRA = $(if $(SAN),-O2)
# ref is the specification: no contraction.
$(BUILD)/obj/kernels/ref/%.o $(BUILD)/f64/kernels/ref/%.o: EXTRA = -ffp-contract=off
# One number at a time or many: the same bits.
$(BUILD)/obj/core/rng_many.o $(BUILD)/f64/core/rng_many.o: EXTRA = -fno-trapping-math -fno-math-errno -ffp-contract=off
# Loops over pixels become vector code, with the same bits whatever the width.
$(BUILD)/obj/data/view_%.o $(BUILD)/obj/data/lab.o: EXTRA = -fno-trapping-math -fno-math-errno -ffp-contract=off

# One object knows which code this is; it is compiled again when the commit changes.
REPO    := $(wildcard .git)
COMMIT  := $(or $(if $(REPO),$(shell git rev-parse HEAD 2>/dev/null)),unknown)
DIRTY   := $(if $(REPO),$(if $(shell git status --porcelain 2>/dev/null | head -1),1,0),0)
quoted   = '"$(subst \,,$(subst ',,$(subst ",,$(1))))"'
VERSION := -DSSV_COMMIT=$(call quoted,$(COMMIT)) -DSSV_DIRTY=$(DIRTY) -DSSV_CFLAGS=$(call quoted,$(strip $(CFLAGS_ALL)))
$(BUILD)/obj/results/environment.o: EXTRA = $(VERSION)
$(BUILD)/obj/results/environment.o: $(BUILD)/version

# Files that change only when what they say changes.
export STAMP_version := $(COMMIT) $(DIRTY)
export STAMP_flags := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LIBS)
$(BUILD)/flags $(BUILD)/version: FORCE
	@pkg-config --exists --print-errors $(PKGS) || { echo 'run tools/setup.sh, or make demo'; exit 3; }
	@mkdir -p $(@D); echo "$$STAMP_$(@F)" | cmp -s - $@ || echo "$$STAMP_$(@F)" >$@
FORCE:

-include $(OBJ:.o=.d) $(EMULATED:.o=.d) $(CUDAOBJ:.o=.d) $(MPIOBJ:.o=.d) $(FAULTS:.o=.d) $(PLUGC:%.c=$(BUILD)/emulated/%.d) $(PLANOBJ:.o=.d) $(WIDEOBJ:.o=.d) $(CLIOBJ:.o=.d) $(F64OBJ:.o=.d) $(TESTS:=.d) $(TESTS64:=.d) $(FUZZ:=.d)

# A fresh machine has no packages yet when make reads this file, so what follows the set-up is
# another make.  Without -j it uses every processor.
AGAIN = $(MAKE) $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))
demo:
	@tools/setup.sh
	@+$(AGAIN) all
	$(BUILD)/ssvbench run
	$(BUILD)/ssvbench report out >/dev/null
# One more than there are processors, since some sleep.
test test-long:
	@tools/setup.sh test
	@+$(AGAIN) tests
	@$(if $(filter test-long,$@),SSV_LONG=1) SSVBENCH='$(abspath $(BUILD)/ssvbench)' \
	  tools/run-tests -j $$(($(JOBS) + 1)) -t $(if $(filter test-long,$@),7200,600) $(call slow_first,$(TESTS) $(TESTS64) $(SHTESTS))
tests: all $(TESTS) $(TESTS64) $(EMUPLUG)
test-cuda:
	@tools/setup.sh test
	@+$(AGAIN) all $(BUILD)/tests/t270_device
	@for math in own fp32 tf32 bf16; do \
	  SSV_DEVICE=1 SSV_MATH=$$math SSVBENCH=$(BUILD)/ssvbench SSVBENCH_CUDA_PLUGIN='$(abspath $(CUDAPLUG))' \
	    tools/run-tests -t 600 -l "$$math: " $(BUILD)/tests/t270_device tests/cuda/curves.sh || exit; done
	@! command -v compute-sanitizer >/dev/null || for tool in memcheck racecheck; do \
	  SSV_DEVICE=1 SSV_FEW=1 SSVBENCH_CUDA_PLUGIN='$(abspath $(CUDAPLUG))' compute-sanitizer --tool $$tool \
	    --report-api-errors no --error-exitcode 9 $(BUILD)/tests/t270_device || exit; done
same_number = s/^ *\(CUDNN_[A-Za-z0-9_]*\|nccl[A-Za-z]*\) = \([0-9]*\),$$/_Static_assert((int)\1 == \2, "\1");/p
cuda-plans: $(BUILD)/cuda/plans $(DRIVER)
	@sed -n '$(same_number)' tests/cuda/cudnn.h tests/cuda/nccl.h | $(CC) -x c -fsyntax-only $(CUDAINC) -include cudnn.h -include nccl.h -
	@$(BUILD)/cuda/plans tests/cuda/h200.json $(DRIVER)
asan:
	@tools/setup.sh test
	@+$(AGAIN) BUILD=build-asan SAN=1 O=-O1 asan-programs
	@tools/run-tests -t 900 -l asan $(call slow_first,$(patsubst $(BUILD)/%,build-asan/%,$(ASANTESTS)))
ASANTESTS := $(filter-out $(BUILD)/tests/t9%,$(TESTS)) $(TESTS64)
asan-programs: $(ASANTESTS)
fuzz:
	@tools/setup.sh clang
	@+$(AGAIN) CC=clang BUILD=build-fuzz FUZZING=1 SAN=1 O=-O1 fuzz-now
HAS_LIBFUZZER = $(shell echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' | \
  $(CC) -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null && echo 1)
fuzz-now: $(if $(FUZZING),$(if $(HAS_LIBFUZZER),$(FUZZ)))
	@$(if $(HAS_LIBFUZZER),tools/run-fuzz -t $(FUZZ_SECONDS) -n $(FUZZ_RUNS) $(FUZZ),echo 'skip fuzz: clang has no libFuzzer')
bench: all
	$(BUILD)/ssvbench bench steps

CHECKED := $(SRC) $(CLISRC) $(CPUSRC) $(wildcard kernels/cuda/*.c) $(if $(MPICC),core/mpi/plugin.c)
FORMATTED := $(CHECKED) $(wildcard $(addsuffix /*.h,$(FOLDERS) bench kernels/cpu tests) tests/*.c tests/fuzz/*.[ch]) \
  $(wildcard core/mpi/*.c kernels/cuda/*.* tests/cuda/*.[ch]*)
check:
	@tools/setup.sh check
	@+$(MAKE) -k format-check includes exit-codes shellcheck cppcheck warnings tidy
format:
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)
includes exit-codes:
	tools/check-$@
shellcheck:
	shellcheck -e SC2016 $(wildcard tests/cuda/*.sh .ci/run tools/*.sh tools/run-tests tools/run-fuzz tools/portable tools/check-* tests/*.sh)
# One process looks across files, too, and takes functions of one name in two files for the same.
cppcheck:
	@echo cppcheck
	@cppcheck -q -j $(JOBS) --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem --suppress=ctunullpointer -I. -D_GNU_SOURCE -D__x86_64__ -DISA=avx2 $(CHECKED)
# clang's, of everything that gcc and g++ compile; the fuzz targets are built and run by it, too.
syntax = printf '%s\n' $(2) | xargs -P $(JOBS) -n 8 $(1) -fsyntax-only -Werror $(CPPFLAGS_ALL) -Wall -Wextra -Wshadow
syntax_c = $(call syntax,clang $(CLANG_FLAGS) $(2),$(1))
CLANG_FLAGS = -std=c11 -fopenmp $(VERSION) -DSTAND_IN='""' -DMPI_PLUGIN='""' \
  -Wpedantic -Wstrict-prototypes -Wmissing-prototypes
warnings:
	@echo clang
	@$(call syntax_c,$(SRC) $(CLISRC) $(wildcard kernels/cuda/*.c core/mpi/*.c tests/t*.c tests/fuzz/*.c),$(MPI_HEADERS) -idirafter tests/cuda)
	@$(call syntax_c,$(wildcard tests/cuda/*.c),-Itests/cuda)
	@$(call syntax_c,$(wildcard core/*.c kernels/ref/*.c nn/*.c tests/g*.c),-DSSV_F64)
	@$(foreach i,$(ISAS),$(call syntax_c,$(CPUSRC),-DISA=$(i) $(FLAGS_$(i))) &&) true
	@$(call syntax,clang++ -x c++ -std=c++17 -Itests/cuda -Wno-unknown-pragmas,$(wildcard kernels/cuda/*.cu tests/cuda/*.c[pu]*))
# How far clang's analyzer follows a function, in states: its own 225000 take three times as long.
STATES  ?= 25000
MPI_HEADERS = $(if $(MPICC),$(addprefix -isystem ,$(patsubst -I%,%,$(filter -I%,$(shell $(MPICC) --showme:compile 2>/dev/null)))))
TIDY_FLAGS = $(CPPFLAGS_ALL) $(MPI_HEADERS) -idirafter tests/cuda $(VERSION) -DISA=avx2 -std=c11 -fopenmp -mavx2 -mfma $(filter-out -Wno-dangling-pointer,$(WARN)) \
  $(addprefix -Xclang ,-analyzer-config max-nodes=$(STATES))
tidy:
	@echo clang-tidy
	@printf '%s\n' $(CHECKED) | xargs -P $(JOBS) -I{} sh -c \
	  'out=$$(clang-tidy --quiet {} -- "$$@" 2>/dev/null) || { echo "$$out"; exit 1; }' sh $(TIDY_FLAGS)

found = printf '%-10s %s\n' '$(1)' "$$($(2) 2>/dev/null | head -1 | grep . || echo 'not found')"
info:
	@$(call found,compiler,$(CC) --version)
	@$(call found,flags,echo '$(subst ','\'',$(CFLAGS_ALL))')
	@$(call found,commit,echo $(COMMIT) $(if $(filter 1,$(DIRTY)),with local changes))
	@$(call found,processor,sed -n 's/^model name[^:]*: //p' /proc/cpuinfo)
	@$(call found,ISA,grep -ow -e avx512vl -e avx2 /proc/cpuinfo | sort -u | paste -sd' ' | grep . || uname -m)
	@$(foreach p,$(PKGS) cmocka,$(call found,$(p),pkg-config --modversion $(p));)
	@$(call found,CUDA,nvcc --version | grep release)
	@$(call found,MPI,mpicc --version)
	@$(call found,gnuplot,gnuplot --version)

# What the program says of itself.
$(BUILD)/share/%: $(BUILD)/ssvbench
	@mkdir -p $(@D) && $< help $(HELP_$(*F)) >$@
HELP_ssvbench.1    := --man
HELP_ssvbench      := --completion bash
HELP__ssvbench     := --completion zsh
HELP_ssvbench.fish := --completion fish
MANUALS := man/man1/ssvbench.1 bash-completion/completions/ssvbench zsh/site-functions/_ssvbench \
  fish/vendor_completions.d/ssvbench.fish

DOCS := $(wildcard docs/*.md docs/figures/*)
INSTALLED := $(addprefix bin/,ssvbench $(notdir $(CUDAPLUG) $(MPIPLUG))) $(MANUALS:%=share/%) \
  $(addprefix share/doc/ssvbench/,LICENSE README.md $(DOCS)) $(addprefix share/ssvbench/,$(wildcard suites/*.ini))

install: all $(MANUALS:%=$(BUILD)/share/%)
	install -D -t '$(DESTDIR)$(PREFIX)'/bin $(BUILD)/ssvbench $(PLUGINS)
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)'/share/doc/ssvbench LICENSE README.md
	@for file in $(DOCS); do install -D -m 644 $$file '$(DESTDIR)$(PREFIX)'/share/doc/ssvbench/$$file || exit; done
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)'/share/ssvbench/suites $(wildcard suites/*.ini)
	@for file in $(MANUALS); do install -D -m 644 $(BUILD)/share/$$file '$(DESTDIR)$(PREFIX)'/share/$$file || exit; done
uninstall:
	rm -f $(addprefix '$(DESTDIR)$(PREFIX)'/,$(INSTALLED))
	-cd '$(DESTDIR)$(PREFIX)'/share && rmdir ssvbench/suites ssvbench doc/ssvbench/docs/figures doc/ssvbench/docs doc/ssvbench
portable: all $(ALSO)
	@rm -rf $(BUILD)/portable
	@+$(AGAIN) install DESTDIR= PREFIX='$(if $(filter /%,$(BUILD)),,$(CURDIR)/)$(BUILD)/portable'
	$(if $(ALSO),install -t $(BUILD)/portable/bin $(ALSO))
	@tools/portable $(BUILD)/portable $(BUILD)/ssvbench.tar.gz
	@ls -l $(BUILD)/ssvbench.tar.gz
clean:
	rm -rf $(BUILD) build-asan build-fuzz

.PHONY: all demo test test-long test-cuda cuda-plans tests asan asan-programs fuzz fuzz-now bench check format format-check includes \
  exit-codes shellcheck cppcheck warnings tidy info install uninstall portable clean FORCE
.DELETE_ON_ERROR:
