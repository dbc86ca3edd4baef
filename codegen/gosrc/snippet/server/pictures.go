// This file finds the pictures that the arguments of a command name.

package server

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// pictureFile is a picture that a command is to read, or the reason why it cannot.
type pictureFile struct {
	path string
	err  error
}

// pictureFiles lists the files that arguments name, in order: files, the pictures in
// folders, and what matches a pattern such as pets/*.png where no file has that name.
// isPicture tells pictures by their names, and formats names what they may be. An argument
// that names nothing has an entry with the reason. found is true where an argument is a
// folder or a pattern, and skipped counts the files of folders that are no pictures, by the
// endings of their names.
func pictureFiles(args []string, isPicture func(name string) bool, formats string) (list []pictureFile, found bool, skipped map[string]int) {
	skipped = map[string]int{}
	add := func(name string) {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			list = append(list, pictureFile{name, err})
			return
		}
		found = true
		inside := folderPictures(name, isPicture, skipped)
		if len(inside) == 0 {
			inside = []pictureFile{{name, fmt.Errorf("there are no pictures in this folder (want %s files)", formats)}}
		}
		list = append(list, inside...)
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
func folderPictures(folder string, isPicture func(name string) bool, skipped map[string]int) (list []pictureFile) {
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		switch {
		case hidden && d != nil && d.IsDir():
			return fs.SkipDir
		case hidden:
		case err != nil:
			list = append(list, pictureFile{filepath.Join(folder, filepath.FromSlash(name)), err})
		case d.IsDir():
		case isPicture(name):
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
	return list
}

// skippedText says what pictureFiles has skipped, "" where that is nothing.
func skippedText(skipped map[string]int) string {
	n := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(skipped)) {
		n += skipped[kind]
		kinds = append(kinds, fmt.Sprintf("%s: %d", printable(kind), skipped[kind]))
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "1 file in the folders is no picture and was skipped (" + kinds[0] + ")"
	}
	return fmt.Sprintf("%d files in the folders are no pictures and were skipped (%s)", n, strings.Join(kinds, ", "))
}

// errorReason is the text of an error about a file, without the name of the file and that
// of the system call at its start.
func errorReason(name string, err error) string {
	text := err.Error()
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		text = strings.Replace(text, pe.Error(), pe.Err.Error(), 1)
	}
	return strings.TrimPrefix(text, name+": ")
}

// printable returns a name for printing. It quotes names with characters that are not
// printable.
func printable(name string) string {
	for _, r := range name {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(name)
		}
	}
	return name
}
