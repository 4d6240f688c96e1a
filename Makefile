# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo	install what is missing, build, and watch a program's system calls
# make check	install what is missing, build, and run the tests
# make check-all	the same with the full counts, on the instrumented kernels, on all kernels: a day
# make check-kernels	the tests on each kernel of tests/kernels, or on KERNELS='SUITE[/FLAVOUR] ...'
# make check-debug	the tests, with fewer counts, on kernels that look for mistakes in memory and
#		locks (KASAN, lockdep, kmemleak), and for data races (KCSAN)
#
# make		the library and the examples
# make install	the library, its headers, systrace-dump and the manual, below PREFIX (/usr/local), all of it below
#		DESTDIR if that is set; make uninstall takes them away
# make driver	the kernel module for this kernel, or for KVER with its headers in KDIR
# make model	install what is missing, and explore the models of the orderings
# make coverage	which lines of library and driver the tests do not reach: half an hour with SCALE=10
# make bench	what tracing adds to a system call, in instructions: see bench/
# make bench-peers	the same of other tracers, and what they lose
# make bench-apps	real programs under each tracer
# make bench-counter	what taking a number costs where several CPUs do at once
# make bench-memory	what the kernel needs for a session, and for a task in it
# make bench-reader	what reading in order costs, beside a sum over the same bytes
# make lint	install what is missing, and run the static checks
# make clean	remove build/; downloads stay in the cache, see tests/vm/kernel
#
# ARCH=arm64	any of those that build, into build/arm64, by the compiler CROSS_COMPILE

MAKEFLAGS += -r
.DELETE_ON_ERROR:
.SUFFIXES:

# The kernel's build takes these as they are.
ifdef ARCH
CROSS_COMPILE ?= $(if $(filter arm64,$(ARCH)),aarch64-linux-gnu-)
export ARCH CROSS_COMPILE
CC := $(CROSS_COMPILE)gcc
AR := $(CROSS_COMPILE)ar
endif

comma := ,
VERSION := $(shell sed -n 's/^\#define SYSTRACE_VERSION "\(.*\)".*/\1/p' include/systrace.h)
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man

B := build$(addprefix /,$(ARCH))
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build

CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Iinclude -MMD -MP
LIB_CFLAGS := -fPIC -fvisibility=hidden

# Another architecture's liburcu, on which the table of tasks stands, Debian has not for cross builds: the
# library that is tested there is without it.
lib_sources := $(filter-out $(if $(ARCH),lib/tasks.c lib/tree.c),$(wildcard lib/*.c))
lib_objects := $(patsubst lib/%.c,$B/lib/%.o,$(lib_sources))
urcu := $(if $(ARCH),,-lurcu-cds -lurcu-bp -lurcu-common)
unit_tests := $(patsubst tests/unit/test_%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))
stress_tests := $(foreach t,ring merge latest tasks,$(foreach s, -tsan -asan,$B/stress/$t$s) $B/stress/$t)
# Of one file each
small_examples := agent counts epoll-loop flight-recorder parallel $(if $(ARCH),,netalert tree)
manual := $(patsubst man/%,$B/man/%,$(filter-out $(if $(ARCH),%/systrace_tasks.3),$(wildcard man/*.[37])))
guest_tests := $(patsubst tests/guest/%.c,$B/guest/%,$(filter-out $(if $(ARCH),%/tasks.c),$(wildcard tests/guest/*.c)))

all: lib examples
lib: $B/libsystrace.a $B/libsystrace.so
examples: $B/systrace-dump $(addprefix $B/,$(small_examples))
driver: $B/driver/$(KVER)/systrace.ko
tests: $(guest_tests) $(manual) $(if $(ARCH),,$(unit_tests) $(unit_tests:$B/unit/%=$B/unit-plain/%) $(stress_tests) $B/fuzz/mapping)

# --- the library ---

$B/lib/%.o: lib/%.c Makefile | $B/lib
	$(CC) $(CFLAGS) $(LIB_CFLAGS) -c $< -o $@

$B/libsystrace.a: $(lib_objects)
	rm -f $@
	$(AR) rcs $@ $^

$B/libsystrace.so.0: $(lib_objects) lib/systrace.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libsystrace.so.0 -Wl,-z,defs \
		-Wl,--version-script=lib/systrace.map $(lib_objects) $(urcu) -o $@

$B/libsystrace.so: $B/libsystrace.so.0
	ln -sf $(<F) $@

# --- the examples ---

$B/examples/%.o: examples/%.c Makefile | $B/examples
	$(CC) $(CFLAGS) -c $< -o $@

dump_objects := $(patsubst examples/%.c,$B/examples/%.o,$(wildcard examples/dump*.c))

$B/systrace-dump: $(dump_objects) $B/libsystrace.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@

$B/agent: $B/examples/agent.o
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@

$B/tree $B/netalert: libraries := $(urcu)
$(addprefix $B/,$(filter-out agent,$(small_examples))): $B/%: $B/examples/%.o $B/libsystrace.a
	$(CC) $(CFLAGS) $(LDFLAGS) $^ $(libraries) -pthread -o $@

# --- to be installed ---

$B/libsystrace.pc: lib/libsystrace.pc.in Makefile
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
		$< >$@

installed := $(addprefix $(LIBDIR)/,libsystrace.a libsystrace.so.0 libsystrace.so pkgconfig/libsystrace.pc) \
	     $(patsubst include/%,$(INCLUDEDIR)/%,$(wildcard include/*.h include/systrace/*)) \
	     $(BINDIR)/systrace-dump

# PAGE NAME: each page by the name of all that it is about
man_names = for page in man/*; do \
	sed -n "s|^\.Nm \([^ ]*\).*|$$page \1|p" $$page; \
	echo "$$page $$(basename $$page | sed 's/\..*//')"; \
done | sort -u

# Where it goes may be another place than last time
install: all
	$(MAKE) -s -B $B/libsystrace.pc
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(LIBDIR)/pkgconfig $(INCLUDEDIR)/systrace)
	install -m 644 $B/libsystrace.a $(DESTDIR)$(LIBDIR)
	install -m 755 $B/libsystrace.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libsystrace.so.0 $(DESTDIR)$(LIBDIR)/libsystrace.so
	install -m 644 $B/libsystrace.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/*.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 include/systrace/* $(DESTDIR)$(INCLUDEDIR)/systrace
	install -m 755 $B/systrace-dump $(DESTDIR)$(BINDIR)
	$(man_names) | while read -r page name; do \
		dir=$(DESTDIR)$(MANDIR)/man$${page##*.}; \
		install -D -m 644 $$page $$dir/$$(basename $$page) || exit 1; \
		[ $$name.$${page##*.} = $$(basename $$page) ] || \
			ln -sf $$(basename $$page) $$dir/$$name.$${page##*.} || exit 1; \
	done

uninstall:
	rm -f $(addprefix $(DESTDIR),$(installed))
	$(man_names) | while read -r page name; do \
		rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$name.$${page##*.}; \
	done
	-rmdir $(DESTDIR)$(INCLUDEDIR)/systrace

# --- the driver: built in a folder for each kernel, of links to the sources ---

driver_sources := $(wildcard driver/*.[ch]) driver/Kbuild
driver_headers := $(wildcard include/systrace/*)

$B/driver/%/systrace.ko: $(driver_sources) $(driver_headers) | $B/driver
	mkdir -p $(@D)
	ln -sf $(addprefix $(CURDIR)/,$(driver_sources)) $(@D)/
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) systrace_include=$(CURDIR)/include W=1 modules
	touch $@

# The same, but counting how often each line runs: see tests/coverage
$B/coverage/%/systrace.ko: $(driver_sources) $(driver_headers) $B/gcov/%/gcov.ko | $B/coverage
	mkdir -p $(@D)
	ln -sf $(addprefix $(CURDIR)/,$(driver_sources)) $(@D)/
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(@D) systrace_include=$(CURDIR)/include \
		KCFLAGS='-fprofile-arcs -ftest-coverage -fprofile-update=atomic -fno-early-inlining' \
		KBUILD_EXTRA_SYMBOLS=$(CURDIR)/$B/gcov/$*/Module.symvers modules
	touch $@

# --- the tests ---

# What the driver is asked by, and memory, of tests that make both themselves: see tests/unit/fake.h
fake := $(addprefix -Wl$(comma)--wrap=,open open64 close ioctl mmap64 munmap ppoll clock_nanosleep \
	malloc calloc realloc aligned_alloc free)
$(foreach u,unit unit-plain unit-coverage,$B/$u/session $B/$u/spawn): LDFLAGS += $(fake)
unit = $(CC) $(CFLAGS) $(LDFLAGS) -Ilib $1 $(filter %.c %.a,$^) $(urcu) -lcmocka -pthread -o $@
$B/unit/%: tests/unit/test_%.c $B/libsystrace.a Makefile | $B/unit
	$(call unit,-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)

# For valgrind; and with the library, to see what of it runs
$B/unit-plain/%: tests/unit/test_%.c $B/libsystrace.a Makefile | $B/unit-plain
	$(call unit)
$B/unit-coverage/%: tests/unit/test_%.c $(lib_sources) Makefile | $B/unit-coverage
	$(call unit,-O0 --coverage -fno-builtin-execve -dumpbase '' -dumpdir $@-)

# It does not know fences: what rests on one is stored and loaded as atomics, too
$B/stress/%-tsan: sanitizers := -fsanitize=thread -Wno-tsan
$B/stress/%-asan: sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all
$B/stress/ring $B/stress/ring-tsan $B/stress/ring-asan: tests/stress/ring.c
$B/stress/merge $B/stress/merge-tsan $B/stress/merge-asan: tests/stress/merge.c lib/merge.c
$B/stress/latest $B/stress/latest-tsan $B/stress/latest-asan: tests/stress/latest.c lib/latest.c
$B/stress/tasks $B/stress/tasks-tsan $B/stress/tasks-asan: tests/stress/tasks.c lib/tasks.c lib/tree.c lib/time.c lib/options.c lib/record.c
$B/stress/tasks $B/stress/tasks-tsan $B/stress/tasks-asan: libraries := $(urcu)
$(stress_tests): Makefile | $B/stress
	$(CC) $(CFLAGS) -Ilib $(sanitizers) $(filter %.c,$^) $(libraries) -pthread -o $@

# With the library compiled anew, since the fuzzer is led by what ran of it
$B/fuzz/mapping: tests/fuzz/mapping.c tests/unit/fake.h $(wildcard lib/*.[ch]) Makefile | $B/fuzz
	clang -O1 -g -Wno-gnu-variable-sized-type-not-at-end -std=gnu11 -Iinclude -Ilib $(fake) \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(filter %.c,$^) $(urcu) -pthread -o $@

# What runs in the virtual machine, static so that any root will do
$B/guest/tasks: libraries := $(urcu)
$B/guest/%: tests/guest/%.c $B/libsystrace.a Makefile | $B/guest
	$(CC) $(CFLAGS) -static $< $B/libsystrace.a $(libraries) -pthread -o $@

# The manual's examples
$B/man/%: man/% $B/libsystrace.a Makefile | $B/man
	awk '/^\.Bd -literal$$/ { c = 1; next } /^\.Ed$$/ { c = 0 } c { gsub(/\\e/, "\\"); print }' $< | \
		$(CC) $(CFLAGS) -Wconversion -Wpedantic -Werror -static -x c - -x none $B/libsystrace.a $(urcu) -pthread -o $@

# --- the benchmarks ---

$B/bench/%: bench/%.c $B/libsystrace.a Makefile | $B/bench
	$(CC) $(CFLAGS) -static $< $B/libsystrace.a -pthread -o $@

$B/bench/reader: bench/reader.c lib/merge.c Makefile | $B/bench
	$(CC) $(CFLAGS) -Ilib $(filter %.c,$^) -o $@

# --- modules of one file, for each kernel ---

# $(call one_file,NAME,SOURCE)
define one_file
$B/$1/%/$1.ko: $2 | $B/$1
	mkdir -p $$(@D)
	ln -sf $(CURDIR)/$$< $$(@D)/
	echo 'obj-m := $1.o' >$$(@D)/Kbuild
	+$$(MAKE) -C $$(KDIR) M=$(CURDIR)/$$(@D) modules
	touch $$@
endef
modules := $(wildcard tests/vm/gcov.c tests/vm/flags.c tests/vm/crowd.c bench/null.c)
$(foreach m,$(modules),$(eval $(call one_file,$(basename $(notdir $m)),$m)))

$(addprefix $B/,lib examples driver coverage unit unit-plain unit-coverage guest stress fuzz man bench $(basename $(notdir $(modules)))):
	mkdir -p $@

# What runs make again gets its job slots by the "+", which would run it under -n too
run := $(if $(findstring n,$(firstword -$(MAKEFLAGS))),@,+@)

demo:
	@tests/install demo
	$(run)examples/demo

check:
	@tests/install check
	$(run)tests/check

check-all:
	@tests/install check
	$(run)status=0; \
	for tests in 'check all' 'check -k debug' 'check -k kcsan' kernels; do \
		tests/$$tests || status=1; \
	done; exit $$status

check-kernels:
	@tests/install check
	$(run)tests/kernels $(KERNELS)

# Such kernels are several times slower than others
check-debug: export SCALE ?= 20
check-debug:
	@tests/install check
	$(run)status=0; for kernel in debug kcsan; do tests/check -k $$kernel || status=1; done; exit $$status

# The models of ring and sleep, explored to the end: see tests/model
model:
	@tests/install model
	@tests/model/run

# The library by its unit tests, the driver by those in the virtual machine, and why not the others
coverage:
	@tests/install check
	$(run)status=0; for tests in tests/unit/coverage tests/coverage; do $$tests || status=1; done; exit $$status

bench:
	$(run)bench/cost && bench/listing

bench-peers:
	$(run)bench/peers

bench-apps:
	$(run)bench/apps

bench-counter:
	$(run)bench/counter

bench-memory:
	$(run)bench/memory

bench-reader:
	$(run)bench/read

lint:
	@tests/install lint
	@tests/lint

clean:
	rm -rf $B

-include $(wildcard $B/*/*.d)

.PHONY: all lib examples install uninstall driver tests demo check check-all check-kernels check-debug coverage model bench bench-peers bench-apps bench-counter bench-memory bench-reader lint clean
