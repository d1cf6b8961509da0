# SPDX-License-Identifier: MIT
# The one entry. No logic beyond calling into folders; `make help` lists every target.

include $(dir $(lastword $(MAKEFILE_LIST)))scripts/common.mk

# As many jobs as processors.
MAKEFLAGS += -j$(shell nproc)
DIRS := kmod accel_fw userlib userlib/ctl
KERNEL ?= 6.1

.PHONY: all help run check check-vm bench sim install setup clean setup-if-missing $(DIRS)

all: $(DIRS) ## build everything into build/

$(DIRS): setup-if-missing
	+@$(MAKE) --no-print-directory -C $@

run: all ## nginx and redis through ETA and through the OS stack, here and in a VM (root)
	@scripts/run.sh

check: all ## every test, under 20 minutes (root for the ones that need namespaces)
	@scripts/check.sh

check-vm: all ## the tests of eta_ka.ko in a VM; KERNEL=6.1 chooses the kernel
	@scripts/check.sh vm KERNEL=$(KERNEL)

bench: all ## ETA and the OS stack side by side; writes build/bench.json and build/bench.svg
	+@$(MAKE) --no-print-directory -C tests bench

sim: all ## the TCP engine against a lossy network, 1000 seeds and more
	+@$(MAKE) --no-print-directory -C tests sim

install: all ## install into $(DESTDIR)$(PREFIX)
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" scripts/install.sh

setup: ## install the Debian packages that building and testing need (root)
	@scripts/setup.sh

setup-if-missing:
	@scripts/setup.sh --if-missing

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
