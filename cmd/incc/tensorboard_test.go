package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCreateEvents: runs that begin in the same second write different files.
func TestCreateEvents(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1000, 0)
	for _, want := range []string{"events.out.tfevents.1000.incc", "events.out.tfevents.1001.incc"} {
		f, err := createEvents(dir, now)
		if err != nil {
			t.Fatal(err)
		}
		if f.Close(); filepath.Base(f.Name()) != want {
			t.Errorf("%s, want %s", f.Name(), want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", filepath.Join(dir, "events.out.tfevents.1002.incc")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	f, err := createEvents(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if f.Close(); filepath.Base(f.Name()) != "events.out.tfevents.1003.incc" {
		t.Error(f.Name())
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "other")); string(b) != "kept" {
		t.Errorf("the file behind the link holds %q", b)
	}
}
