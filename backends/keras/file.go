package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/hdf5"
	"github.com/incc-lang/incc/backends/weights/zipfile"
	"github.com/incc-lang/incc/ir/diag"
)

// File is what a file of Keras holds.
type File struct {
	Config *Config // nil if the file has weights alone
	// Arrays are the weights, layer by layer, as LAYER/kernel and so on. The layers of a model
	// inside are MODEL/LAYER. Kernels are as in Keras: height x width x in x out.
	Arrays []arrays.Array
	// Notes are what was assumed, as sentences.
	Notes []string

	version string // of Keras
}

// isKeras3 reports whether Keras 3 wrote the file.
func (f *File) isKeras3() bool {
	return !strings.HasPrefix(f.version, "1.") && !strings.HasPrefix(f.version, "2.")
}

// Limits of what is read to memory.
const (
	maxConfig = 64 << 20 // bytes of the description of a model
	maxPacked = 64 << 20 // bytes of weights that a .keras file has compressed
)

// Members of a .keras file.
const (
	configMember   = "config.json"
	metadataMember = "metadata.json"
	weightsMember  = "model.weights.h5"
)

// IsArchive reports whether an archive is a .keras file.
func IsArchive(z *zipfile.Archive) bool { return z.Entry(weightsMember) != nil }

// OpenArchive reads a .keras file.
func OpenArchive(z *zipfile.Archive) (*File, error) {
	config := z.Entry(configMember)
	if config == nil {
		return nil, fmt.Errorf("the archive has no %s", configMember)
	}
	text, err := z.Read(config, maxConfig)
	if err != nil {
		return nil, err
	}
	c, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	member := z.Entry(weightsMember)
	if member == nil {
		return nil, fmt.Errorf("the archive has no %s", weightsMember)
	}
	src, err := z.At(member)
	if err != nil {
		return nil, err
	}
	size := int64(member.UncompressedSize64)
	if member.CompressedSize64 != member.UncompressedSize64 { // not written by Keras
		b, err := z.Read(member, maxPacked)
		if err != nil {
			return nil, err
		}
		src, size = bytes.NewReader(b), int64(len(b))
	}
	f, err := open(src, size, c)
	if m := z.Entry(metadataMember); err == nil && m != nil {
		text, err := z.Read(m, 1<<20)
		if err != nil {
			return nil, err
		}
		var meta struct {
			Version string `json:"keras_version"`
		}
		if json.Unmarshal(text, &meta) == nil {
			f.version = meta.Version
		}
	}
	return f, err
}

// Open reads a file of size bytes: a .keras file, or one of HDF5, which has a whole model or
// weights alone.
func Open(src io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, 4)
	if _, err := src.ReadAt(head, 0); err == nil && string(head) == "PK\x03\x04" {
		z, err := zipfile.Open(src, size)
		if err != nil {
			return nil, err
		}
		return OpenArchive(z)
	}
	return open(src, size, nil)
}

func open(src io.ReaderAt, size int64, c *Config) (*File, error) {
	h, err := hdf5.Open(src, size)
	if err != nil {
		return nil, err
	}
	root, err := h.Root()
	if err != nil {
		return nil, err
	}
	f := &File{Config: c}
	if c == nil {
		text, found, err := root.Strings("model_config")
		if err != nil {
			return nil, err
		}
		if found && len(text) == 1 {
			if len(text[0]) > maxConfig {
				return nil, fmt.Errorf("the description of the model has %d bytes (want at most %d)", len(text[0]), maxConfig)
			}
			if f.Config, err = parseConfig([]byte(text[0])); err != nil {
				return nil, err
			}
		}
	}
	if v, _, err := root.Strings("keras_version"); err == nil && len(v) == 1 {
		f.version = v[0]
	}
	top, err := root.Find("model_weights") // of a whole model
	if err != nil {
		return nil, err
	}
	if top == nil {
		top = root
	}
	layers, legacy, err := chunked(top, "layer_names")
	if err != nil {
		return nil, err
	}
	if legacy {
		err = f.legacy(top, layers)
	} else {
		err = f.current(root)
	}
	if err != nil {
		return nil, err
	}
	if len(f.Arrays) == 0 && f.Config == nil {
		return nil, errors.New("the file has no weights of Keras: it has neither the attribute layer_names nor a group layers; save it in Keras with model.save_weights(\"model.weights.h5\") or model.save(\"model.keras\"), or write the arrays of another HDF5 file to .npz or .safetensors")
	}
	return f, f.known()
}

// known returns an error if two arrays have one name.
func (f *File) known() error {
	seen := map[string]bool{}
	for _, a := range f.Arrays {
		if seen[a.Name] {
			return fmt.Errorf("the file has two arrays for %s", diag.Quote(a.Name))
		}
		seen[a.Name] = true
	}
	return nil
}

// chunked reads a list of strings of an attribute. Keras splits long lists into NAME0, NAME1
// and so on.
func chunked(o *hdf5.Object, name string) (list []string, found bool, err error) {
	list, found, err = o.Strings(name)
	if found || err != nil {
		return list, found, err
	}
	for i := 0; ; i++ {
		more, ok, err := o.Strings(name + strconv.Itoa(i))
		if err != nil || !ok {
			return list, i > 0, err
		}
		list = append(list, more...)
	}
}

// legacy reads the form of Keras 2, which Keras 3 writes too: a group for each layer, with the
// paths of its arrays in the attribute weight_names.
func (f *File) legacy(top *hdf5.Object, layers []string) error {
	groups, err := children(top)
	if err != nil {
		return err
	}
	for _, layer := range layers {
		l, ok := groups[layer]
		if !ok {
			return fmt.Errorf("layer %s has no group", diag.Quote(layer))
		}
		o, err := top.Open(l)
		if err != nil {
			return err
		}
		names, _, err := chunked(o, "weight_names")
		if err != nil {
			return err
		}
		for _, path := range names {
			a, err := arrayAt(o, path)
			if err != nil {
				return fmt.Errorf("layer %s: %s: %w", diag.Quote(layer), diag.Quote(path), err)
			}
			a.Name = legacyName(layer, path)
			f.Arrays = append(f.Arrays, a)
		}
	}
	f.name()
	return nil
}

// legacyName returns LAYER/kernel for a path such as MODEL/LAYER/kernel:0.
func legacyName(layer, path string) string {
	path, _, _ = strings.Cut(path, ":")
	parts := strings.Split(path, "/")
	for i, p := range parts[:len(parts)-1] {
		if p == layer {
			return strings.Join(parts[i:], "/")
		}
	}
	return layer + "/" + path
}

// name calls the kernels of depthwise convolutions so, also where Keras 3 calls them kernel.
func (f *File) name() {
	depthwise := map[string]bool{}
	if f.Config != nil {
		f.Config.walk("", func(path string, l *Layer) {
			if l.Class == "DepthwiseConv2D" {
				depthwise[path+"/kernel"] = true
			}
		})
	}
	for i := range f.Arrays {
		if a := &f.Arrays[i]; depthwise[a.Name] {
			a.Name = strings.TrimSuffix(a.Name, "kernel") + "depthwise_kernel"
		}
	}
}

// walk visits the layers of a model, and of models inside, with their paths.
func (c *Config) walk(prefix string, visit func(path string, l *Layer)) {
	for _, l := range c.Layers {
		if l.Model != nil {
			l.Model.walk(prefix+l.Name+"/", visit)
		} else {
			visit(prefix+l.Name, l)
		}
	}
}

// children returns the links of a group by name.
func children(o *hdf5.Object) (map[string]hdf5.Link, error) {
	list, err := o.Links()
	m := map[string]hdf5.Link{}
	for _, l := range list {
		m[l.Name] = l
	}
	return m, err
}

// arrayAt reads the array at a path below a group.
func arrayAt(o *hdf5.Object, path string) (a arrays.Array, err error) {
	for name := range strings.SplitSeq(path, "/") {
		if o, err = o.Find(name); err != nil {
			return a, err
		}
		if o == nil {
			return a, fmt.Errorf("there is no %s", diag.Quote(name))
		}
	}
	return o.Array()
}
