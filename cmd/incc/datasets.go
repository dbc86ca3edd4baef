package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/classify"
	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

var (
	dataFlag   = &cli.StringFlag{Name: "data", Usage: "`DATA` is mnist, fashion-mnist, or a folder with pictures in one folder for each class, with IDX files, or with CIFAR's binary files; see incc explain data"}
	strictFlag = &cli.BoolFlag{Name: "strict", Usage: "end with an error if a picture cannot be read, instead of leaving it out"}
)

// fashionDir is the folder in which Debian's package dataset-fashion-mnist installs the
// files.
const fashionDir = "/usr/share/datasets/fashion-mnist"

// dataset is a data set that was found. The pictures of a folder are listed, but not
// read before it is known how large images the network takes.
type dataset struct {
	name   string
	source *data.Source // nil for a folder of pictures
	folder *data.Folder
}

// findData finds the data set of --data.
func findData(c *cli.Context, name string) (*dataset, error) {
	d := &dataset{name: name}
	var err error
	switch name {
	case "":
		return nil, usagef("missing --data (want --data mnist, --data fashion-mnist or --data FOLDER)")
	case "mnist":
		dir, err := data.MNISTDir(c.Context, func(s string) { fmt.Fprintln(c.App.ErrWriter, s) })
		if err != nil {
			return nil, err
		}
		d.source, err = data.ReadMNIST(files.Dir(dir))
		return d, err
	case "fashion-mnist":
		if _, err := os.Stat(fashionDir); err != nil {
			return nil, errors.New("Fashion-MNIST is not installed: install Debian's package dataset-fashion-mnist, or put its four files into a folder and use --data FOLDER")
		}
		d.source, err = data.ReadMNIST(files.Dir(fashionDir))
		return d, err
	}
	fi, err := os.Stat(name)
	if err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("there is no data set and no folder %s%s", diag.Quote(name), didYouMean(name, []string{"mnist", "fashion-mnist"}))
	}
	dir := files.Dir(name)
	if d.source, err = data.ReadKnown(dir); err == nil && d.source == nil {
		d.folder, err = data.ListFolder(dir)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Clean(name), err)
	}
	return d, err
}

// classes returns the names of the classes, which may be unknown, and their number.
func (d *dataset) classes() ([]string, int) {
	if d.folder != nil {
		return d.folder.Classes, len(d.folder.Classes)
	}
	return d.source.Train.Names, d.source.Train.Classes
}

// isEmpty reports whether a class has a folder without pictures.
func (d *dataset) isEmpty(class string) bool {
	return d.folder != nil && slices.ContainsFunc(d.folder.Empty, func(f string) bool { return path.Base(f) == class })
}

// read returns the images of a data set for a network. It reads the pictures of a
// folder, and says what of the folder it leaves out.
func (d *dataset) read(c *cli.Context, g *ir.Graph) (*data.Source, error) {
	if d.folder == nil {
		d.source.Name = d.name
		a, b := d.source.Train, d.source.Test
		if b != nil && (a.C != b.C || a.H != b.H || a.W != b.W || b.Classes > a.Classes) {
			return nil, fmt.Errorf("%s: its test images are %dx%dx%d of %d classes, but its training images are %dx%dx%d of %d", diag.Printable(d.name), b.C, b.H, b.W, b.Classes, a.C, a.H, a.W, a.Classes)
		}
		return d.source, nil
	}
	src, err := readPictures(c, d.folder, d.name, g, 0)
	if err != nil {
		return nil, err
	}
	src.Name = d.name
	return src, nil
}

// readPictures reads the pictures of a folder. Notes tell what is left out. The images of
// other folders hold so many bytes in memory.
func readPictures(c *cli.Context, f *data.Folder, name string, g *ir.Graph, held int64) (*data.Source, error) {
	note := func(format string, args ...any) {
		say(c.App.ErrWriter, fmt.Sprintf("note: "+format, args...))
	}
	name = filepath.Clean(name)
	if len(f.Beside) > 0 {
		note("%s: folders that are neither train, val nor test are not used: %s", diag.Printable(name), quoteList(f.Beside))
	}
	if len(f.Empty) > 0 {
		note("%s: folders without pictures are no classes: %s", diag.Printable(name), quoteList(f.Empty))
	}
	if len(f.Skipped) > 0 {
		var kinds []string
		total := 0
		for _, s := range f.Skipped {
			kinds = append(kinds, fmt.Sprintf("%d %s", s.Count, diag.Printable(s.Kind)))
			total += s.Count
		}
		note("%s: left out %s that are not pictures in a class folder: %s", diag.Printable(name), diag.Count(total, "file"), strings.Join(kinds, ", "))
	}
	in := g.Inputs[0].Type.Shape
	if err := data.CheckChannels(in[1]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cache, err := pictureCache(c, f.Len(), in, held)
	if err != nil {
		return nil, err
	}
	limitGarbage(min(cache, int64(f.Len())*int64(in[1]*in[2]*in[3])))
	progress, done := readingProgress(c.App.ErrWriter, "read %d of %d pictures")
	src, bad, err := f.Read(data.Reading{Input: g.Recipe.Input, C: in[1], H: in[2], W: in[3], Cache: cache, Strict: c.Bool("strict"), Progress: progress})
	done()
	if err != nil {
		mend := ""
		if u := (*data.UnreadableError)(nil); errors.As(err, &u) {
			mend = "\nmend these files, or take them away"
			if !c.Bool("strict") {
				mend += "; up to a tenth of the pictures is left out without an error"
			}
		}
		return nil, fmt.Errorf("%s: %w%s", name, err, mend)
	}
	if len(bad) > 0 {
		text := fmt.Sprintf("note: %s: %s cannot be read and %s left out (--strict refuses the data):", diag.Printable(name), diag.Count(len(bad), "picture"), map[bool]string{true: "is", false: "are"}[len(bad) == 1])
		for _, u := range bad {
			text += "\n   " + u.String()
		}
		say(c.App.ErrWriter, text)
	}
	return src, nil
}

// quoteList lists names in quotes, of many only the first.
func quoteList(names []string) string {
	const most = 8
	var q []string
	for _, n := range names[:min(len(names), most)] {
		q = append(q, diag.Quote(n))
	}
	text := strings.Join(q, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

// readingProgress shows on a terminal how many pictures were read, where there are
// many, or what else text says of two numbers. done ends the line.
func readingProgress(w io.Writer, text string) (progress func(done, total int), done func()) {
	if columns(w) == 0 {
		return nil, func() {}
	}
	last, shown := time.Now(), false
	return func(n, total int) {
			if now := time.Now(); now.Sub(last) >= 200*time.Millisecond {
				last, shown = now, true
				fmt.Fprint(w, "\r\x1b[K"+diag.Shorten(fmt.Sprintf(text, n, total), columns(w)-1))
			}
		}, func() {
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
}

// openData reads a data set for the evaluation of a network. run is as for dataOfRun.
func openData(c *cli.Context, g *ir.Graph, run string) (*data.Source, error) {
	outputs, err := classify.Classes(g)
	if err != nil {
		return nil, err
	}
	d, err := findData(c, c.String("data"))
	if err != nil {
		return nil, dataOfRun(err, run)
	}
	m, err := matchClasses(d, g, outputs, true)
	if err != nil {
		return nil, err
	}
	return d.forNetwork(c, g, m)
}

// forNetwork reads a data set whose classes match the outputs of a network as m says.
func (d *dataset) forNetwork(c *cli.Context, g *ir.Graph, m classMap) (*data.Source, error) {
	src, err := d.read(c, g)
	if err != nil {
		return nil, err
	}
	for _, s := range []*data.Set{src.Train, src.Val, src.Test} {
		m.apply(s)
	}
	return src, nil
}

// validationFolder reads the pictures of --val FOLDER, whose classes are among those
// of the training images.
func validationFolder(c *cli.Context, folder string, g *ir.Graph, whole *data.Source) (*data.Set, error) {
	train := whole.Train
	if fi, err := os.Stat(folder); err != nil || !fi.IsDir() {
		return nil, usagef("--val %s is neither a fraction (0.1 or 10%%), a number of images nor a folder", diag.Name(folder))
	}
	if len(train.Names) == 0 {
		return nil, usagef("--val %s: the training images have no names of classes to compare with those of the folder: name them in a labels statement", diag.Name(folder))
	}
	f, err := data.ListClasses(files.Dir(folder), train.Names)
	if err != nil {
		return nil, fmt.Errorf("--val %s: %w", diag.Printable(folder), err)
	}
	src, err := readPictures(c, f, folder, g, heldBytes(whole))
	if err != nil {
		return nil, err
	}
	return src.Train, nil
}
