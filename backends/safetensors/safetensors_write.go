package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// TensorWriter writes a safetensors file in one pass: the header when it is
// made, then the tensors' data in the order of the header. The same contents give
// the same bytes. The data begin at a multiple of 64 bytes.
type TensorWriter struct {
	w    io.Writer
	list []TensorInfo
	done int64 // bytes of list[0]
	err  error
	buf  []byte
}

// NewTensorWriter writes the header: metadata (may be nil) and the tensors' names,
// types (F32 where empty) and shapes. A checksum in the metadata, which would be that of
// another file, is left out.
func NewTensorWriter(w io.Writer, metadata map[string]string, tensors []TensorInfo) (*TensorWriter, error) {
	return newTensorWriter(w, metadata, "", tensors)
}

// newTensorWriter is NewTensorWriter with a checksum, "" for none.
func newTensorWriter(w io.Writer, metadata map[string]string, sum string, tensors []TensorInfo) (*TensorWriter, error) {
	h, err := appendMetadata([]byte{'{'}, metadata, sum)
	if err != nil {
		return nil, err
	}
	if len(tensors) > maxTensors {
		return nil, fmt.Errorf("safetensors: %d tensors, %d are allowed", len(tensors), maxTensors)
	}
	list := slices.Clone(tensors)
	seen := map[string]bool{"__metadata__": true}
	at := int64(0)
	for i := range list {
		t := &list[i]
		if seen[t.Name] {
			return nil, fmt.Errorf("safetensors: two tensors %q", t.Name)
		}
		seen[t.Name] = true
		if len(h) > 1 {
			h = append(h, ',')
		}
		if h, err = appendTensor(h, t, at); err != nil {
			return nil, err
		}
		at = t.end
	}
	h = append(h, '}')
	for (8+len(h))%64 != 0 {
		h = append(h, ' ')
	}
	if len(h) > maxHeader {
		return nil, fmt.Errorf("safetensors: the header takes %d bytes, %d are allowed", len(h), maxHeader)
	}
	out := &TensorWriter{w: w, list: list}
	out.write(binary.LittleEndian.AppendUint64(nil, uint64(len(h))))
	out.write(h)
	out.skipFull()
	return out, out.err
}

// appendMetadata appends the metadata to a header, with sum in place of the checksum of
// another file.
func appendMetadata(h []byte, metadata map[string]string, sum string) ([]byte, error) {
	if _, other := metadata[checksumKey]; other || sum != "" {
		own := map[string]string{}
		maps.Copy(own, metadata)
		if delete(own, checksumKey); sum != "" {
			own[checksumKey] = sum
		}
		metadata = own
	}
	if len(metadata) == 0 {
		return h, nil
	}
	h = append(h, `"__metadata__":{`...)
	for i, k := range slices.Sorted(maps.Keys(metadata)) {
		if !utf8.ValidString(k) || !utf8.ValidString(metadata[k]) {
			return nil, fmt.Errorf("safetensors: metadata %q is not UTF-8", k)
		}
		if i > 0 {
			h = append(h, ',')
		}
		h = appendJSON(append(appendJSON(h, k), ':'), metadata[k])
	}
	return append(h, '}'), nil
}

// appendTensor checks a tensor, gives it its place behind the byte at, and appends it to a
// header.
func appendTensor(h []byte, t *TensorInfo, at int64) ([]byte, error) {
	if t.DType == "" {
		t.DType = F32
	}
	bytes := int64(t.DType.Size())
	switch {
	case !utf8.ValidString(t.Name) || len(t.Name) > maxName:
		return nil, fmt.Errorf("safetensors: tensor name %q is not UTF-8 or longer than %d bytes", t.Name, maxName)
	case bytes == 0:
		return nil, fmt.Errorf("safetensors: tensor %q: unknown dtype %q", t.Name, t.DType)
	case len(t.Shape) > maxRank:
		return nil, fmt.Errorf("safetensors: tensor %q has %d axes, %d are allowed", t.Name, len(t.Shape), maxRank)
	}
	h = appendJSON(h, t.Name)
	h = fmt.Appendf(h, `:{"dtype":%q,"shape":[`, t.DType)
	for j, d := range t.Shape {
		if d < 0 || d > math.MaxInt32 || d > 0 && bytes > (1<<62-at)/int64(d) {
			return nil, fmt.Errorf("safetensors: tensor %q: shape %v is negative or too large", t.Name, t.Shape)
		}
		bytes *= int64(d)
		if j > 0 {
			h = append(h, ',')
		}
		h = strconv.AppendInt(h, int64(d), 10)
	}
	t.begin, t.end = at, at+bytes
	return fmt.Appendf(h, `],"data_offsets":[%d,%d]}`, t.begin, t.end), nil
}

// appendJSON appends a string of valid UTF-8 in quotes.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func (t *TensorWriter) write(b []byte) {
	if t.err == nil && len(b) > 0 {
		if _, err := t.w.Write(b); err != nil {
			t.err = fmt.Errorf("safetensors: %w", err)
		}
	}
}

// skipFull moves on to the next tensor that still needs bytes.
func (t *TensorWriter) skipFull() {
	for len(t.list) > 0 && t.done == t.list[0].end-t.list[0].begin {
		t.list, t.done = t.list[1:], 0
	}
}

// Bytes writes data of the tensor whose turn it is, or a part of it.
func (t *TensorWriter) Bytes(name string, b []byte) error {
	if t.err != nil || len(b) == 0 {
		return t.err
	}
	switch {
	case len(t.list) == 0:
		t.err = fmt.Errorf("safetensors: data of %q after the last tensor", name)
	case t.list[0].Name != name:
		t.err = fmt.Errorf("safetensors: data of %q where those of %q are due", name, t.list[0].Name)
	case t.done+int64(len(b)) > t.list[0].end-t.list[0].begin:
		t.err = fmt.Errorf("safetensors: more data of %q than its shape %v holds", name, t.list[0].Shape)
	}
	t.write(b)
	t.done += int64(len(b))
	if t.err == nil {
		t.skipFull()
	}
	return t.err
}

// Float32s writes data of the F32 tensor whose turn it is, or a part of it. A
// number that is not finite is an error, since no reader would take it.
func (t *TensorWriter) Float32s(name string, v []float32) error {
	if t.err != nil || len(v) == 0 {
		return t.err
	}
	if len(t.list) > 0 && t.list[0].DType != F32 {
		t.err = fmt.Errorf("safetensors: float32s for tensor %q of %s", name, t.list[0].DType)
		return t.err
	}
	if t.err = finite(name, v, int(t.done/4)); t.err != nil {
		return t.err
	}
	if littleEndian {
		return t.Bytes(name, floatBytes(v))
	}
	const chunk = 1 << 14
	for ; len(v) > 0; v = v[min(chunk, len(v)):] {
		t.buf = t.buf[:0]
		for _, x := range v[:min(chunk, len(v))] {
			t.buf = binary.LittleEndian.AppendUint32(t.buf, math.Float32bits(x))
		}
		if err := t.Bytes(name, t.buf); err != nil {
			return err
		}
	}
	return nil
}

// Close says whether all data were written. It does not close the writer below.
func (t *TensorWriter) Close() error {
	if t.err == nil && len(t.list) > 0 {
		t.err = fmt.Errorf("safetensors: %d of %d bytes of tensor %q were written", t.done, t.list[0].end-t.list[0].begin, t.list[0].Name)
	}
	return t.err
}

// floatBytes is the memory of float32s as bytes.
func floatBytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
}
