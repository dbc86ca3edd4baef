package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/incc-lang/incc/ir/diag"
)

// plainError is the text of an error in which what Go says of calls of the system is put
// into words: "stat x: no such file or directory" loses its first word, and "mkdir x:
// permission denied" becomes "the folder x cannot be made: permission denied".
func plainError(err error) string {
	text := err.Error()
	for _, e := range fileErrors(err) {
		text = strings.Replace(text, e.Error(), plainFileError(e), 1)
	}
	return text
}

// plainFileError is the text of an fs.PathError or os.LinkError in words.
func plainFileError(err error) string {
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		if e.Op == "rename" {
			return fmt.Sprintf("%s cannot be renamed to %s: %v", e.Old, e.New, e.Err)
		}
		return e.Error()
	}
	var e *fs.PathError
	if !errors.As(err, &e) {
		return err.Error()
	}
	reason := e.Err.Error()
	switch e.Op {
	case "stat", "lstat", "open":
		return e.Path + ": " + reason
	case "mkdir":
		if errors.Is(e.Err, syscall.ENOTDIR) || errors.Is(e.Err, fs.ErrExist) {
			reason = "there is a file in its place, or in that of a folder above"
		}
		return fmt.Sprintf("the folder %s cannot be made: %s", e.Path, reason)
	case "readdir", "readdirent", "fdopendir", "getdents", "getdents64":
		return fmt.Sprintf("the folder %s cannot be read: %s", e.Path, reason)
	case "read", "seek", "pread":
		return fmt.Sprintf("%s cannot be read: %s", e.Path, reason)
	case "remove", "unlink", "unlinkat", "rmdir":
		return fmt.Sprintf("%s cannot be removed: %s", e.Path, reason)
	case "truncate", "ftruncate", "sync", "fsync", "close", "chmod":
		return fmt.Sprintf("%s cannot be written: %s", e.Path, reason)
	}
	return e.Error()
}

// fileErrors lists the fs.PathErrors and os.LinkErrors that err wraps.
func fileErrors(err error) []error {
	switch e := err.(type) {
	case *fs.PathError, *os.LinkError:
		return []error{e}
	case interface{ Unwrap() error }:
		return fileErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		var list []error
		for _, x := range e.Unwrap() {
			list = append(list, fileErrors(x)...)
		}
		return list
	}
	return nil
}

// pathsOf lists the paths in the file errors that err wraps.
func pathsOf(err error) []string {
	var list []string
	for _, e := range fileErrors(err) {
		switch e := e.(type) {
		case *fs.PathError:
			list = append(list, e.Path)
		case *os.LinkError:
			list = append(list, e.Old, e.New)
		}
	}
	return list
}

// dataOfRun adds to an error about the data of a run whose they are and how to name others.
// dir is the folder of the run, "" where the user has named the data.
func dataOfRun(err error, dir string) error {
	if err == nil || dir == "" {
		return err
	}
	return fmt.Errorf("%w\nthese are the data of the run in %s: if they are in another place now, name it with --data", err, diag.Name(dir))
}
