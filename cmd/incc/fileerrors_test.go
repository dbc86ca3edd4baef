package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPlainError: errors of the system are in words, wherever they stand in an error, and
// several in one.
func TestPlainError(t *testing.T) {
	at := func(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }
	denied, full := syscall.EACCES, syscall.ENOSPC
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("mkdir x: no"), "mkdir x: no"},
		{at("stat", "x", syscall.ENOENT), "x: " + syscall.ENOENT.Error()},
		{fmt.Errorf("--data: %w", at("open", "x", denied)), "--data: x: " + denied.Error()},
		{at("mkdir", "a/b", syscall.ENOTDIR), "the folder a/b cannot be made: there is a file in its place, or in that of a folder above"},
		{at("mkdir", "a/b", denied), "the folder a/b cannot be made: " + denied.Error()},
		{at("readdirent", "a", denied), "the folder a cannot be read: " + denied.Error()},
		{at("read", "a", syscall.EIO), "a cannot be read: " + syscall.EIO.Error()},
		{at("unlinkat", "a", denied), "a cannot be removed: " + denied.Error()},
		{at("sync", "a", full), "a cannot be written: " + full.Error()},
		{at("write", "a", full), "write a: " + full.Error()},
		{&os.LinkError{Op: "rename", Old: "a", New: "b", Err: denied}, "a cannot be renamed to b: " + denied.Error()},
		{errors.Join(fmt.Errorf("one: %w", at("lstat", "a", denied)), fmt.Errorf("two: %w; three", at("mkdir", "b", full))), "one: a: " + denied.Error() + "\ntwo: the folder b cannot be made: " + full.Error() + "; three"},
	} {
		if got := plainError(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestNoCallsInMessages: what the user reads of files that are missing or in the way has no
// names of calls.
func TestNoCallsInMessages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, read := os.ReadDir(file)
	for _, err := range []error{os.MkdirAll(filepath.Join(file, "x"), 0o777), os.Mkdir(file, 0o777), os.Remove(file + ".no"), os.Rename(file+".no", file), read} {
		var path *fs.PathError
		var link *os.LinkError
		if !errors.As(err, &path) && !errors.As(err, &link) {
			t.Fatal(err)
		}
		if plainError(err) == err.Error() {
			t.Errorf("%v", err)
		}
	}
}
