package pytorch

import (
	"bufio"
	"strings"
	"testing"
)

func unpickle(text string) (any, error) {
	return (&unpickler{r: bufio.NewReader(strings.NewReader(text))}).load()
}

// TestDangerousInstructions: every instruction of pickles that calls what the file chooses
// is refused before anything else is read. The texts are pickles that call os.system or the
// like in Python.
func TestDangerousInstructions(t *testing.T) {
	for _, x := range []struct{ pickle, want string }{
		{"cos\nsystem\n(S'id'\ntR.", "uses os.system, which could run any code"},
		{"c__builtin__\neval\n(S'1'\ntR.", "uses __builtin__.eval, which could run any code"},
		{"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R.", "uses os.system, which could run any code"},
		{"\x80\x02ctorch.hub\nload\n\x85R.", "uses torch.hub.load, which could run any code"},
		{"\x80\x02csubprocess\nPopen\n)\x81.", "uses subprocess.Popen, which could run any code"},
		{"(S'id'\nios\nsystem\n.", "the instruction INST, which can run any code"},
		{"(cos\nsystem\nS'id'\no.", "uses os.system"},
		{"(No.", "the instruction OBJ, which can run any code"},
		{"Pid\n.", "the instruction PERSID, which can run any code"},
		{"\x82\x01.", "the instruction EXT1, which can run any code"},
		{"\x83\x01\x00.", "the instruction EXT2, which can run any code"},
		{"\x84\x01\x00\x00\x00.", "the instruction EXT4, which can run any code"},
		{"N)}\x92.", "the instruction NEWOBJ_EX, which can run any code"},
		{"\x97.", "the byte 0x97, which is no instruction"},
		{"\xff.", "the byte 0xff, which is no instruction"},
		{"X\x02\x00\x00\x00id)R.", "the pickle calls a text"},
		{"}(X\x01\x00\x00\x00aNu)R.", "the pickle calls a dictionary"},
		{"X\x02\x00\x00\x00id}b.", "the pickle sets attributes of a text"},
		{"ctorch\nFloatStorage\n)R.", "the pickle calls torch.FloatStorage"},
		{"(X\x07\x00\x00\x00storageNtQ.", "refers to data in a way that torch.save does not"},
	} {
		if v, err := unpickle(x.pickle); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%q makes %v (%v), want an error with %q", x.pickle, v, err, x.want)
		}
	}
}

// TestBadPickles: instructions without their operands, and numbers that are too large, are
// errors.
func TestBadPickles(t *testing.T) {
	for _, pickle := range []string{
		"", ".", "0.", "1.", "2.", "R.", "\x81.", "b.", "a.", "e.", "s.", "u.", "t.", "l.", "d.", "\x85.", "\x86.", "\x87.", "q\x00.", "h\x00.", "Q.", "\x90.", "\x91.", "\x93.",
		"(K\x01d.", "](K\x01u.", "}(K\x01e.", "NK\x01a.", "X\xff\xff\xff\xffa.", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "B\x00\x00\x10\x01a.", "\x8b\xff\xff\xff\x7f.",
		"Ix\n.", "Fx\n.", "Sx\n.", "gx\n.", "c\n", "X\x05\x00\x00\x00ab", "G\x00", strings.Repeat("N", maxOps+1) + ".",
	} {
		if v, err := unpickle(pickle); err == nil {
			t.Errorf("%.40q makes %v", pickle, v)
		}
	}
}

// TestPlainValues: numbers, texts and containers are what Python makes of them.
func TestPlainValues(t *testing.T) {
	for pickle, want := range map[string]any{
		"K\x07.": int64(7), "M\x01\x02.": int64(513), "J\xff\xff\xff\xff.": int64(-1), "I12\n.": int64(12), "I01\n.": true, "L-5L\n.": int64(-5),
		"\x8a\x01\xff.": int64(-1), "\x8a\x00.": int64(0), "\x8a\x02\x00\x01.": int64(256), "G\x3f\xf8\x00\x00\x00\x00\x00\x00.": 1.5, "F2.5\n.": 2.5,
		"\x8c\x01a.": "a", "S'ab'\n.": "ab", "Vab\n.": "ab", "N.": nil, "\x88.": true,
		"\x80\x02K\x01q\x05" + "0h\x05.": int64(1),
	} {
		if v, err := unpickle(pickle); err != nil || v != want {
			t.Errorf("%q makes %v (%v), want %v", pickle, v, err, want)
		}
	}
}
