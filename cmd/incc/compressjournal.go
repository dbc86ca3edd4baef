package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/incc-lang/incc/backends/cpu/data"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// journalFile holds what a compression has measured, one number or list of numbers on a line, so that
// it can go on.
const journalFile = "measured.jsonl"

// journal is an open journalFile. Everything that a compression measures goes through it: a
// compression that goes on takes the same decisions as before.
type journal struct {
	id    train.Identity
	known map[string][]float64
	file  *os.File
}

// journalHead is the first line of the file, journalLine each other one.
type journalHead struct {
	Compress train.Identity `json:"compress"`
}

type journalLine struct {
	Key   string    `json:"key"`
	Value []float64 `json:"value"`
}

// identify describes the network, the images and the settings that measurements depend on.
func (p *compressor) identify(d *data.Source, div division) error {
	c := p.c
	h := sha256.New()
	w := bufio.NewWriter(h)
	if err := writeWeights(w, p.g, 0, nil); err != nil {
		return err
	}
	w.Flush()
	id := train.Identity{"incc": version, "spec": "SHA-256 " + p.g.Recipe.SpecHash, "weights": "SHA-256 " + hex.EncodeToString(h.Sum(nil)),
		"data": dataIdentity(d), "validation": div.identity(),
		"images": fmt.Sprint(c.Int("images")), "seed": fmt.Sprint(c.Int64("seed")), "batch": fmt.Sprint(c.Int("batch")), "cost": p.costName(),
		"threads": fmt.Sprint(c.Int("threads")), "isa": c.String("isa"), "direct": fmt.Sprint(c.Bool("direct"))}
	if file := c.String("tuning"); file != "" {
		sum, err := fileHash(file)
		if err != nil {
			return err
		}
		id["tuning"] = "SHA-256 " + sum
	}
	p.journal = &journal{id: id, known: map[string][]float64{}}
	return nil
}

// openJournal reads the journal in the folder, and opens it for more. It returns an error if it
// belongs to another compression, or if the folder has files of something else.
func (p *compressor) openJournal() error {
	path := filepath.Join(p.dir, journalFile)
	if p.c.Bool("force") {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.RemoveAll(filepath.Join(p.dir, triesFolder)); err != nil {
			return err
		}
	}
	text, err := files.Read(path, maxRunFile)
	if errors.Is(err, fs.ErrNotExist) {
		return p.newJournal(path)
	}
	if err != nil {
		return err
	}
	whole, err := p.journal.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", diag.Name(path), err)
	}
	if p.file, err = os.OpenFile(path, os.O_WRONLY, 0o644); err != nil {
		return err
	}
	if err := p.file.Truncate(int64(whole)); err != nil { // a line that was not finished
		return err
	}
	if _, err := p.file.Seek(int64(whole), 0); err != nil {
		return err
	}
	if n := len(p.known); n > 0 {
		return sayf(p.c.App.Writer, "%s has %s of this compression: going on from there", diag.Name(p.dir), diag.Count(n, "measurement"))
	}
	return nil
}

// newJournal begins a journal in a folder that has none.
func (p *compressor) newJournal(path string) error {
	for _, name := range []string{importedSpec, importedWeights, runSpec, compressTable + ".csv", runOfCompress} {
		if exists(filepath.Join(p.dir, name)) && !p.c.Bool("force") {
			return fmt.Errorf("%s exists already, and is not of a compression: choose another folder with -o, or overwrite it with --force", diag.Quote(filepath.Join(p.dir, name)))
		}
	}
	var err error
	if p.file, err = os.Create(path); err != nil {
		return err
	}
	return writeLineJSON(p.file, journalHead{p.id})
}

// parse reads a journal and returns how many of its bytes are whole lines.
func (j *journal) parse(text []byte) (whole int, err error) {
	for n := 0; ; n++ {
		end := bytes.IndexByte(text[whole:], '\n')
		if end < 0 {
			if n == 0 {
				return 0, errors.New("it is not a journal of incc compress: choose another folder, or delete it")
			}
			return whole, nil
		}
		line := text[whole : whole+end]
		if n == 0 {
			var h journalHead
			if json.Unmarshal(line, &h) != nil || h.Compress == nil {
				return 0, errors.New("it is not a journal of incc compress: choose another folder, or delete it")
			}
			if err := j.same(h.Compress); err != nil {
				return 0, err
			}
		} else {
			var l journalLine
			if err := json.Unmarshal(line, &l); err != nil || l.Key == "" || len(l.Value) == 0 {
				return 0, fmt.Errorf("line %d is damaged: begin again with --force", n+1)
			}
			j.known[l.Key] = l.Value
		}
		whole += end + 1
	}
}

// same compares the identity of a journal.
func (j *journal) same(other train.Identity) error {
	for _, k := range slices.Sorted(maps.Keys(j.id)) {
		if other[k] != j.id[k] {
			return fmt.Errorf("the folder has a compression with another %s (%s, now %s): choose another folder with -o, or begin again with --force", k, diag.Quote(other[k]), diag.Quote(j.id[k]))
		}
	}
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
	}
}

// measured returns what the journal has for a key, or measures it and adds it. Numbers that are not
// finite are an error.
func (p *compressor) measured(key string, measure func() ([]float64, error)) ([]float64, error) {
	if v, ok := p.known[key]; ok {
		return v, nil
	}
	if err := p.ctx.Err(); err != nil {
		return nil, err
	}
	v, err := measure()
	if err != nil {
		return nil, err
	}
	for _, x := range v {
		if x-x != 0 {
			return nil, &numericalError{fmt.Sprintf("%s: a measurement is not a finite number", key)}
		}
	}
	p.known[key] = v
	return v, writeLineJSON(p.file, journalLine{key, v})
}

// writeGraphWeights writes the weights of a graph to a file.
func writeGraphWeights(path string, g *ir.Graph, meta map[string]string) error {
	return writeOwn(path, func(w io.Writer) error { return writeWeights(w, g, 0, meta) })
}
