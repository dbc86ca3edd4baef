package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// pictureFile is a picture that a command is to read, or the reason why it cannot.
type pictureFile struct {
	path string
	err  error
}

// pictureFiles lists the files that arguments name, in order: files, the pictures in
// folders, and what matches a pattern such as pets/*.png where no file has that name.
// An argument that names nothing has an entry with the reason. found is true where an
// argument is a folder or a pattern, and skipped counts the files of folders that are
// no pictures, by the endings of their names.
func pictureFiles(args []string) (list []pictureFile, found bool, skipped map[string]int) {
	skipped = map[string]int{}
	add := func(name string) {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			list = append(list, pictureFile{name, err})
			return
		}
		found = true
		list = append(list, folderPictures(name, skipped)...)
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(arg, "*?[") {
			add(arg)
			continue
		}
		found = true
		names, err := filepath.Glob(arg)
		if err == nil && len(names) == 0 {
			err = errors.New("no file has this name or matches this pattern")
		}
		if err != nil {
			list = append(list, pictureFile{arg, err})
		}
		for _, name := range names {
			// As in a shell, * does not match the dot of a hidden file.
			if !strings.HasPrefix(filepath.Base(name), ".") || strings.HasPrefix(filepath.Base(arg), ".") {
				add(name)
			}
		}
	}
	return list, found, skipped
}

// folderPictures lists the pictures in a folder and in the folders in it, without
// hidden ones. Links to folders are not followed: they may lead in circles.
func folderPictures(folder string, skipped map[string]int) (list []pictureFile) {
	dir := files.Dir(folder)
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		switch {
		case hidden && d != nil && d.IsDir():
			return fs.SkipDir
		case hidden:
		case err != nil:
			list = append(list, pictureFile{filepath.Join(folder, filepath.FromSlash(name)), err})
		case d.IsDir():
		case data.IsPicture(name):
			list = append(list, pictureFile{path: filepath.Join(folder, filepath.FromSlash(name))})
		default:
			kind := path.Ext(name)
			if kind == "" {
				kind = "no ending"
			}
			skipped[kind]++
		}
		return nil
	})
	if err != nil {
		list = append(list, pictureFile{folder, err})
	}
	if len(list) == 0 {
		list = append(list, pictureFile{folder, fmt.Errorf("there are no pictures in this folder (want %s files)", data.Formats)})
	}
	return list
}

// withPath is an error that names the file that it is about.
func withPath(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// errorReason is the text of an error about a file, without the name of the file at its start.
func errorReason(path string, err error) string {
	return strings.TrimPrefix(withoutCall(err), path+": ")
}

// skippedText says what pictureFiles has skipped, "" where that is nothing.
func skippedText(skipped map[string]int) string {
	n := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(skipped)) {
		n += skipped[kind]
		kinds = append(kinds, fmt.Sprintf("%s: %d", diag.Printable(kind), skipped[kind]))
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "1 file in the folders is no picture and was skipped (" + kinds[0] + ")"
	}
	return fmt.Sprintf("%d files in the folders are no pictures and were skipped (%s)", n, strings.Join(kinds, ", "))
}
