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

# More flags for `make conform`: CONFORMFLAGS='-only ^tcp -junit FILE'.
CONFORMFLAGS ?=

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo dev)
# Release builds need no C compiler, at build time or at run time.
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)'

# command:package, as Debian names the packages. The first two are for the race
# detector, the rest drive the daemon from outside.
TOOLS := gcc:gcc /usr/include/stdlib.h:libc6-dev ping:iputils-ping ip:iproute2 \
	tcpdump:tcpdump tshark:tshark iperf3:iperf3 nmap:nmap nc:netcat-openbsd curl:curl python3:python3 \
	systemd-analyze:systemd
# The tools of TOOLS that are not here, as packages. iproute2 and tcpdump live
# in sbin on some systems.
MISSING := PATH="$$PATH:/usr/sbin:/sbin"; missing=""; \
	for tool in $(TOOLS); do \
		case $$tool in \
		/*) test -e "$${tool%%:*}" || missing="$$missing $${tool\#*:}" ;; \
		*) command -v "$${tool%%:*}" >/dev/null || missing="$$missing $${tool\#*:}" ;; \
		esac; \
	done

# Everything but the commands builds where no TUN device exists.
ROOMS := ./link/... ./stack/... ./hooks/...
OTHERS := darwin windows freebsd

.PHONY: help build demo test fuzz conform bench bench-quick race bench-go lint deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/netstackd and bin/netstackdemo, static
	$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackdemo

demo: ## show it: ping, echo and 256 MiB over TCP, in a throwaway network namespace
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackdemo
	@bin/netstackdemo -netstackd bin/netstackd

test: ## go vet and every test: unit, golden, fuzz seeds, race detector, integration
	go vet ./...
	@$(MISSING); \
	for package in $$missing; do \
		echo "make test: $$package is not installed (make deps installs it): tests that need it are skipped, or fail with CI=true"; \
	done; \
	case " $$missing " in *" gcc "*|*" libc6-dev "*) race="" ;; *) race="-race" ;; esac; \
	test "$$(go env CGO_ENABLED)" = 1 || race=""; \
	if test -z "$$race"; then \
		echo "make test: no race detector: it needs cgo, gcc and libc6-dev"; \
		test "$${CI:-}" != true || exit 1; \
		export CGO_ENABLED=0; \
	fi; \
	set -ex; go test $$race -count=1 -timeout $(TESTTIME) $$(go list ./... | grep -v '/$(ALONE)$$'); \
	go test $$race -count=1 -timeout $(TESTTIME) ./$(ALONE)

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

bench: ## measure netstackd beside the kernel and netstack on other links (7 min)
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench $(BENCHFLAGS)

bench-quick: ## the main rows of bench, in under a minute
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench -quick $(BENCHFLAGS)

race: ## who answers the ping? the same pings to all answerers, in under a minute
	@$(BUILD) -o bin/ ./cmd/netstackd ./cmd/netstackbench
	@bin/netstackbench race $(RACEFLAGS)

bench-go: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

lint: ## gofmt, go vet, staticcheck, tidy go.mod, and builds for the systems without a TUN
	@unformatted=$$(gofmt -l .); \
	test -z "$$unformatted" || { echo "not formatted, run gofmt -w:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	@set -e; for os in $(OTHERS); do \
		echo "GOOS=$$os go build $(ROOMS)"; \
		CGO_ENABLED=0 GOOS=$$os go build $(ROOMS); \
	done

deps: ## install the tools that the tests use (Debian, as root or with sudo)
	@$(MISSING); \
	if test -z "$$missing"; then echo "make deps: everything is installed"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
		echo "make deps: this is not Debian: install what your system calls$$missing" >&2; exit 1; \
	fi; \
	if test "$$(id -u)" = 0; then as_root="env"; \
	elif sudo -n true 2>/dev/null; then as_root="sudo env"; \
	else echo "make deps: not root: run 'apt-get install$$missing' as root" >&2; exit 1; fi; \
	set -ex; \
	$$as_root DEBIAN_FRONTEND=noninteractive apt-get update -q; \
	$$as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

clean: ## remove what the other targets built
	rm -rf bin
