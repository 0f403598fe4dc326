# CI calls only these targets. `make` alone lists them.

# What `make fuzz` spends on each target.
FUZZTIME ?= 20s
# A bound on one package's tests; the integration tests take about 90 s.
TESTTIME ?= 10m

# The integration tests run when nothing else does: what they watch has deadlines.
ALONE := cmd/netstackd

# More flags for `make bench` and `make bench-quick`: BENCHFLAGS='-json FILE'.
BENCHFLAGS ?=
# The same for `make race`: RACEFLAGS='-exec mine=./answer.sh -chart race.png'.
RACEFLAGS ?=

# The same for `make soak`: SOAKFLAGS='-minutes 30 -json soak.json'.
SOAKFLAGS ?=

# More flags for `make conform`: CONFORMFLAGS='-only ^tcp -junit FILE'.
CONFORMFLAGS ?=

# Flags for `make torture`: TORTUREFLAGS='-packets 1000000 -tun-packets 100000 -seed 7'.
TORTUREFLAGS ?=

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo dev)
# Builds need no C compiler, at build time or at run time, and hold nothing of where or
# when they were made.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)'
# The same without symbols for debuggers; a stack still has its names.
RELEASE := CGO_ENABLED=0 GOOS=linux go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'

# Where `make install` puts things. The configuration that is there already stays.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
ZSHDIR ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
# Where packages are made.
OUT ?= bin
# What is installed of the program itself, and what `make deb` and `make release` build for.
BINARY ?= bin/netstackd
ARCH ?= $(shell go env GOARCH)
ARCHES ?= amd64 arm64

# The time that packages bear (https://reproducible-builds.org/specs/source-date-epoch).
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# v1.2.3 is 1.2.3, and 1.2.3+4+gabcdef four commits later; without a tag it is before
# all that will have one.
DEB_VERSION := $(shell echo '$(VERSION)' | sed -E \
	-e 's/^v?([0-9]+\.[0-9])/\1/; t dashes' -e "s/^/0~git$$(date -u -d @$(SOURCE_DATE_EPOCH) +%Y%m%d)./" -e ':dashes' -e 's/-/+/g')
# A module of its own: it needs 55 others, which nobody who builds netstackd does.
NFPM := CGO_ENABLED=0 go tool -modfile=deploy/deb/nfpm/go.mod nfpm

# command:package, as Debian names the packages. The first two are for the race
# detector, the rest drive the daemon from outside.
TOOLS := gcc:gcc /usr/include/stdlib.h:libc6-dev ping:iputils-ping ip:iproute2 \
	tcpdump:tcpdump tshark:tshark iperf3:iperf3 nmap:nmap nc:netcat-openbsd curl:curl python3:python3 \
	systemd-analyze:systemd man:man-db groff:groff-base zsh:zsh fish:fish buildah:buildah setcap:libcap2-bin
# The tools of TOOLS that are not here, as packages. iproute2 and tcpdump live
# in sbin on some systems. promtool is to be had in the package of a server alone,
# which would run once it was installed.
MISSING := PATH="$$PATH:/usr/sbin:/sbin"; missing=""; \
	for tool in $(TOOLS); do \
		case $$tool in \
		/*) test -e "$${tool%%:*}" || missing="$$missing $${tool\#*:}" ;; \
		*) command -v "$${tool%%:*}" >/dev/null || missing="$$missing $${tool\#*:}" ;; \
		esac; \
	done; \
	command -v promtool >/dev/null && promtool="" || promtool="promtool"

# Its storage is its own, and gone with the image's folder.
BUILDAH := buildah --storage-driver vfs --root $(OUT)/image/storage --runroot $(OUT)/image/run

# Everything but the commands builds where no TUN device exists.
ROOMS := ./link/... ./stack/... ./hooks/...
OTHERS := darwin windows freebsd

.PHONY: help build install uninstall deb image release demo test fuzz conform torture bench bench-quick race soak bench-go lint deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/netstackd and bin/netstackdemo, static, the manual page and completions
	$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackdemo
	@go run ./cmd/netstackd/internal/document $(OUT)/share

install: ## install what `make build` made to PREFIX (/usr/local), beneath DESTDIR
	@test -x $(BINARY) && test -d $(OUT)/share || $(MAKE) --no-print-directory build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/netstackd
	install -D -m 644 $(OUT)/share/netstackd.8 $(DESTDIR)$(PREFIX)/share/man/man8/netstackd.8
	install -D -m 644 $(OUT)/share/netstackd.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/netstackd
	install -D -m 644 $(OUT)/share/_netstackd $(DESTDIR)$(ZSHDIR)/_netstackd
	install -D -m 644 $(OUT)/share/netstackd.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/netstackd.fish
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/netstackd/README.md
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/netstackd/examples deploy/netstackd.yaml deploy/systemd/netstack0.*
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system deploy/systemd/*.service
	sed -i 's|/usr/bin/netstackd|$(PREFIX)/bin/netstackd|; s|/etc/netstackd/|$(SYSCONFDIR)/netstackd/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/netstackd*.service
	install -D -m 644 deploy/systemd/netstackd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/netstackd.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/netstackd/netstackd.yaml || \
		install -D -m 644 deploy/netstackd.yaml $(DESTDIR)$(SYSCONFDIR)/netstackd/netstackd.yaml

uninstall: ## remove what `make install` installed, but for the configuration
	rm -f $(DESTDIR)$(PREFIX)/bin/netstackd $(DESTDIR)$(PREFIX)/share/man/man8/netstackd.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/netstackd $(DESTDIR)$(ZSHDIR)/_netstackd \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/netstackd.fish $(DESTDIR)$(PREFIX)/lib/sysusers.d/netstackd.conf \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/netstackd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/netstackd-prepared.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/netstackd

deb: ## build bin/netstackd_VERSION_ARCH.deb
	@rm -rf $(OUT)/stage/$(ARCH)
	GOARCH=$(ARCH) $(RELEASE) -o $(OUT)/stage/$(ARCH)/netstackd ./cmd/netstackd
	@go run ./cmd/netstackd/internal/document $(OUT)/share
	@$(MAKE) -s --no-print-directory install BINARY=$(OUT)/stage/$(ARCH)/netstackd DESTDIR=$(OUT)/stage/$(ARCH)/root PREFIX=/usr SYSCONFDIR=/etc
	@gzip -9n $(OUT)/stage/$(ARCH)/root/usr/share/man/man8/netstackd.8
	@install -m 644 deploy/deb/copyright $(OUT)/stage/$(ARCH)/root/usr/share/doc/netstackd/copyright
	@install -D -m 644 deploy/deb/overrides $(OUT)/stage/$(ARCH)/root/usr/share/lintian/overrides/netstackd
	@printf 'netstackd (%s) unstable; urgency=medium\n\n  * Built from %s.\n\n -- %s  %s\n' '$(DEB_VERSION)' '$(VERSION)' \
		"$$(sed -n 's/^maintainer: //p' deploy/deb/nfpm.yaml)" "$$(LC_ALL=C date -uRd @$(SOURCE_DATE_EPOCH))" \
		| gzip -9n >$(OUT)/stage/$(ARCH)/root/usr/share/doc/netstackd/changelog.gz
	@find $(OUT)/stage/$(ARCH)/root -exec touch -h -d @$(SOURCE_DATE_EPOCH) {} +
	@ARCH=$(ARCH) DEB_VERSION='$(DEB_VERSION)' STAGE=$(OUT)/stage/$(ARCH)/root \
		$(NFPM) package -f deploy/deb/nfpm.yaml -p deb -t '$(OUT)/netstackd_$(DEB_VERSION)_$(ARCH).deb'

image: ## build the container image, bin/netstackd-image.tar (OCI), as root, with buildah
	@rm -rf $(OUT)/image; mkdir -p $(OUT)/image
	$(RELEASE) -o $(OUT)/image/netstackd ./cmd/netstackd
	@setcap cap_net_admin+ep $(OUT)/image/netstackd
	@$(BUILDAH) bud --isolation chroot --timestamp $(SOURCE_DATE_EPOCH) -t netstackd -f deploy/container/Containerfile $(OUT)/image
	@rm -f $(OUT)/netstackd-image.tar; $(BUILDAH) push -q netstackd oci-archive:$(OUT)/netstackd-image.tar:netstackd:latest
	@rm -rf $(OUT)/image

release: ## packages and tarballs for ARCHES (amd64 arm64) in bin/release, the same from every machine
	@rm -rf $(OUT)/release; mkdir -p $(OUT)/release
	@set -e; for arch in $(ARCHES); do \
		$(MAKE) --no-print-directory deb ARCH=$$arch; \
		mv $(OUT)/netstackd_*_$$arch.deb $(OUT)/release/; \
		name="netstackd_$(DEB_VERSION)_linux_$$arch"; tree="$(OUT)/stage/$$arch/$$name"; \
		install -D -m 755 $(OUT)/stage/$$arch/netstackd "$$tree/netstackd"; \
		install -D -m 644 -t "$$tree" LICENSE README.md deploy/netstackd.yaml; \
		install -D -m 644 -t "$$tree/share" $(OUT)/share/netstackd.8 $(OUT)/share/netstackd.bash $(OUT)/share/_netstackd $(OUT)/share/netstackd.fish; \
		install -D -m 644 -t "$$tree/systemd" deploy/systemd/*; \
		tar -C $(OUT)/stage/$$arch --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@$(SOURCE_DATE_EPOCH) \
			-cf - "$$name" | gzip -9n >"$(OUT)/release/$$name.tar.gz"; \
	done; \
	cd $(OUT)/release && sha256sum * >SHA256SUMS && cat SHA256SUMS

demo: ## show it: ping, echo and 256 MiB over TCP, in a throwaway network namespace
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackdemo
	@bin/netstackdemo -netstackd bin/netstackd

# The race detector has a process stand still for a second at its end, for what other
# goroutines do then; these tests end theirs themselves, and run a hundred processes.
test: ## go vet and every test: unit, golden, fuzz seeds, race detector, integration
	go vet ./...
	@$(MISSING); \
	for package in $$missing $$promtool; do \
		echo "make test: $$package is not installed (make deps installs it): tests that need it are skipped, or fail with CI=true"; \
	done; \
	case " $$missing " in *" gcc "*|*" libc6-dev "*) race="" ;; *) race="-race" ;; esac; \
	test "$$(go env CGO_ENABLED)" = 1 || race=""; \
	if test -z "$$race"; then \
		echo "make test: no race detector: it needs cgo, gcc and libc6-dev"; \
		test "$${CI:-}" != true || exit 1; \
		export CGO_ENABLED=0; \
	fi; \
	export GORACE="$${GORACE:-} atexit_sleep_ms=0"; \
	set -ex; go test $$race -count=1 -timeout $(TESTTIME) $$(go list ./... | grep -v '/$(ALONE)$$'); \
	go test $$race -count=1 -timeout $(TESTTIME) ./$(ALONE); \
	go -C deploy/kubernetes test -count=1 -timeout $(TESTTIME) ./...

# A target whose time runs out while an input is being tried may fail with
# "context deadline exceeded" and nothing else (https://go.dev/issue/75804):
# that is no finding.
fuzz: ## run each fuzz target for FUZZTIME (20s)
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for package in $$(go list ./...); do \
		listed=$$(go test -list '^Fuzz' $$package) || { echo "$$listed"; exit 1; }; \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			if go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package >"$$log" 2>&1; then \
				echo "ok    $$package $$target, $$(grep '^fuzz: elapsed' "$$log" | tail -n 1)"; \
			elif grep -q '^ *context deadline exceeded$$' "$$log" && ! grep -qE 'Failing input|panic|_test\.go:' "$$log"; then \
				echo "ok    $$package $$target, out of time in the middle of an input"; \
			else \
				cat "$$log"; echo "FAIL  $$package $$target"; exit 1; \
			fi; \
		done; \
	done

conform: ## ask netstack, netstackd, the kernel and the reference host what the RFCs ask
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackconform
	@bin/netstackconform $(CONFORMFLAGS)

torture: ## ten million hostile packets around a fake device, and a million through TUN devices
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackconform
	@bin/netstackconform torture $(TORTUREFLAGS)

bench: ## measure netstackd beside the kernel and netstack on other links (7 min)
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench $(BENCHFLAGS)

bench-quick: ## the main rows of bench, in under a minute
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench -quick $(BENCHFLAGS)

race: ## who answers the ping? the same pings to all answerers, in under a minute
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench race $(RACEFLAGS)

soak: ## load with faults underneath; 2 minutes of it, SOAKFLAGS='-minutes 30' for more
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench soak $(SOAKFLAGS)

bench-go: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

lint: ## gofmt, go vet, staticcheck, tidy go.mod, and builds for the systems without a TUN
	@unformatted=$$(gofmt -l .); \
	test -z "$$unformatted" || { echo "not formatted, run gofmt -w:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	go -C deploy/deb/nfpm mod tidy -diff
	go -C deploy/kubernetes mod tidy -diff
	@set -e; for os in $(OTHERS); do \
		echo "GOOS=$$os go build $(ROOMS)"; \
		CGO_ENABLED=0 GOOS=$$os go build $(ROOMS); \
	done

deps: ## install the tools that the tests use (Debian, as root or with sudo)
	@$(MISSING); \
	if test -z "$$missing$$promtool"; then echo "make deps: everything is installed"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "make deps: this is not Debian: install what your system calls$$missing $$promtool" >&2; exit 1; \
	fi; \
	if test "$$(id -u)" = 0; then as_root="env"; \
	elif sudo -n true 2>/dev/null; then as_root="sudo env"; \
	else echo "make deps: not root: run it as root, it installs$$missing $$promtool" >&2; exit 1; fi; \
	set -ex; \
	$$as_root DEBIAN_FRONTEND=noninteractive apt-get update -q; \
	test -z "$$missing" || $$as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	if test -n "$$promtool"; then \
		package=$$(mktemp -d); trap 'rm -rf "$$package"' EXIT; \
		(cd "$$package" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .); \
		$$as_root install "$$package/usr/bin/promtool" /usr/local/bin/; \
	fi

clean: ## remove what the other targets built
	rm -rf bin
