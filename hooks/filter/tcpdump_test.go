package filter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// findTcpdump returns the path of tcpdump, the outside judge: libpcap compiles
// an expression there for link type RAW, without a device or privilege, and
// prints the program.
func findTcpdump(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"tcpdump", "/usr/sbin/tcpdump", "/usr/bin/tcpdump"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("tcpdump is not installed")
	}
	t.Skip("tcpdump is not installed")
	return ""
}

// A program is an expression as libpcap compiled it.
type program struct{ vm *bpf.VM }

// compileBPF compiles the expression with tcpdump. An expression that libpcap
// refuses gives its message, in one line.
//
// It does so without the optimizer (-O), which is free to move and to remove
// loads: what an optimized program makes of a truncated packet differs from
// version to version, and it refuses what can never match.
func compileBPF(tcpdump, expr string, flags ...string) (*program, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(tcpdump, append(flags, "-y", "RAW", "-ddd", "--", expr)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			message := strings.TrimSpace(stderr.String())
			return nil, refusal(message[strings.LastIndexByte(message, '\n')+1:])
		}
		return nil, fmt.Errorf("run tcpdump: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var code []bpf.Instruction
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		var n [4]uint64
		for i := range n {
			if len(fields) != len(n) {
				return nil, fmt.Errorf("read program: line %q", line)
			}
			if n[i], err = strconv.ParseUint(fields[i], 10, 32); err != nil {
				return nil, fmt.Errorf("read program: %w", err)
			}
		}
		raw := bpf.RawInstruction{Op: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])}
		instruction := raw.Disassemble()
		if _, ok := instruction.(bpf.NegateA); ok {
			// The VM has no negation, which is a product modulo 2^32.
			instruction = bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 0xffffffff}
		}
		code = append(code, instruction)
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	return &program{vm}, nil
}

// A refusal is what tcpdump says of an expression.
type refusal string

func (r refusal) Error() string { return string(r) }

// match runs the program.
func (p *program) match(t testing.TB, packet []byte) bool {
	t.Helper()
	n, err := p.vm.Run(packet)
	if err != nil {
		t.Fatalf("run program: %v", err)
	}
	return n != 0
}
