package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir/diag"
)

// check returns an error if a run cannot start in its folder or, with --resume, cannot
// continue there.
func (p *prepared) check(c *cli.Context) error {
	old, err := files.Read(filepath.Join(p.dir, runSpec), maxSpecBytes)
	if c.Bool("resume") {
		if err == nil && p.extends(c, old) {
			return nil
		}
		if err == nil && !bytes.Equal(old, p.spec.text) && !c.Bool("resume-changed") {
			if p.spec.run != "" {
				return fmt.Errorf("these flags change the spec of the run in %s: leave them out to continue without the change, add --resume-changed to continue with it, or start a new run with --out DIR", p.dir)
			}
			return fmt.Errorf("%s holds a run of another spec than %s with these flags: continue it unchanged with incc train --resume %s, add --resume-changed to continue with the change, or start a new run with --out DIR", p.dir, p.spec.file, p.dir)
		}
		return nil
	}
	if exists(filepath.Join(p.dir, runStart)) {
		checkpoints, err := train.Checkpoints(train.Disk{}, p.dir)
		if err != nil {
			return err
		}
		rows, err := readResults(p.dir)
		if err == nil && len(rows) > 0 || len(checkpoints) > 0 {
			kind, goOn := "", "continue it with --resume, "
			if exists(filepath.Join(p.dir, runSummary)) {
				kind, goOn = "finished ", "train it further with --resume --epochs N, "
			}
			return fmt.Errorf("%s holds a %srun of %s: %schoose another folder with --out DIR, or add --force, which moves this one to %s", diag.Name(p.dir), kind, diag.Count(len(rows), "epoch"), goOn, diag.Name(asideFolder(p.dir)))
		}
		return nil
	}
	for _, name := range append([]string{runSpec}, runOutputs...) {
		if exists(filepath.Join(p.dir, name)) {
			return fmt.Errorf("%s has a file %s that does not belong to a run, and a run would overwrite it: choose another folder with --out", p.dir, name)
		}
	}
	return nil
}

// asideFolder returns the name that --force gives to the folder of a run: the first of
// DIR.1, DIR.2 and so on that is free.
func asideFolder(dir string) string {
	dir = filepath.Clean(dir)
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%d", dir, n)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) || n == 1<<20 {
			return name
		}
	}
}

// moveAside makes room for a new run by --force: it renames the folder of the run that
// is there. Nothing is deleted. Without a run in the folder it does nothing.
func (p *prepared) moveAside(c *cli.Context) error {
	if !c.Bool("force") || c.Bool("resume") || !exists(filepath.Join(p.dir, runStart)) {
		return nil
	}
	for _, flag := range []string{"init", "data", "val"} {
		if inside(c.String(flag), p.dir) {
			return usagef("--force would move %s away, which --%s names: move it to another place first, or choose another folder with --out", diag.Name(c.String(flag)), flag)
		}
	}
	unlock, err := lockRun(p.dir) // not while another process trains there
	if err != nil {
		return err
	}
	unlock() // Windows does not rename a folder with an open file
	aside := asideFolder(p.dir)
	if err := os.Rename(p.dir, aside); err != nil {
		return fmt.Errorf("the run cannot be moved aside: %w", err)
	}
	return say(c.App.Writer, fmt.Sprintf("moved the run in %s to %s", diag.Name(p.dir), diag.Name(aside)))
}

// inside reports whether a path exists and leads into a folder.
func inside(path, dir string) bool {
	if path == "" || !exists(path) {
		return false
	}
	_, ok := relativeInside(path, dir)
	return ok
}

// begin writes the files that are known before the first step: run.json, labels.txt and
// spec.incc. It writes run.json first, because that file marks the folder of a run.
// resumed lists the finished epochs at each resumption of the run.
func (p *prepared) begin(c *cli.Context, resumed []int) error {
	dataset, err := datasetPath(p.set.Name)
	if err != nil {
		return err
	}
	val := c.String("val")
	if v, err := parseValidation(val); err == nil && v.folder != "" {
		if val, err = fromAnywhere(v.folder); err != nil {
			return err
		}
	}
	initial, err := fromAnywhere(c.String("init"), "")
	if err != nil {
		return err
	}
	err = writeOwn(filepath.Join(p.dir, runStart), func(w io.Writer) error {
		return writeJSON(w, runBegin{Version: version, Name: p.name, Data: dataset, Val: validationText(val), LimitBatches: c.Int("limit-batches"), Overfit: c.Int("overfit"),
			Init: initial, Features: p.cut != nil, Quantize: p.tuned != nil, Engine: c.String("engine"), Classes: p.classes, Resumed: resumed, Identity: p.id})
	})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{runLabels, p.labels}, {runSpec, p.spec.text}} {
		if f.text == nil {
			continue
		}
		if err := writeOwn(filepath.Join(p.dir, f.name), func(w io.Writer) error { _, err := w.Write(f.text); return err }); err != nil {
			return err
		}
	}
	return removeLeftovers(p.dir)
}

// resumptions returns the finished epochs at each resumption of the run until now. more says
// that it goes on now, after that many epochs.
func (p *prepared) resumptions(c *cli.Context, more bool, epochs int) ([]int, error) {
	if !c.Bool("resume") || !exists(filepath.Join(p.dir, runStart)) {
		return nil, nil
	}
	b, err := readBegin(p.dir)
	if err != nil || !more {
		return b.Resumed, err
	}
	return append(b.Resumed, epochs), nil
}

// datasetPath makes the path of a data set absolute.
func datasetPath(name string) (string, error) { return fromAnywhere(name, "mnist", "fashion-mnist") }

// fromAnywhere makes a path absolute, so that it is valid in any current folder. It
// does not change a path that is one of names.
func fromAnywhere(path string, names ...string) (string, error) {
	if slices.Contains(names, path) {
		return path, nil
	}
	return filepath.Abs(path)
}

// runName returns the default name of a run: the name of its spec's file. For a file in
// a folder of specs/, the name includes the folder, to distinguish mnist/nin from
// fashion/nin. incc import calls every spec net.incc; then the name is that of the folder.
func runName(file string) string {
	file = filepath.ToSlash(file)
	name := strings.TrimSuffix(path.Base(file), ".incc")
	if folder := path.Base(path.Dir(file)); path.Base(file) == importedSpec && plainName(folder) {
		return sanitizeName(folder)
	}
	if dir := path.Dir(file); path.Base(path.Dir(dir)) == "specs" {
		name = path.Base(dir) + "_" + name
	}
	return sanitizeName(name)
}

// sanitizeName turns a name into a plain name (plainName) of at most 200 bytes without
// spaces.
func sanitizeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(` /\:`, r) || !diag.Visible(r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, name)
	for len(name) > 200 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if !plainName(name) {
		return "run"
	}
	return name
}

// checkBest checks, when a run continues, that best.safetensors is usable, because the
// end of the run needs it. If it is not usable but the best weights are those of the
// checkpoint, checkBest writes the file again.
func (p *prepared) checkBest(c *cli.Context, s *train.State, meta map[string]string) error {
	if s.BestAt < 0 {
		return nil
	}
	best := filepath.Join(p.dir, bestWeights)
	_, err := p.trainedGraph(c, best)
	switch {
	case err == nil:
		return nil
	case s.BestAt == s.Epoch && s.Step == 0:
		sayf(c.App.Writer, "the best weights cannot be used: %v; writing them again from the checkpoint", err)
		return train.WriteWeights(train.Disk{}, best, p.engine, meta)
	}
	return fmt.Errorf("the best weights so far, those of epoch %d, cannot be used: %w\nrestore a good copy of the file, or start a new run with --out DIR", s.BestAt, err)
}
