package kernel

import "testing"

// FuzzTensors opens any bytes as a safetensors file and reads every tensor: the answer is a
// tensor of the declared size or an error.
func FuzzTensors(f *testing.F) {
	for _, header := range []string{
		`{}`,
		`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
		`{"w":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}`,
		`{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}`,
	} {
		file := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...)
		f.Add(append(file, 0, 0, 128, 63, 0, 0, 0, 64))
	}
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, file []byte) {
		tensors, err := ParseTensors(file)
		if err != nil {
			return
		}
		for _, info := range tensors.All() {
			x, err := tensors.Float32s(info.Name)
			if err == nil && len(x) != info.Elements() {
				t.Errorf("%s has %d numbers, declared are %d", info.Name, len(x), info.Elements())
			}
		}
	})
}
