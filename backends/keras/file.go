package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
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

// current reads the form of Keras 3: the groups layers/CLASS, layers/CLASS_1 and so on, with
// vars/0, vars/1 and so on. In a model inside, they are below the group of the model.
func (f *File) current(root *hdf5.Object) error {
	top, err := root.Find("layers")
	if err != nil || top == nil {
		return err
	}
	if f.Config != nil {
		return f.described(top, f.Config, "")
	}
	return f.undescribed(top, "", 0)
}

// described reads the arrays of the layers of a model.
func (f *File) described(top *hdf5.Object, c *Config, prefix string) error {
	groups, err := children(top)
	if err != nil {
		return err
	}
	used := map[string]int{} // Keras numbers the layers of each class
	for _, l := range c.Layers {
		if l.Op {
			continue
		}
		name := snake(l.Class)
		if n := used[name]; n > 0 {
			name += "_" + strconv.Itoa(n)
		}
		used[snake(l.Class)]++
		link, ok := groups[name]
		if !ok {
			continue // a layer without weights may have no group
		}
		o, err := top.Open(link)
		if err != nil {
			return err
		}
		if l.Model != nil {
			inside, err := o.Find("layers")
			if err == nil && inside != nil {
				err = f.described(inside, l.Model, prefix+l.Name+"/")
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := f.vars(o, prefix+l.Name, l.roles()); err != nil {
			return err
		}
	}
	return nil
}

// vars adds the arrays of a layer. It names them by roles, or by numbers if there are more.
func (f *File) vars(o *hdf5.Object, layer string, roles []string) error {
	vars, err := o.Find("vars")
	if err != nil || vars == nil {
		return err
	}
	list, err := vars.Links()
	if err != nil {
		return err
	}
	for i := range list {
		at := slices.IndexFunc(list, func(l hdf5.Link) bool { return l.Name == strconv.Itoa(i) })
		if at < 0 {
			return fmt.Errorf("layer %s has %d arrays, but none is called %d", diag.Quote(layer), len(list), i)
		}
		x, err := vars.Open(list[at])
		if err != nil {
			return err
		}
		a, err := x.Array()
		if err != nil {
			return fmt.Errorf("layer %s: %w", diag.Quote(layer), err)
		}
		a.Name = layer + "/" + strconv.Itoa(i)
		if i < len(roles) {
			a.Name = layer + "/" + roles[i]
		}
		f.Arrays = append(f.Arrays, a)
	}
	return nil
}

// roles names the arrays of a layer in their order.
func (l *Layer) roles() []string {
	var list []string
	add := func(on bool, names ...string) {
		if on {
			list = append(list, names...)
		}
	}
	switch l.Class {
	case "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Dense":
		list = []string{"kernel"}
		add(l.flag("use_bias", true), "bias")
	case "DepthwiseConv2D":
		list = []string{"depthwise_kernel"}
		add(l.flag("use_bias", true), "bias")
	case "SeparableConv2D":
		list = []string{"depthwise_kernel", "pointwise_kernel"}
		add(l.flag("use_bias", true), "bias")
	case "BatchNormalization", "LayerNormalization", "GroupNormalization":
		add(l.flag("scale", true), "gamma")
		add(l.flag("center", true), "beta")
		add(l.Class == "BatchNormalization", "moving_mean", "moving_variance")
	case "Normalization":
		list = []string{"mean", "variance", "count"}
	case "PReLU":
		list = []string{"alpha"}
	case "LayerScale":
		list = []string{"gamma"}
	}
	return list
}

// numbered is a name with a number that Keras made. It matches every text, whatever its characters.
var numbered = regexp.MustCompile(`(?s)^(.*?)(?:_(\d+))?$`)

// undescribed reads the arrays of a file without a description: what they are for is known by
// the class in the names of their groups, and by their number.
func (f *File) undescribed(top *hdf5.Object, prefix string, depth int) error {
	if depth > 8 {
		return errors.New("models are nested deeper than 8")
	}
	list, err := top.Links()
	if err != nil {
		return err
	}
	number := func(l hdf5.Link) (class string, n int) {
		m := numbered.FindStringSubmatch(l.Name)
		n, _ = strconv.Atoi("0" + m[2])
		return m[1], n
	}
	slices.SortStableFunc(list, func(a, b hdf5.Link) int {
		ca, na := number(a)
		cb, nb := number(b)
		if ca != cb {
			return strings.Compare(ca, cb)
		}
		return na - nb
	})
	for _, l := range list {
		o, err := top.Open(l)
		if err != nil {
			return err
		}
		name := l.Name
		vars, err := o.Find("vars")
		if err != nil {
			return err
		}
		count := 0
		if vars != nil {
			in, err := vars.Links()
			if err != nil {
				return err
			}
			count = len(in)
			if own, _, err := vars.Strings("name"); err == nil && len(own) == 1 && own[0] != "" {
				name = own[0]
			}
		}
		class, _ := number(l)
		if err := f.vars(o, prefix+name, f.guess(class, count)); err != nil {
			return err
		}
		inside, err := o.Find("layers")
		if err == nil && inside != nil {
			err = f.undescribed(inside, prefix+name+"/", depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guess returns the roles of n arrays of a layer, by its class.
func (f *File) guess(class string, n int) []string {
	switch class {
	case "conv1d", "conv2d", "conv3d", "conv2d_transpose", "dense":
		return []string{"kernel", "bias"}
	case "depthwise_conv2d":
		return []string{"depthwise_kernel", "bias"}
	case "separable_conv2d":
		return []string{"depthwise_kernel", "pointwise_kernel", "bias"}
	case "batch_normalization":
		switch n {
		case 4:
			return []string{"gamma", "beta", "moving_mean", "moving_variance"}
		case 3:
			const note = "its batch normalizations of 3 arrays are taken as ones without gamma (scale=False); a .keras file says it for sure"
			if !slices.Contains(f.Notes, note) {
				f.Notes = append(f.Notes, note)
			}
			return []string{"beta", "moving_mean", "moving_variance"}
		case 2:
			return []string{"moving_mean", "moving_variance"}
		}
	case "normalization":
		return []string{"mean", "variance", "count"}
	}
	return nil
}
