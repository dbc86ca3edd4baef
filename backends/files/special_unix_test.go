//go:build unix

package files

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// specials makes files in a folder that are not regular, and returns a part of the
// expected error for each.
func specials(t *testing.T, dir string) map[string]string {
	m := map[string]string{"/dev/zero": "is a device"}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	m["fifo"] = "is a named pipe (want a regular file)"
	if err := os.Symlink("fifo", filepath.Join(dir, "link to a fifo")); err != nil {
		t.Fatal(err)
	}
	m["link to a fifo"] = "is a named pipe"
	if l, err := net.Listen("unix", filepath.Join(dir, "socket")); err == nil { // fails where the path is too long
		t.Cleanup(func() { l.Close() })
		m["socket"] = "is a socket"
	}
	return m
}
