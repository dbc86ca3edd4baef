package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/files"
)

func readTuning(path string) (*cpu.Tuning, error) {
	b, err := files.Read(path, 1<<20)
	if err != nil {
		return nil, err
	}
	t := &cpu.Tuning{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("%s is not a tuning file: %w", path, err)
	}
	return t, nil
}
