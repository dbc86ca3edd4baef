package data

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// Folder lists the pictures of a data set in folders, before any of them is read.
type Folder struct {
	Classes []string // names of the training part's class folders, in alphabetical order
	// The parts; Val and Test are nil where the data set has none.
	Train, Val, Test *Pictures
	Empty            []string // class folders without a picture; they are no classes
	Skipped          []Skipped
	Beside           []string // folders beside train that are no part
}

// Pictures lists the pictures of one part of a data set.
type Pictures struct {
	dir  fs.FS
	name string // of the part's folder, "" where the class folders are in the data set's own
	list []labelled
}

// Len is the number of pictures.
func (p *Pictures) Len() int { return len(p.list) }

// labelled is the file of a picture with its class.
type labelled struct {
	path  string
	class int
}

// Skipped counts files of one kind that are no pictures.
type Skipped struct {
	Kind  string // extension, or what else tells them from pictures
	Count int
}

// partNames are the names of the folders of parts, in small letters.
var partNames = [3][]string{{"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"}}

// ListFolder lists the pictures in one folder a class: DIR/cat/1.png, or
// DIR/train/cat/1.png beside DIR/val/cat/2.png and DIR/test/cat/3.png, of which val
// and test may be missing. Folders of parts may have the other names in partNames.
// Folders inside the folder of a class belong to the class.
func ListFolder(dir fs.FS) (*Folder, error) {
	parts, beside, err := findParts(dir)
	if err != nil {
		return nil, err
	}
	f, l := &Folder{Beside: beside}, lister{skipped: map[string]int{}}
	for i, name := range parts {
		if name == "" && (i > 0 || parts != [3]string{}) {
			continue
		}
		p, err := l.part(dir, name, &f.Classes)
		if err != nil && name != "" {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			return nil, err
		}
		*[]**Pictures{&f.Train, &f.Val, &f.Test}[i] = p
	}
	f.Empty, f.Skipped = l.empty, l.skips()
	return f, nil
}

// ListClasses lists the pictures in one folder a class whose names are among
// classes.
func ListClasses(dir fs.FS, classes []string) (*Folder, error) {
	l := lister{skipped: map[string]int{}}
	p, err := l.part(dir, "", &classes)
	if err != nil {
		return nil, err
	}
	return &Folder{Classes: classes, Train: p, Empty: l.empty, Skipped: l.skips()}, nil
}

// findParts finds the folders of the training, validation and test part: those with
// the right names that hold folders. All three are "" where there is none of them.
func findParts(dir fs.FS) (parts [3]string, beside []string, err error) {
	names, err := folders(dir, ".")
	if err != nil {
		return parts, nil, err
	}
next:
	for _, name := range names {
		for i, known := range partNames {
			if !slices.Contains(known, strings.ToLower(name)) {
				continue
			}
			inside, err := folders(dir, name)
			if err != nil {
				return parts, nil, err
			}
			if len(inside) == 0 {
				continue // a class called train, with pictures
			}
			if parts[i] != "" {
				return parts, nil, fmt.Errorf("both %s and %s hold pictures for one purpose: leave one of them", parts[i], name)
			}
			parts[i] = name
			continue next
		}
		beside = append(beside, name)
	}
	switch {
	case parts == [3]string{}:
		return parts, nil, nil
	case parts[0] == "":
		held := cmp.Or(parts[1], parts[2])
		return parts, nil, fmt.Errorf("there is a folder %s with class folders, but no folder train: put the pictures to train on into train/CLASS; to evaluate on %[1]s only, name that folder: --data DIR/%[1]s --split train", diag.Printable(held))
	}
	return parts, beside, nil
}

// folders returns the names of the folders in a folder, links to folders included
// and hidden ones left out, in alphabetical order.
func folders(dir fs.FS, name string) ([]string, error) {
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		is := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			fi, err := fs.Stat(dir, path.Join(name, e.Name()))
			is = err == nil && fi.IsDir()
		}
		if is {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// lister collects what ListFolder finds.
type lister struct {
	skipped map[string]int // by kind
	empty   []string
}

// part lists the pictures of a part in its folder, "" for dir itself. Classes that
// are not known yet are those with pictures; another one is an error.
func (l *lister) part(dir fs.FS, name string, classes *[]string) (*Pictures, error) {
	p := &Pictures{dir: dir, name: name}
	root := path.Join(".", name)
	names, err := folders(dir, root)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there are no folders (want one for each class, with pictures in it)")
	}
	if err := l.skipFiles(dir, root); err != nil {
		return nil, err
	}
	known := len(*classes) > 0
	for _, class := range names {
		var files []string
		if files, err = l.walk(dir, path.Join(root, class), nil, 0); err != nil {
			return nil, err
		}
		if len(files) == 0 {
			l.empty = append(l.empty, path.Join(root, class))
			continue
		}
		k := slices.Index(*classes, class)
		if k < 0 && known {
			near := ""
			if n, ok := diag.Nearest(class, *classes); ok {
				near = fmt.Sprintf(", did you mean %s?", diag.Quote(n))
			}
			return nil, fmt.Errorf("class %s is not among those trained on%s", diag.Quote(class), near)
		}
		if class != diag.Printable(class) {
			return nil, fmt.Errorf("the folder %s cannot be a class: its name has characters that cannot be printed", diag.Quote(class))
		}
		if k < 0 {
			k = len(*classes)
			*classes = append(*classes, class)
		}
		for _, f := range files {
			p.list = append(p.list, labelled{f, k})
		}
	}
	if len(p.list) == 0 {
		return nil, fmt.Errorf("there are no pictures in %s (want files of the formats %s)", quoted(names), Formats)
	}
	return p, nil
}

// maxDepth bounds how deep the folders in that of a class may be.
const maxDepth = 64

// walk appends the pictures in a folder and in those inside to files, each folder in
// alphabetical order. Other files are counted. Links to folders are not followed:
// they could form a circle.
func (l *lister) walk(dir fs.FS, name string, files []string, depth int) ([]string, error) {
	if depth == maxDepth {
		return nil, fmt.Errorf("%s: more than %d folders inside of each other", diag.Printable(name), maxDepth)
	}
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		at := path.Join(name, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			l.skip(e)
		case e.IsDir():
			if files, err = l.walk(dir, at, files, depth+1); err != nil {
				return nil, err
			}
		case !IsPicture(e.Name()):
			l.skip(e)
		default:
			files = append(files, at)
		}
	}
	return files, nil
}

// skipFiles counts the files beside class folders: they have no class.
func (l *lister) skipFiles(dir fs.FS, name string) error {
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type()&(fs.ModeDir|fs.ModeSymlink) != 0 {
			continue
		}
		if IsPicture(e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			l.skipped["pictures outside of class folders"]++
		} else {
			l.skip(e)
		}
	}
	return nil
}

func (l *lister) skip(e fs.DirEntry) {
	kind := strings.ToLower(path.Ext(e.Name()))
	switch {
	case e.Name() == ".DS_Store":
		kind = e.Name()
	case strings.HasPrefix(e.Name(), ".") && e.IsDir():
		kind = "hidden folders"
	case strings.HasPrefix(e.Name(), "."):
		kind = "hidden files"
	case e.Type()&fs.ModeSymlink != 0:
		kind = "links"
	case kind == "" || len(kind) > 12:
		kind = "other files"
	}
	l.skipped[kind]++
}

// skips returns the counts, the largest first.
func (l *lister) skips() []Skipped {
	var s []Skipped
	for kind, n := range l.skipped {
		s = append(s, Skipped{kind, n})
	}
	slices.SortFunc(s, func(a, b Skipped) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Kind, b.Kind)) })
	return s
}

// quoted lists names, of many only the first.
func quoted(names []string) string {
	const most = 5
	var q []string
	for _, n := range names[:min(len(names), most)] {
		q = append(q, diag.Quote(n))
	}
	if len(names) > most {
		q = append(q, fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(q, ", ")
}
