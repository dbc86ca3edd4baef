package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// maxExternal is the largest size of a model's external data, in bytes.
const maxExternal = 8 << 30

// Files opens the files with external data that a model names.
type Files interface {
	Open(location string) (File, error)
}

// File is an open file with external data.
type File interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Dir returns the Files in the folder of a model. A model cannot read files outside of that
// folder: os.Root does not leave the folder, even through symbolic links. os.Root does not
// protect against hard links and named pipes. Therefore LoadExternal accepts only regular
// files without other hard links, and opening a file never waits. (ONNX's own reader needed
// three fixes for such attacks: CVE-2022-25882, CVE-2024-27318, CVE-2026-27489.)
func Dir(root *os.Root) Files { return DirBelow(root, ".") }

// DirBelow returns the Files of a model in a folder below root; below is the path of that
// folder. Symbolic links may lead to any place in root, as they do in the caches of model
// hubs, whose models and data are links to a folder beside them.
func DirBelow(root *os.Root, below string) Files { return dir{root, below} }

type dir struct {
	root  *os.Root
	below string
}

func (d dir) Open(location string) (File, error) {
	path := filepath.Join(d.below, filepath.FromSlash(location))
	f, err := files.OpenIn(d.root, path)
	if err == nil {
		return f, nil
	}
	// os.Root refuses absolute links, even those that lead to a place in the root. What they
	// lead to is opened in the root, too, so a link that is changed now leads nowhere else.
	if inside, ok := d.follow(path); ok {
		return files.OpenIn(d.root, inside)
	}
	return nil, err
}

// follow follows the links of a path below the root. ok is false if they lead out of it.
func (d dir) follow(path string) (inside string, ok bool) {
	root, err := filepath.EvalSymlinks(d.root.Name())
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return "", false
	}
	real, err := filepath.EvalSymlinks(filepath.Join(root, path))
	if err != nil {
		return "", false
	}
	inside, err = filepath.Rel(root, real)
	return inside, err == nil && filepath.IsLocal(inside)
}

func checkLocation(location string) error {
	if location == "" || !filepath.IsLocal(location) || strings.ContainsAny(location, "\\:\x00") || location == "." {
		return fmt.Errorf("external data %q is not a relative path below the model's folder", location)
	}
	return nil
}

// HasExternal reports whether a model stores initializers in other files.
func HasExternal(m *onnxpb.ModelProto) bool {
	for _, t := range m.GetGraph().GetInitializer() {
		if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
			return true
		}
	}
	return false
}

// ExternalBytes returns how many bytes of external data a model needs.
func ExternalBytes(m *onnxpb.ModelProto) int64 {
	n := int64(0)
	for _, t := range m.GetGraph().GetInitializer() {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		if x, err := parseExternal(t); err == nil && x.length <= math.MaxInt64-n {
			n += x.length
		}
	}
	return n
}

// LoadExternal reads the external data of the main graph's initializers into their
// raw_data. The data of a tensor must be in a regular file without other hard links, and
// have exactly the length that the tensor's shape needs. All tensors together must not need
// more bytes than the files have, so that a small model cannot take much memory by naming
// the same bytes many times.
func LoadExternal(m *onnxpb.ModelProto, from Files) (err error) {
	type opened struct {
		File
		size int64
	}
	open := map[string]opened{}
	defer func() {
		for _, f := range open {
			err = errors.Join(err, f.Close())
		}
	}()
	var asked, total int64
	for _, t := range m.GetGraph().GetInitializer() {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		fail := func(err error) error { return fmt.Errorf("external data of %q: %w", t.Name, err) }
		x, err := parseExternal(t)
		if err != nil {
			return fail(err)
		}
		f, ok := open[x.location]
		if !ok {
			if f.File, err = from.Open(x.location); err != nil {
				return fail(err)
			}
			open[x.location] = f
			info, err := f.Stat()
			if err != nil {
				return fail(err)
			}
			if err := files.Regular(strconv.Quote(x.location), info); err != nil {
				return fail(err)
			}
			if links(info) > 1 {
				return fail(fmt.Errorf("%q has another hard link, so it may belong to another folder", x.location))
			}
			f.size = info.Size()
			open[x.location] = f
			total += f.size
		}
		// offset and length are below 2^62, so the sum cannot overflow.
		if x.offset+x.length > f.size {
			return fail(fmt.Errorf("%q holds %d bytes, but the tensor needs bytes %d to %d", x.location, f.size, x.offset, x.offset+x.length))
		}
		if asked += x.length; asked > total || asked > maxExternal {
			return fail(fmt.Errorf("the tensors need more bytes (%d) than the files hold (%d) or than the limit of %d", asked, total, int64(maxExternal)))
		}
		t.RawData = make([]byte, x.length)
		if _, err := io.ReadFull(io.NewSectionReader(f, x.offset, x.length), t.RawData); err != nil {
			return fail(err)
		}
		t.DataLocation = onnxpb.TensorProto_DEFAULT
		t.ExternalData = nil
	}
	return nil
}

// region is the place of a tensor's data: a file, and the offset and length in bytes.
type region struct {
	location       string
	offset, length int64
}

func parseExternal(t *onnxpb.TensorProto) (region, error) {
	r := region{length: -1}
	seen := map[string]bool{}
	for _, e := range t.ExternalData {
		if seen[e.Key] {
			return r, fmt.Errorf("key %q is given twice", e.Key)
		}
		seen[e.Key] = true
		var err error
		switch e.Key {
		case "location":
			r.location = e.Value
		case "offset":
			r.offset, err = parseBytes(e.Value)
		case "length":
			r.length, err = parseBytes(e.Value)
		}
		if err != nil {
			return r, fmt.Errorf("%s %q: %w", e.Key, e.Value, err)
		}
	}
	if err := checkLocation(r.location); err != nil {
		return r, err
	}
	n, err := elements(t.Dims)
	if err != nil {
		return r, err
	}
	bits, ok := bitsOf[onnxpb.TensorProto_DataType(t.DataType)]
	if !ok {
		return r, fmt.Errorf("data type %d cannot be external", t.DataType)
	}
	want := (n*bits + 7) / 8
	if r.length < 0 {
		r.length = want
	}
	if r.length != want {
		return r, fmt.Errorf("length is %d bytes, but the shape needs %d", r.length, want)
	}
	return r, nil
}

func parseBytes(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<62 {
		return 0, errors.New("not a number of bytes")
	}
	return n, nil
}
