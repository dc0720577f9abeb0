# make experiment=NAME   build, run what is not known yet, write the report
# make test              everything that can be checked here (make tests builds it)
# make chaos             hundreds of signals and kills at random moments, to every stage (an hour)
# make bench             time of a step, beside PyTorch where it is installed
# make install prefix=/usr/local
#
# Variables: DATA (raw data sets), LAB (workspace), DEV=1 (warnings are errors), SAN=1 (sanitizers, own
# build folder), BUILD (build folder), set="SECTION.KEY=VALUE ..." (changes to the experiment file).

# What a user names reaches programs through the environment, where neither make nor a shell reads it:
# any letter may stand in it. $(value) is the text as it was given, without make's own expansion.
override CAIRN_LAB := $(or $(value LAB),$(value CAIRN_LAB),lab)
override CAIRN_DATA := $(or $(value DATA),$(value CAIRN_DATA),data)
unexport LAB DATA set experiment DESTDIR prefix
ifdef SAN
BUILD ?= build-san
endif
BUILD ?= build
ifneq ($(words $(BUILD)),1)
$(error BUILD: a folder without blanks expected)
endif
prefix ?= /usr/local

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
$(error $(CC) builds for $(shell $(CC) -dumpmachine): Cairn is for x86-64 alone)
endif
# At link time, too, these would change what numbers come out; base/err.h refuses their kin.
ifneq ($(filter -ffast-math -Ofast -funsafe-math-optimizations -mdaz-ftz,$(CC) $(CFLAGS) $(LDFLAGS)),)
$(error CFLAGS, LDFLAGS: fast-math changes results and removes checks)
endif
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
ifdef DEV
WARNINGS += -Werror
endif
OPTIMISE := -O2 -g
ifdef SAN
OPTIMISE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
FLAGS = $(CFLAGS) -std=c11 -D_GNU_SOURCE -fopenmp $(WARNINGS) $(OPTIMISE) -ffp-contract=off -Icommon -MMD -MP
LDFLAGS += -fopenmp $(filter -fsanitize%,$(OPTIMISE))

# ---- rooms: each is a library, linked only with the rooms it may include ------------------------
ROOMS := base config store engine data model train apply evaluate view pipeline report commands
NEEDS_base :=
NEEDS_config := base
NEEDS_store := base
NEEDS_engine := base
NEEDS_data := config store base
NEEDS_model := engine config base
NEEDS_train := model engine data config store base
NEEDS_apply := train $(NEEDS_train)
NEEDS_evaluate := apply $(NEEDS_apply)
NEEDS_view := base
NEEDS_pipeline := evaluate $(NEEDS_evaluate)
NEEDS_report := pipeline evaluate apply train model engine data config view store base
NEEDS_commands := pipeline $(NEEDS_pipeline)
# What the programs in stages/ are linked with.
TOP := report commands $(NEEDS_report)
LIBS_base := -lcrypto -lpng -lm
LIBS_config := -lyaml
LIBS_store := -lsqlite3 -ljansson
LIBS_engine := -ldnnl
LIBS_data := -lz -ljansson -lpng -ljpeg -lniftiio -lznz
# The reference LAPACK and BLAS, as they are on every machine: whatever a distribution's alternatives
# point to would give other bits, and may bring threads of its own.
static = $(shell $(CC) -print-file-name=$(1))
LIBS_evaluate := -Wl,-u,xerbla_,$(call static,lapack/liblapack.a),$(call static,blas/libblas.a)
LIBS_pipeline := -ljansson

# The CPU's memory-bound loops are compiled once per instruction set and chosen at run time; those that
# have activations also for bf16, which the library does with AVX-512 alone.
ISAS := v2 v3 v4
LOOPS := $(wildcard common/engine/cpu/loops*.c)
HALF_LOOPS := $(filter-out %_class.c %_gaussian.c %_loss.c %_update.c,$(LOOPS))
objects = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(LOOPS),$(wildcard common/$(1)/*.c common/$(1)/*/*.c))) \
          $(if $(filter engine,$(1)),$(foreach isa,$(ISAS),$(LOOPS:%.c=$(BUILD)/%.$(isa).o)) \
            $(HALF_LOOPS:%.c=$(BUILD)/%.v4_half.o))
archives = $(patsubst %,$(BUILD)/%.a,$(1) $(NEEDS_$(1)))
libraries = $(sort $(foreach room,$(1) $(foreach top,$(1),$(NEEDS_$(top))),$(LIBS_$(room)))) -lpthread -lm

STAGES := $(patsubst stages/%.c,%,$(wildcard stages/*.c))
PROGRAMS := $(STAGES:%=$(BUILD)/%)

all: $(PROGRAMS)
.PHONY: all tests test chaos bench install clean experiment

define ROOM
$(BUILD)/$(1).a: $(call objects,$(1))
	@rm -f $$@
	@$(AR) rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call ROOM,$(room))))

# What a user gives is compiled with and is part of the build id and the numerics; other flags than
# last time compile everything anew.
GIVEN := $(strip $(CFLAGS) $(filter-out -O2 -g,$(if $(SAN),,$(OPTIMISE))))
ifneq ($(shell cat $(BUILD)/given 2>/dev/null || echo none),$(GIVEN))
.PHONY: $(BUILD)/given
endif
$(BUILD)/given:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(GIVEN))' >$@
ifdef GIVEN
$(BUILD)/common/engine/cpu/cpu.o: FLAGS += -DFLAGS_GIVEN='"$(shell sha256sum $(BUILD)/given 2>/dev/null | cut -c1-8)"'
endif

$(BUILD)/%.o: %.c Makefile $(BUILD)/given
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -c -o $@ $<

define LOOP
$(BUILD)/common/engine/cpu/%.$(1).o: common/engine/cpu/%.c Makefile $(BUILD)/given
	@mkdir -p $$(@D)
	@$(CC) $(FLAGS) $(if $(SAN),,-O3) -march=x86-64-$(2) -DISA=$(1) $(3) -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call LOOP,$(isa),$(isa))))
$(eval $(call LOOP,v4_half,v4,-DLOOPS_HALF))

$(PROGRAMS): $(BUILD)/%: $(BUILD)/stages/%.o $(TOP:%=$(BUILD)/%.a)
	@$(CC) $(LDFLAGS) -o $@ $^ $(call libraries,$(TOP))

# Debian's header includes another of its folder by its bare name.
$(BUILD)/common/data/formats/nifti_header.o: FLAGS += -isystem /usr/include/nifti

# Files that are embedded as they are.
$(BUILD)/common/store/registry.o: common/store/schema.sql
$(BUILD)/common/view/gnuplot.o: reports/curves.gp
$(BUILD)/common/view/page.o: reports/page.html

# What was built, for run records: the commit where there is one, and the hash of the sources.
SOURCES := $(sort $(wildcard common/*/*.[ch] common/*/*/*.[ch] common/*/*.def common/*/*.sql stages/*.c reports/*.gp reports/*.html) Makefile)
$(BUILD)/build_id.h: $(SOURCES) $(BUILD)/given $(wildcard .git/logs/HEAD)
	@mkdir -p $(@D)
	@printf '#define CAIRN_BUILD "%s %s"\n' \
	  "$$(git describe --always --abbrev=12 --dirty --exclude '*' 2>/dev/null || echo release)" \
	  "$$(cat $(SOURCES) $(if $(GIVEN),$(BUILD)/given) | sha256sum | cut -c1-16)" >$@
$(BUILD)/common/pipeline/version.o: $(BUILD)/build_id.h
$(BUILD)/common/pipeline/version.o: FLAGS += -include $(BUILD)/build_id.h

# ---- tests: tests/ROOM_*.c is linked with ROOM and what it needs, so that the include rules are
# also link rules; tests/oracle is the double-precision backend, linked where the engine is ---------
TESTS := $(patsubst tests/%.c,%,$(wildcard $(ROOMS:%=tests/%_*.c)))
ORACLE := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/oracle/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
define ROOM_TESTS
$(patsubst %,$(BUILD)/tests/%,$(filter $(1)_%,$(TESTS))): $(BUILD)/tests/%: $(BUILD)/tests/%.o \
    $(if $(filter engine,$(1) $(NEEDS_$(1))),$(ORACLE)) $(call archives,$(1))
	@$(CC) $(LDFLAGS) -o $$@ $$^ $(call libraries,$(1)) -lcmocka
endef
$(foreach room,$(ROOMS),$(eval $(call ROOM_TESTS,$(room))))
# A fuzz target, built with its regression runner (main.c of tests/fuzz/run); scripts/fuzz builds it for libFuzzer.
$(FUZZ:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/run/main.o $(call archives,pipeline)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(call libraries,pipeline)
# Programs that are timed by scripts/bench or that time others; model.c is what they share.
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(filter-out %/model.c,$(wildcard tests/bench/*.c)))
$(BENCHES): $(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tests/bench/model.o $(call archives,train)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $^ $(call libraries,train)
$(BUILD)/tests/bench/%.o: FLAGS += -Itests
$(ORACLE) $(TESTS:%=$(BUILD)/tests/%.o) $(FUZZ:%=$(BUILD)/tests/fuzz/%.o): FLAGS += -Itests

tests: all $(TESTS:%=$(BUILD)/tests/%) $(FUZZ:%=$(BUILD)/fuzz/%) $(BENCHES)

test: tests
	@BUILD=$(BUILD) DATA="$$CAIRN_DATA" tests/run

chaos: all
	@BUILD=$(BUILD) CAIRN_CHAOS=100 GOMP_SPINCOUNT=300 sh tests/cli/chaos.sh

# ---- experiments: plan first (one process resolves all that is known), then make runs the rest ------
experiment ?=
ifdef experiment
.DEFAULT_GOAL := experiment
endif
experiment: override export CAIRN_LAB := $(CAIRN_LAB)
experiment test bench: override export CAIRN_DATA := $(CAIRN_DATA)
experiment: override export CAIRN_SET := $(value set)
experiment: override export CAIRN_EXPERIMENT := $(value experiment)
experiment: all
	+@scripts/experiment "$(BUILD)" "$$CAIRN_EXPERIMENT" $${CAIRN_SET:+--set "$$CAIRN_SET"}

bench: all $(BENCHES)
	@BUILD=$(BUILD) DATA="$$CAIRN_DATA" scripts/bench

install: override export CAIRN_BIN := $(value DESTDIR)$(value prefix)/bin
install: all
	install -d "$$CAIRN_BIN"
	for stage in $(STAGES); do install -m 755 $(BUILD)/$$stage "$$CAIRN_BIN/cairn-$$stage" || exit; done
	install -m 755 scripts/experiment "$$CAIRN_BIN/cairn-experiment"

clean:
	rm -rf build build-san

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
