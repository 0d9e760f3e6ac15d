# Ringhold. One page builds everything; rooms, floors and libraries are listed once, here.
#
#   make               release build; programs in build/release/bin/
#   make demo          build, then the story on the terminal        [CONTENT=DIR for YARA files]
#   make test          everything within the time budget            make test-full: and the long drills
#   make check         floors, unit tests, corpus replay
#   make bench         figures, side by side
#   MODE=debug|release|asan|tsan|cover|fuzz   CC=gcc|clang

MODE ?= release
B    ?= build/$(MODE)
CC   := $(if $(filter fuzz,$(MODE)),clang,$(if $(filter default,$(origin CC)),gcc,$(CC)))

# ---- the house: a room includes its own headers and those of lower floors ----
FLOOR_0 := base boot
FLOOR_1 := schema signing
FLOOR_2 := content rollout
FLOOR_3 := server agent cli sensor
ROOMS   := $(FLOOR_0) $(FLOOR_1) $(FLOOR_2) $(FLOOR_3)
BELOW_1 := $(FLOOR_0)
BELOW_2 := $(FLOOR_1) $(FLOOR_0)
BELOW_3 := $(FLOOR_2) $(FLOOR_1) $(FLOOR_0)
floor_of = $(strip $(foreach n,0 1 2 3,$(if $(filter $1,$(FLOOR_$n)),$n)))
links    = $1 $(BELOW_$(call floor_of,$1))

# ---- third-party libraries, by the room whose code includes them ----
PKG_base    := libcrypto libcurl inih yaml-0.1
PKG_boot    :=
PKG_schema  := libpcre2-8
PKG_signing := libcrypto p11-kit-1
PKG_content := zlib libzstd libpcre2-8 libseccomp libcrypto $(if $(shell pkg-config --exists yara && echo y),yara)
PKG_rollout := libcrypto
PKG_server  := libuv libssl libcrypto sqlite3
PKG_agent   := sqlite3 libseccomp
LIB_rollout := -lm
LIB_schema  := -lm
LLHTTP_SRC  := /usr/share/llhttp
LLHTTP_INC  := /usr/share/include/llhttp
DEF_content := $(if $(filter yara,$(PKG_content)),-DRINGHOLD_YARA)
DEF_server  := -isystem $(LLHTTP_INC) -DLLHTTP_STRICT_MODE=1
DEF_base    := -DRINGHOLD_BUILD_DATE=$(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),0)
pkg_cflags   = $(if $(PKG_$1),$(shell pkg-config --cflags $(PKG_$1)))
pkg_libs     = $(if $(PKG_$1),$(shell pkg-config --libs $(PKG_$1))) $(LIB_$1)
$(foreach r,$(ROOMS),$(eval CFLAGS_$r := $(call pkg_cflags,$r) $(DEF_$r))$(eval LIBS_$r := $(call pkg_libs,$r)))

# ---- flags ----
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wvla -Wformat=2 -Wundef -Wwrite-strings -Wold-style-definition
HARD := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
SAN  := -O1 -g -fno-omit-frame-pointer -DRINGHOLD_TEST
FLAGS_release := -O2 -g $(HARD)
LINK_release  := -pie -Wl,-z,relro,-z,now
FLAGS_debug   := -O1 -g -DRINGHOLD_TEST
FLAGS_asan    := $(SAN) -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := $(SAN) -fsanitize=thread
FLAGS_cover   := -O0 -g --coverage -DRINGHOLD_TEST
FLAGS_fuzz    := $(SAN) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LINK_MODE     := $(LINK_$(MODE)) $(if $(LINK_$(MODE)),,$(filter -fsanitize% --coverage,$(FLAGS_$(MODE))))
CFLAGS_ALL    := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. $(WARN) $(FLAGS_$(MODE)) $(CFLAGS)

# ---- files: <room>/ringhold*.c is a program, every other <room>/*.c belongs to the room's library ----
PROGRAMS := $(wildcard $(ROOMS:%=%/ringhold*.c))
MODULES  := $(filter-out $(PROGRAMS),$(wildcard $(ROOMS:%=%/*.c)))
TESTS    := $(wildcard $(ROOMS:%=tests/%/test_*.c))
SYSTEM   := $(wildcard tests/system/system.c tests/system/test_*.c)
WORLD    := $(filter-out $(SYSTEM),$(wildcard tests/system/*.c))
INCIDENTS := $(wildcard tests/incidents/test_*.c)
ENGINES   := $(filter-out $(INCIDENTS),$(wildcard tests/incidents/*.c))
MACHINES  := $(wildcard tests/vm/test_*.c)
VM        := $(filter-out $(MACHINES),$(wildcard tests/vm/*.c))
POWERCUTS := $(wildcard tests/powercut/test_*.c)
CUTTERS   := $(filter-out $(POWERCUTS),$(wildcard tests/powercut/*.c))
FAULTS    := $(wildcard tests/faults/test_*.c)
TROUBLE   := $(filter-out $(FAULTS),$(wildcard tests/faults/*.c))
FUZZERS  := $(wildcard tests/fuzz/fuzz_*.c)
BENCHES  := $(wildcard tests/bench/bench_*.c)
PEERS    := $(wildcard tests/bench/peer_*.c)
BINS     := $(foreach p,$(PROGRAMS),$(B)/bin/$(basename $(notdir $p)))
objs      = $(patsubst %.c,$(B)/obj/%.o,$1)
LIB       = $(foreach r,$1,$(B)/lib/$r.a)
libs_of   = $(foreach r,$1,$(LIBS_$r))

all: $(BINS) $(B)/lib/libringhold-sensor.a
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

room_of = $(firstword $(subst /, ,$(patsubst tests/%,%,$1)))
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_$(call room_of,$*)) $(if $(filter tests/%,$*),-Itests) -MMD -MP -c $< -o $@
$(B)/obj/schema/embedded.o: schema/policy.schema.json
$(B)/obj/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -fPIE -w -I$(LLHTTP_INC) -DLLHTTP_STRICT_MODE=1 -c $< -o $@

define room_rules
$(B)/lib/$1.a: $(call objs,$(filter $1/%,$(MODULES))) $(if $(filter server,$1),$(addprefix $(B)/obj/llhttp/,api.o http.o llhttp.o))
	@mkdir -p $$(@D); rm -f $$@
	$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$r)))

# libringhold-sensor, as it ships in every mode: one object, so that an integrator meets the public names and no other
SENSOR_LIB := $(B)/lib/libringhold-sensor.a
SENSOR_OBJ := $(patsubst %,$(B)/obj/pic/boot/%.o,sensor sensor_list sensor_status effects link text text_read status record record_file report ladder)
$(B)/obj/pic/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. $(WARN) $(FLAGS_release) -fPIC -MMD -MP -c $< -o $@
$(SENSOR_LIB): $(SENSOR_OBJ)
	@mkdir -p $(@D); rm -f $@
	ld -r -o $(B)/obj/pic/ringhold-sensor.o $^
	objcopy -w --keep-global-symbol="ringhold_*" $(B)/obj/pic/ringhold-sensor.o
	$(AR) rcs $@ $(B)/obj/pic/ringhold-sensor.o

# $1 output, $2 object files, $3 rooms
LINK_BESIDE := $(if $(filter tsan,$(MODE)),$(B)/obj/tests/tsan_close.o)
define link_rule
$1: $2 $(call LIB,$3) $(LINK_BESIDE)
	@mkdir -p $$(@D)
	$(CC) $(LINK_MODE) -o $$@ $2 $(LINK_BESIDE) $(call LIB,$3) -Wl,--as-needed $(call libs_of,$3) $4
endef
$(foreach p,$(PROGRAMS),$(eval $(call link_rule,$(B)/bin/$(basename $(notdir $p)),$(call objs,$p),$(call links,$(call room_of,$p)))))
$(foreach t,$(TESTS),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t),$(call links,$(call room_of,$t)),-lcmocka)))
$(foreach f,$(FUZZERS),$(eval $(call link_rule,$(B)/$(basename $f),$(call objs,$f $(if $(filter fuzz,$(MODE)),,tests/fuzz/replay.c)),cli agent server $(BELOW_3),$(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer))))
$(foreach b,$(BENCHES),$(eval $(call link_rule,$(B)/$(basename $b),$(call objs,$b $(PEERS)),cli agent server $(BELOW_3),-ljansson)))
$(foreach t,$(SYSTEM),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t $(WORLD)),$(BELOW_3),-lcmocka)))
$(foreach t,$(INCIDENTS),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t $(ENGINES)),cli agent server $(BELOW_3),-lcmocka)))
$(foreach t,$(MACHINES),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t $(VM) $(WORLD)),cli agent server $(BELOW_3),-lcmocka)))
$(foreach t,$(POWERCUTS),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t $(CUTTERS)),cli agent server $(BELOW_3),-lcmocka)))
$(foreach t,$(FAULTS),$(eval $(call link_rule,$(B)/$(basename $t),$(call objs,$t $(TROUBLE)),cli agent server $(BELOW_3),-lcmocka)))

# ---- what people type ----
unit-tests: $(TESTS:%.c=$(B)/%)
fuzz-targets: $(FUZZERS:%.c=$(B)/%)
layers:
	@sh tests/layers.sh "$(FLOOR_0)" "$(FLOOR_1)" "$(FLOOR_2)" "$(FLOOR_3)"
check: layers
	@sh tests/run.sh check
benches: all $(BENCHES:%.c=$(B)/%)
system-tests: all $(SYSTEM:%.c=$(B)/%)
incidents: all $(INCIDENTS:%.c=$(B)/%)
machines: all $(MACHINES:%.c=$(B)/%)
powercuts: all $(POWERCUTS:%.c=$(B)/%)
faults: all $(FAULTS:%.c=$(B)/%)
bins-and-tests: all unit-tests fuzz-targets
packages:
	@sh deploy/bootstrap.sh
test-packages:
	@sh deploy/bootstrap.sh tests
demo: packages
	@sh tests/run.sh demo $(CONTENT)
test: test-packages
	@sh tests/run.sh test
test-full: test-packages
	@sh tests/run.sh full
test-incidents: test-packages
	@sh tests/run.sh incidents
test-vm: test-packages
	@sh tests/run.sh vm
test-powercut: test-packages
	@sh tests/run.sh powercut
test-faults: test-packages
	@sh tests/run.sh faults
test-sanitizers: test-packages
	@sh tests/run.sh sanitizers
test-system: test-packages
	@sh tests/run.sh system
bench: test-packages
	@sh tests/run.sh bench
format:
	clang-format -i $(PROGRAMS) $(MODULES) $(wildcard $(ROOMS:%=%/*.h)) $(wildcard tests/*/*.[ch])
lint:
	@sh tests/lint.sh
install: all
	sh deploy/install.sh $(B)/bin $(DESTDIR)
clean:
	rm -rf build
.PHONY: all unit-tests fuzz-targets bins-and-tests system-tests incidents machines powercuts faults benches layers check packages test-packages demo test test-full test-incidents test-vm test-powercut test-faults test-sanitizers test-system bench format lint install clean
.SECONDARY:
