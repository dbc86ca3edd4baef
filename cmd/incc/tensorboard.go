package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/incc-lang/incc/backends/cpu/train"
)

// tensorboard writes scalars to an event file for TensorBoard. The file is a sequence of
// TFRecords (length, checksum of the length, data, checksum of the data). The data of
// each record is an Event message.
type tensorboard struct{ f *os.File }

func newTensorboard(dir string) (*tensorboard, error) {
	now := time.Now()
	f, err := createEvents(dir, now)
	if err != nil {
		return nil, err
	}
	b := &tensorboard{f}
	// The first event names the version of the format.
	e := eventHead(now, 0)
	e = protowire.AppendTag(e, 3, protowire.BytesType)
	e = protowire.AppendString(e, "brain.Event:2")
	return b, b.record(e)
}

// createEvents makes a new event file, named after the time in seconds. It never opens
// an existing file or link: if the name exists, it tries the next second.
func createEvents(dir string, now time.Time) (*os.File, error) {
	for try := range int64(100) {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%d.incc", now.Unix()+try)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%s holds too many event files of TensorBoard from this minute: delete some", dir)
}

// eventHead returns the fields wall_time and step of an Event message.
func eventHead(at time.Time, step int64) []byte {
	e := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	e = protowire.AppendFixed64(e, math.Float64bits(float64(at.UnixNano())/1e9))
	e = protowire.AppendTag(e, 2, protowire.VarintType)
	return protowire.AppendVarint(e, uint64(step))
}

// scalar appends a value (tag and simple_value) to the Summary message s, unless it is
// NaN.
func scalar(s []byte, tag string, v float64) []byte {
	if math.IsNaN(v) {
		return s
	}
	x := protowire.AppendTag(nil, 1, protowire.BytesType)
	x = protowire.AppendString(x, tag)
	x = protowire.AppendTag(x, 2, protowire.Fixed32Type)
	x = protowire.AppendFixed32(x, math.Float32bits(float32(v)))
	s = protowire.AppendTag(s, 1, protowire.BytesType)
	return protowire.AppendBytes(s, x)
}

// epoch writes the results of an epoch.
func (b *tensorboard) epoch(r train.Row) {
	s := scalar(nil, "loss/train", r.TrainLoss)
	s = scalar(s, "accuracy/train", r.TrainAcc)
	s = scalar(s, "loss/validation", r.ValLoss)
	s = scalar(s, "accuracy/validation", r.ValAcc)
	s = scalar(s, "learning_rate", r.Rate)
	e := eventHead(time.Now(), int64(r.Epoch))
	e = protowire.AppendTag(e, 5, protowire.BytesType)
	e = protowire.AppendBytes(e, s)
	// An error here is ignored, since the curves are only for watching. If the disk is
	// full, writing the next checkpoint fails and reports it.
	_ = b.record(e)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked returns the CRC-32C of b in the masked form that TFRecords use.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

func (b *tensorboard) record(data []byte) error {
	head := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	r := binary.LittleEndian.AppendUint32(head, masked(head))
	r = append(r, data...)
	r = binary.LittleEndian.AppendUint32(r, masked(data))
	_, err := b.f.Write(r)
	return err
}

func (b *tensorboard) close() { b.f.Close() }
