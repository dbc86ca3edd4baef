package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/ir/diag"
)

// checkBesidePictures returns an error if a file that a command writes lies in a folder
// inside a data set of pictures: it could replace a picture, or be read as one the next
// time. flag is the name of the flag that path comes from.
func checkBesidePictures(flag, path, folder string, set *data.Set) error {
	if path == "" || toStdout(path) || len(set.Files) == 0 {
		return nil
	}
	root, err := realPath(folder)
	if err != nil {
		return err
	}
	file, err := realPath(path)
	if err != nil {
		return err
	}
	inside, err := filepath.Rel(root, file)
	if err == nil && filepath.IsLocal(inside) && strings.ContainsRune(inside, filepath.Separator) {
		return usagef("--%s: %s lies among the pictures of %s: choose a folder outside of the data", flag, diag.Quote(path), diag.Printable(folder))
	}
	return nil
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
	if x, err := os.Stat(a); err == nil {
		if y, err := os.Stat(b); err == nil {
			return os.SameFile(x, y)
		}
	}
	x, errX := realPath(a)
	y, errY := realPath(b)
	return errX == nil && errY == nil && x == y
}
