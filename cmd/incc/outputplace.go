package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// checkBesidePictures returns an error if a file that a command writes lies in a folder
// inside a data set of pictures: it could replace a picture, or be read as one the next
// time. flag is the name of the flag that path comes from.
func checkBesidePictures(flag, path, folder string, set *data.Set) error {
	if path == "" || toStdout(path) || len(set.Files) == 0 {
		return nil
	}
	if rel, ok := relativeInside(path, folder); ok && strings.ContainsRune(rel, filepath.Separator) {
		return usagef("--%s: %s lies among the pictures of %s: choose a folder outside of the data", flag, diag.Quote(path), diag.Printable(folder))
	}
	return nil
}

// relativeInside returns the path of a file relative to a folder that it lies in, after symbolic
// links. The file need not exist. ok is false for files elsewhere.
func relativeInside(path, folder string) (rel string, ok bool) {
	file, err := realPath(path)
	if err != nil {
		return "", false
	}
	root, err := realPath(folder)
	if err != nil {
		return "", false
	}
	rel, err = filepath.Rel(root, file)
	return rel, err == nil && filepath.IsLocal(rel)
}

// realPath makes a path absolute and follows symbolic links in the part of it that exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		up := filepath.Dir(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || up == path {
			return filepath.Join(real, rest), err
		}
		path, rest = up, filepath.Join(filepath.Base(path), rest)
	}
}

// samePath reports whether two paths lead to one file, which may not exist yet.
func samePath(a, b string) bool {
	if a == "" || b == "" || toStdout(a) || toStdout(b) {
		return false
	}
	if files.Same(a, b) {
		return true
	}
	x, errX := realPath(a)
	y, errY := realPath(b)
	return errX == nil && errY == nil && x == y
}
