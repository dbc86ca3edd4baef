package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/cpu/data"
)

// transfer says how an experiment compares training from trained weights with training
// from scratch: a first network is trained on one data set, and the runs of the
// experiment train on a few images of another one.
type transfer struct {
	source variant
	data   string // of the first network
	epochs float64

	classes int // of the images, known after prepare
}

// Images of each class that the runs of transfer train on and validate with, and images
// of a step.
const (
	transferTrain = 20
	transferVal   = 200
	transferBatch = 20
)

// transferExperiment trains on 20 images of each digit, from the weights of a network
// that has seen clothes only.
var transferExperiment = experiment{name: "transfer", doc: "20 images of each digit: from the weights of a network for Fashion-MNIST against from scratch", data: "mnist", epochs: 20,
	variants: []variant{{label: "from scratch", spec: "mnist/inception_v1"}, {label: "from trained weights", spec: "mnist/inception_v1", from: true},
		{label: "from trained weights, c1 frozen", spec: "mnist/inception_v1", from: true, freeze: []string{"c1"}},
		{label: "from trained weights, c1 and c2 frozen", spec: "mnist/inception_v1", from: true, freeze: []string{"c1", "c2"}}},
	transfer: &transfer{source: variant{label: "first network", spec: "mnist/inception_v1"}, data: "fashion-mnist", epochs: 2}}

// transferSource is the folder of the first network's run beside those of the others.
const transferSource = "source"

// prepare trains the first network and writes the few images. It returns the folder with
// the images.
func (t *transfer) prepare(c *cli.Context, e experiment, dir string) (string, error) {
	first := experiment{name: e.name, data: t.data, epochs: t.epochs, limit: e.limit}
	if s := c.String("source"); s != "" {
		first.data = s
	}
	if _, err := first.train(c, t.source, filepath.Join(dir, transferSource)); err != nil {
		return "", err
	}
	d, err := findData(c, e.data)
	if err != nil {
		return "", err
	}
	if d.source == nil || d.source.Test == nil {
		return "", fmt.Errorf("the experiment %s needs MNIST, or a folder with files in its format: %s has none", e.name, e.data)
	}
	few, err := firstOfEach(d.source.Train, transferTrain+transferVal)
	if err != nil {
		return "", fmt.Errorf("the experiment %s: %s: %w", e.name, e.data, err)
	}
	t.classes = few.Classes
	folder := filepath.Join(dir, "images")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	for part, s := range map[string]*data.Set{"train": few, "t10k": d.source.Test} {
		if err := writeImages(folder, part, s); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// firstOfEach returns the first n images of each class.
func firstOfEach(set *data.Set, n int) (*data.Set, error) {
	few := &data.Set{C: set.C, H: set.H, W: set.W, Classes: set.Classes, Names: set.Names}
	have := make([]int, set.Classes)
	for i, l := range set.Labels {
		if have[l] < n {
			have[l]++
			few.Labels = append(few.Labels, l)
			px, err := set.Image(i)
			if err != nil {
				return nil, err
			}
			few.Pixels = append(few.Pixels, px...)
		}
	}
	for class, k := range have {
		if k < n {
			return nil, fmt.Errorf("class %d has %d training images (want at least %d)", class, k, n)
		}
	}
	return few, nil
}

// flags returns the flags of incc train for a run in the folder dir/…
func (t *transfer) flags(v variant, dir string) []string {
	args := []string{"--batch", strconv.Itoa(transferBatch), "--val", strconv.Itoa(transferVal * t.classes)}
	if v.from {
		args = append(args, "--init", filepath.Join(dir, transferSource))
	}
	if len(v.freeze) > 0 {
		args = append(args, "--freeze", strings.Join(v.freeze, ","))
	}
	return args
}

// writeImages writes images and labels as MNIST has them.
func writeImages(folder, part string, s *data.Set) error {
	header := func(shape ...int) []byte {
		b := []byte{0, 0, 8, byte(len(shape))} // 8: bytes
		for _, n := range shape {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		return b
	}
	pixels, labels := header(s.Len(), s.H, s.W), header(s.Len())
	for i, l := range s.Labels {
		px, err := s.Image(i)
		if err != nil {
			return err
		}
		pixels = append(pixels, px...)
		labels = append(labels, byte(l))
	}
	for name, b := range map[string][]byte{"images-idx3-ubyte": pixels, "labels-idx1-ubyte": labels} {
		err := writeOwn(filepath.Join(folder, part+"-"+name), func(w io.Writer) error { _, err := w.Write(b); return err })
		if err != nil {
			return err
		}
	}
	return nil
}
