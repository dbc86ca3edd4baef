// Package pytorch reads files of weights that torch.save wrote: .pt and .pth files, both
// the ZIP archives of PyTorch 1.6 and later and the older form of one pickle after another.
//
// A pickle is a program for a small machine that can call any Python function, so loading
// one from a stranger in Python runs the stranger's code. This package reads the
// instructions that make dictionaries, lists, numbers, texts and tensors, and the functions
// that torch.save uses for them, as torch.load does with weights_only=True. It refuses
// everything else, and never runs anything. Memory is bounded by the size of the file: the
// elements of a tensor are read when they are asked for.
package pytorch

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/backends/weights/zipfile"
	"github.com/incc-lang/incc/ir/diag"
)

// Open returns the tensors of a file of size bytes. The file holds a state_dict, a
// dictionary from names to tensors, or a checkpoint, a dictionary with a state_dict in it.
func Open(src io.ReaderAt, size int64) ([]arrays.Array, error) {
	var head [2]byte
	if _, err := src.ReadAt(head[:], 0); err != nil {
		return nil, errors.New("not a file of torch.save: it is too short")
	}
	if string(head[:]) == "PK" {
		return openZip(src, size)
	}
	return openLegacy(src, size)
}

// openZip reads an archive: data.pkl is a pickle, data/KEY the elements of a storage, all in
// one folder.
func openZip(src io.ReaderAt, size int64) ([]arrays.Array, error) {
	z, err := zipfile.Open(src, size)
	if err != nil {
		return nil, err
	}
	pickle := z.Find(func(name string) bool { return path.Base(name) == "data.pkl" && strings.Count(name, "/") <= 1 })
	if pickle == nil {
		return nil, errors.New("not a file of torch.save: the archive has no data.pkl")
	}
	dir := path.Dir(pickle.Name)
	if z.Entry(path.Join(dir, "constants.pkl")) != nil {
		return nil, errors.New("the file is a TorchScript program, not a file of weights: " + saveWeights)
	}
	if e := z.Entry(path.Join(dir, "byteorder")); e != nil {
		b, err := z.Read(e, 16)
		if err != nil {
			return nil, err
		}
		if string(b) == "big" {
			return nil, errors.New("the file was written on a big-endian machine: " + saveWeights)
		}
	}
	text, err := z.Open(pickle)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	u := &unpickler{r: bufio.NewReader(text)}
	entries := map[string]*zip.File{}
	u.storage = func(id tuple) (any, error) {
		s, err := newStorage(id, 5)
		if err != nil {
			return nil, err
		}
		e := z.Entry(path.Join(dir, "data", s.key))
		if e == nil {
			return nil, fmt.Errorf("the archive has no data of the storage %s", diag.Quote(s.key))
		}
		if want := uint64(s.n) * uint64(s.dtype.Size()); e.UncompressedSize64 < want {
			return nil, fmt.Errorf("the storage %s has %d bytes, %d are declared", diag.Quote(s.key), e.UncompressedSize64, want)
		}
		entries[s.key] = e
		return s, nil
	}
	root, err := u.load()
	if err != nil {
		return nil, err
	}
	return collect(root, func(s *storage) (io.ReaderAt, error) { return z.At(entries[s.key]) })
}

// newStorage checks a persistent id: ("storage", class, key, device, elements, ...).
func newStorage(id tuple, n int) (*storage, error) {
	bad := errors.New("the pickle refers to data in a way that torch.save does not")
	if len(id) < n || id[0] != "storage" {
		return nil, bad
	}
	class, ok1 := id[1].(global)
	key, ok2 := id[2].(string)
	elements, ok3 := id[4].(int64)
	dtype := elementTypes[string(class)]
	if !ok1 || !ok2 || !ok3 || dtype == "" {
		return nil, bad
	}
	if elements < 0 || elements > 1<<40 {
		return nil, fmt.Errorf("the pickle has a storage of %d elements", elements)
	}
	return &storage{key: key, dtype: dtype, n: elements}, nil
}

// magic is the number that files of the older form begin with.
const magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

// openLegacy reads the older form: five pickles (a number, the version, the machine, the
// object, the keys of the storages), and the storages in the order of the keys. A storage
// is its number of elements in eight bytes, and the elements.
func openLegacy(src io.ReaderAt, size int64) ([]arrays.Array, error) {
	u := &unpickler{r: bufio.NewReader(io.NewSectionReader(src, 0, size))}
	if v, err := u.load(); err != nil || v != bigNumber(magic) {
		return nil, errors.New("not a file of torch.save")
	}
	if v, err := u.load(); err != nil || v != int64(1001) {
		return nil, errors.New("a file of torch.save of an unknown version")
	}
	machine, err := u.load()
	if err != nil {
		return nil, err
	}
	if d, ok := machine.(*dict); ok && d.values["little_endian"] == false {
		return nil, errors.New("the file was written on a big-endian machine: " + saveWeights)
	}
	declared := map[string]*storage{} // the whole storages, by key
	u.storage = func(id tuple) (any, error) {
		s, err := newStorage(id, 5)
		if err != nil {
			return nil, err
		}
		if old := declared[s.key]; old != nil && (old.dtype != s.dtype || old.n != s.n) {
			return nil, fmt.Errorf("the pickle declares the storage %s twice", diag.Quote(s.key))
		}
		declared[s.key] = s
		if len(id) < 6 || id[5] == nil {
			return s, nil
		}
		view, ok := ints(id[5]) // of a part of the storage, as old versions wrote: key, offset, elements
		if items, isTuple := id[5].(tuple); isTuple && len(items) == 3 {
			view, ok = ints(items[1:])
		}
		if !ok || len(view) != 2 || view[0] < 0 || view[1] < 0 || view[0] > s.n || view[1] > s.n-view[0] {
			return nil, errors.New("the pickle has a view of a storage that does not fit in it")
		}
		return &storage{key: s.key, dtype: s.dtype, first: view[0], n: view[1]}, nil
	}
	root, err := u.load()
	if err != nil {
		return nil, err
	}
	keys, err := u.load()
	if err != nil {
		return nil, err
	}
	l, ok := keys.(*list)
	if !ok {
		return nil, errors.New("the file has no list of its storages")
	}
	begin := map[string]int64{}
	at := u.at
	for _, k := range l.items {
		key, ok := k.(string)
		s := declared[key]
		if _, twice := begin[key]; !ok || s == nil || twice {
			return nil, errors.New("the list of the file's storages has one that no tensor uses, or one twice")
		}
		var n [8]byte
		if at > size-8 {
			return nil, errors.New("the file is cut off")
		}
		if _, err := src.ReadAt(n[:], at); err != nil {
			return nil, err
		}
		if got := binary.LittleEndian.Uint64(n[:]); got != uint64(s.n) {
			return nil, fmt.Errorf("a storage has %d elements, %d are declared", got, s.n)
		}
		begin[key] = at + 8
		if at += 8 + s.n*int64(s.dtype.Size()); at > size {
			return nil, errors.New("the file is cut off")
		}
	}
	return collect(root, func(s *storage) (io.ReaderAt, error) {
		at, ok := begin[s.key]
		if !ok {
			return nil, fmt.Errorf("the file has no data of the storage %s", diag.Quote(s.key))
		}
		whole := declared[s.key]
		width := int64(s.dtype.Size())
		return io.NewSectionReader(src, at+s.first*width, min(s.n, whole.n)*width), nil
	})
}

// preferred are the keys that checkpoints have their weights under, most usual first.
var preferred = []string{"state_dict", "model_state_dict", "model", "net", "network", "weights", "params"}

// collect lists the tensors of the weights in a value that was unpickled.
func collect(root any, open func(s *storage) (io.ReaderAt, error)) ([]arrays.Array, error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, fmt.Errorf("the file holds %s, not a dictionary of tensors: %s", describe(root), saveWeights)
	}
	if !d.hasTensors() {
		var err error
		if d, err = d.within(); err != nil {
			return nil, err
		}
	}
	var out []arrays.Array
	for _, name := range d.keys {
		t, ok := d.values[name].(*tensor)
		if !ok {
			continue
		}
		data, err := open(t.store)
		if err != nil {
			return nil, err
		}
		a := arrays.Array{Name: name, DType: t.store.dtype, Shape: t.shape}
		width := int64(a.DType.Size())
		if t.contiguous() {
			a.Data = io.NewSectionReader(data, t.offset*width, a.Bytes())
		} else {
			a.Data = arrays.Strided(data, t.store.n*width, int(width), t.offset, t.shape, t.stride)
		}
		out = append(out, a)
	}
	return out, nil
}

func (d *dict) hasTensors() bool {
	return slices.ContainsFunc(d.keys, func(k string) bool { _, ok := d.values[k].(*tensor); return ok })
}

// within returns the dictionary of tensors in a checkpoint.
func (d *dict) within() (*dict, error) {
	var found []string
	for _, k := range d.keys {
		if sub, ok := d.values[k].(*dict); ok && sub.hasTensors() {
			found = append(found, k)
		}
	}
	for _, k := range preferred {
		if slices.Contains(found, k) {
			return d.values[k].(*dict), nil
		}
	}
	switch len(found) {
	case 0:
		return nil, errors.New("the file holds no tensors")
	case 1:
		return d.values[found[0]].(*dict), nil
	}
	return nil, fmt.Errorf("the file has several dictionaries of tensors, %s, and none is called state_dict: %s", strings.Join(found, ", "), saveWeights)
}
