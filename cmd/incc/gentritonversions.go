package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends"
	"github.com/incc-lang/incc/backends/triton"
	"github.com/incc-lang/incc/codegen/gosrc"
	"github.com/incc-lang/incc/ir/diag"
)

// This file puts a model into a repository for Triton that may have earlier versions of it.

// writeTriton writes the files of a model, which are those of version 1. Where the repository
// dir has the model, the new one becomes the next version, or with replace takes the place of
// the newest one. It returns what it did.
func writeTriton(dir string, files []backends.File, replace bool) (string, error) {
	model := filepath.Join(dir, path.Dir(files[0].Path))
	newest, count, err := tritonVersions(model)
	if err != nil {
		return "", err
	}
	if count > 0 && (count > 1 || !replace) {
		if err := checkTritonConfig(model, files, replace); err != nil {
			return "", err
		}
	}
	net := files[len(files)-1]
	version := max(1, newest)
	if newest > 0 && !replace {
		same, err := sameContents(filepath.Join(model, strconv.Itoa(newest), triton.ModelFile), net)
		if err != nil {
			return "", err
		}
		if same {
			return keepTriton(dir, model, files, newest)
		}
		version++
	}
	// Triton may look at the folder at any moment: a version is complete when it gets its name.
	place := filepath.Join(model, strconv.Itoa(version))
	fresh := filepath.Join(model, "."+strconv.Itoa(version))
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return "", err
	}
	net.Path = triton.ModelFile
	if err := writeFiles(writeFile, fresh, []backends.File{net}); err != nil {
		return "", err
	}
	if err := writeFiles(writeFile, dir, files[:len(files)-1]); err != nil {
		return "", err
	}
	if version == newest {
		if err := os.Rename(filepath.Join(fresh, triton.ModelFile), filepath.Join(place, triton.ModelFile)); err != nil {
			return "", err
		}
		return fmt.Sprintf("wrote version %d of %s anew", version, shortPath(model)), os.Remove(fresh)
	}
	if err := os.Rename(fresh, place); err != nil {
		return "", err
	}
	if version > 1 {
		return fmt.Sprintf("wrote version %d of %s, after version %d", version, shortPath(model), newest), nil
	}
	return "wrote " + shortPath(model), nil
}

// keepTriton writes the configuration of a model whose newest version is there already, if
// it changed. It returns what it did.
func keepTriton(dir, model string, files []backends.File, newest int) (string, error) {
	var changed []backends.File
	for _, f := range files[:len(files)-1] {
		same, err := sameContents(filepath.Join(dir, f.Path), f)
		if err != nil {
			return "", err
		}
		if !same {
			changed = append(changed, f)
		}
	}
	said := fmt.Sprintf("version %d of %s is this model already", newest, shortPath(model))
	if len(changed) == 0 {
		return said + ", and nothing changed", nil
	}
	var list []string
	for _, f := range changed {
		list = append(list, path.Base(f.Path))
	}
	return said + "; wrote " + strings.Join(list, " and "), writeFiles(writeFile, dir, changed)
}

// tritonVersions returns the newest version in the folder of a model and the number of
// versions, 0 where there is none. It returns an error if the folder holds something that incc
// gen triton did not write.
func tritonVersions(model string) (newest, count int, err error) {
	list, err := os.ReadDir(model)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(list) == 0:
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	if b, err := readOutput(filepath.Join(model, triton.ConfigFile)); err != nil || !gosrc.IsGenerated(b) {
		return 0, 0, fmt.Errorf("%s holds a model that incc gen triton did not write: move it away, or choose another --name", shortPath(model))
	}
	for _, e := range list {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n < 1 || strconv.Itoa(n) != e.Name() || !e.IsDir() {
			continue
		}
		newest, count = max(newest, n), count+1
	}
	return newest, count, nil
}

// checkTritonConfig returns an error if the inputs, the outputs or the names of the classes of
// a model are not those of the versions that the repository has: all share one configuration.
// Without replace it also returns an error if the versions are of another network.
func checkTritonConfig(model string, files []backends.File, replace bool) error {
	differs := func(what string) error {
		return fmt.Errorf("%s has versions with other %s, and all versions share one configuration: choose another --name, or move %[1]s away", shortPath(model), what)
	}
	hasLabels := false
	for _, f := range files[:len(files)-1] {
		var b bytes.Buffer
		if _, err := f.WriterTo.WriteTo(&b); err != nil {
			return err
		}
		name := path.Base(f.Path)
		old, err := os.ReadFile(filepath.Join(model, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		switch {
		case name == triton.ConfigFile && !bytes.Equal(tensorsOf(old), tensorsOf(b.Bytes())):
			return differs("inputs or outputs")
		case name == triton.ConfigFile && !replace:
			if err := sameNetwork(model, triton.NetworkOf(old), triton.NetworkOf(b.Bytes())); err != nil {
				return err
			}
		case name == triton.LabelsFile:
			if hasLabels = true; !bytes.Equal(old, b.Bytes()) {
				return differs("names of the classes")
			}
		}
	}
	if _, err := os.Stat(filepath.Join(model, triton.LabelsFile)); err == nil && !hasLabels {
		return differs("names of the classes")
	}
	return nil
}

// sameNetwork returns an error if the names of two networks are known and differ.
func sameNetwork(model, old, fresh string) error {
	if old == fresh || old == "" || fresh == "" {
		return nil
	}
	return fmt.Errorf("%s is the network %s, and this is %s: choose another --name, or put it in the place of the newest version with --replace", shortPath(model), diag.Name(old), diag.Name(fresh))
}

// tensorsOf returns the part of a configuration about inputs and outputs.
func tensorsOf(config []byte) []byte {
	_, rest, _ := bytes.Cut(config, []byte("\ninput {"))
	tensors, _, _ := bytes.Cut(rest, []byte("\ndynamic_batching {"))
	return tensors
}

// sameContents reports whether a file holds what another would have.
func sameContents(old string, f backends.File) (bool, error) {
	was, err := fileHash(old)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h := sha256.New()
	if _, err := f.WriterTo.WriteTo(h); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == was, nil
}
