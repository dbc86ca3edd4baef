package data

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir/diag"
)

// trainImages matches the names of the IDX file with the training images of MNIST and of sets in
// the same files, such as EMNIST. The first group is what comes before the name of the part.
var trainImages = regexp.MustCompile(`^(.*)train-images[-.]idx3-ubyte(\.gz)?$`)

// maxTried bounds the folders in which ReadKnown looks for files.
const maxTried = 256

// ReadKnown reads the data set of a folder that holds files of MNIST or CIFAR, or folders above such
// files, as archives and torchvision have them (MNIST/raw, cifar-10-batches-bin). It returns
// nil if there are no such files.
func ReadKnown(dir fs.FS) (*Source, error) {
	var found []string
	tried := 0
	var look func(name string, depth int) error
	look = func(name string, depth int) error {
		if tried++; tried > maxTried {
			return nil
		}
		known, err := isKnown(dir, name)
		if err != nil {
			return err
		}
		if known {
			found = append(found, name)
			return nil
		}
		if depth == 2 {
			return nil
		}
		inside, err := folders(dir, name)
		if err != nil {
			return err
		}
		for _, f := range inside {
			if err := look(path.Join(name, f), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := look(".", 0); err != nil {
		return nil, err
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("there are several data sets, in %s: name the folder of one", quoted(found))
	}
	at, err := fs.Sub(dir, found[0])
	if err != nil {
		return nil, err
	}
	s, err := readKnown(at)
	if err != nil && found[0] != "." {
		err = fmt.Errorf("%s: %w", diag.Printable(found[0]), err)
	}
	return s, err
}

// isKnown reports whether a folder holds files of MNIST or CIFAR.
func isKnown(dir fs.FS, name string) (bool, error) {
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		n := e.Name()
		return !e.IsDir() && (trainImages.MatchString(n) || n == "data_batch_1.bin" || n == "train.bin" || n == "data_batch_1" || n == "train" && isFile(dir, path.Join(name, "meta")))
	}), nil
}

func isFile(dir fs.FS, name string) bool {
	fi, err := fs.Stat(dir, name)
	return err == nil && !fi.IsDir()
}

func readKnown(dir fs.FS) (*Source, error) {
	switch {
	case isFile(dir, "data_batch_1.bin"), isFile(dir, "train.bin"):
		return ReadCIFAR(dir)
	case isFile(dir, "data_batch_1"):
		return nil, errors.New("these are the files of CIFAR-10 for Python, which are not read: take the binary version, cifar-10-binary.tar.gz")
	case isFile(dir, "train"):
		return nil, errors.New("these are the files of CIFAR-100 for Python, which are not read: take the binary version, cifar-100-binary.tar.gz")
	}
	return ReadMNIST(dir)
}

// mnistPrefix returns what the names of the files of a set in the form of MNIST begin with: "", or
// such as emnist-letters-.
func mnistPrefix(dir fs.FS) (string, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return "", err
	}
	var prefixes []string
	for _, e := range entries {
		if m := trainImages.FindStringSubmatch(e.Name()); m != nil && !slices.Contains(prefixes, m[1]) {
			prefixes = append(prefixes, m[1])
		}
	}
	if slices.Contains(prefixes, "") || len(prefixes) == 0 {
		return "", nil
	}
	if len(prefixes) > 1 {
		var names []string
		for _, p := range prefixes {
			names = append(names, strings.TrimSuffix(p, "-"))
		}
		return "", fmt.Errorf("there are the files of several data sets, %s: put those of one into a folder of their own", quoted(names))
	}
	return prefixes[0], nil
}
