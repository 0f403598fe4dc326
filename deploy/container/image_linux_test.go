package container_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"netstackd/link/linktest"
)

// patience bounds what a test waits for: building with nothing in the cache, too.
const patience = 5 * time.Minute

// blobs are the files of an OCI archive.
type blobs map[string][]byte

// build builds the image.
func build(t *testing.T) blobs {
	t.Helper()
	out := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "-C", "../..", "image", "OUT="+out, "VERSION=v1.2.3")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=", "MAKEFLAGS=")
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, log)
	}
	f, err := os.Open(filepath.Join(out, "netstackd-image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := blobs{}
	for in := tar.NewReader(f); ; {
		h, err := in.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
}

// descriptor names a blob: OCI image format specification, descriptor.md.
type descriptor struct{ Digest string }

// read reads JSON, of a file or of the blob that d names.
func (b blobs) read(t *testing.T, name string, out any) {
	t.Helper()
	text := b[name]
	if text == nil {
		text = b.blob(descriptor{name})
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func (b blobs) blob(d descriptor) []byte {
	return b["blobs/"+strings.ReplaceAll(d.Digest, ":", "/")]
}

// TestIntegrationImage builds the image, wants what the manifests rest on of it, and runs
// the program in it.
func TestIntegrationImage(t *testing.T) {
	if !linktest.InNamespace(t) {
		return
	}
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(users), "4294967295") {
		linktest.SkipOrFail(t, "needs root outside of a user namespace, to give files capabilities: uid_map %q, %v", users, err)
	}
	linktest.NeedTUN(t)
	linktest.NeedTools(t, "make", "buildah", "setcap", "setpriv", "chroot", "mount", "mknod", "unshare", "ip", "ping")
	image := build(t)
	var index struct{ Manifests []descriptor }
	image.read(t, "index.json", &index)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	image.read(t, index.Manifests[0].Digest, &manifest)
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
			Cmd        []string
		}
	}
	image.read(t, manifest.Config.Digest, &config)
	if diff := cmp.Diff([]string{"65532:65532", "/netstackd"}, append([]string{config.Config.User}, config.Config.Entrypoint...)); diff != "" || config.Config.Cmd != nil {
		t.Errorf("user and entrypoint (-want +got):\n%s%q", diff, config.Config.Cmd)
	}
	root := t.TempDir()
	var names []string
	for _, layer := range manifest.Layers {
		names = append(names, unpack(t, image.blob(layer), root)...)
	}
	if diff := cmp.Diff([]string{"netstackd"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	runs(t, root)
}

// unpack puts a layer's files into root, as a runtime does, their capabilities too, and
// returns their names.
func unpack(t *testing.T, layer []byte, root string) (names []string) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, h.Name)
		if err := os.WriteFile(path, data, h.FileInfo().Mode().Perm()); err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.FileInfo().Mode().Perm() != 0o755 {
			t.Errorf("%s: user %d, %v", h.Name, h.Uid, h.FileInfo().Mode())
		}
		if err := unix.Setxattr(path, "security.capability", []byte(h.PAXRecords["SCHILY.xattr.security.capability"]), 0); err != nil {
			linktest.SkipOrFail(t, "the file's capability cannot be set: %v", err)
		}
	}
}

// runs runs the program on the image's files, as its user.
func runs(t *testing.T, root string) {
	script := `set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT" && mkdir -p "$ROOT/dev" "$ROOT/proc"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev" && mkdir "$ROOT/dev/net" && mknod -m 666 "$ROOT/dev/net/tun" c 10 200
mount -t proc proc "$ROOT/proc" && mount -o remount,bind,ro "$ROOT"
setpriv --inh-caps=-all --bounding-set="$CAPS" $MORE chroot --userspec=65532:65532 "$ROOT" /netstackd -addr 172.16.0.2/24 -log-level warning 2>"$LOG" &
for i in $(seq 200); do
	if ! kill -0 $! 2>/dev/null; then wait $!; fi
	ping -c 1 -W 1 172.16.0.2 >/dev/null 2>&1 && break
	sleep 0.1
done
grep -E 'Uid|Cap|NoNewPrivs|Seccomp:' /proc/$!/status
kill $!; wait $!
`
	for _, tt := range []struct {
		name, caps, more string
		// status, and what it says.
		status int
		says   []string
	}{
		{
			// What the manifests ask for.
			"CAP_NET_ADMIN, privileges may be gained", "-all,+net_admin,+sys_chroot,+setuid,+setgid", "", 0,
			[]string{"Uid:\t65532\t65532", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"},
		},
		{
			"CAP_NET_ADMIN, no new privileges", "-all,+net_admin,+sys_chroot,+setuid,+setgid", "--no-new-privs", 1,
			[]string{"CAP_NET_ADMIN"},
		},
		{"no capability", "-all,+sys_chroot,+setuid,+setgid", "", 126, []string{"Operation not permitted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			log := filepath.Join(t.TempDir(), "log")
			cmd := exec.CommandContext(ctx, "unshare", "-n", "-m", "sh", "-c", script)
			cmd.Env = append(os.Environ(), "ROOT="+root, "CAPS="+tt.caps, "MORE="+tt.more, "LOG="+log)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			got := string(out) + string(text)
			if cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("exit status %d, want %d\n%s", cmd.ProcessState.ExitCode(), tt.status, got)
			}
			for _, want := range tt.says {
				if !strings.Contains(got, want) {
					t.Errorf("it does not say %q:\n%s", want, got)
				}
			}
		})
	}
}
