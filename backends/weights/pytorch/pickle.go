package pytorch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Values that a pickle makes: nil, bool, int64, float64, string, []byte, tuple, *list,
// *dict, global, *tensor, *storage, and other for a value whose content does not matter.
type (
	tuple []any
	list  struct{ items []any }
	// dict is a dictionary. Entries whose keys are no strings are left out: they cannot name
	// a tensor.
	dict struct {
		keys   []string
		values map[string]any
	}
	// global is a class or function that a pickle names: module and name with a dot.
	global string
	other  struct{}
	// mark separates the items of a tuple, list or dictionary on the stack.
	mark struct{}
	// bigNumber is an integer of more than 64 bits, little endian.
	bigNumber string
)

// Limits of a pickle. A file of a network with a thousand weights has some 40,000
// instructions.
const (
	maxOps    = 2_000_000
	maxString = 1 << 20
	maxText   = 64 << 20 // bytes of all strings
)

// unpickler reads pickles, the format of Python's module of that name, and makes values of
// dictionaries, lists, numbers, strings and tensors. A pickle is a program. unpickler knows
// the instructions that make plain values, and the functions that rebuild tensors
// (functions). It reports any other instruction, class or function as an error; nothing is
// ever executed.
type unpickler struct {
	r       *bufio.Reader
	at      int64 // bytes that have been read
	ops     int
	text    int64 // bytes of strings that have been read
	stack   []any
	memo    map[int64]any
	storage func(id tuple) (any, error) // makes the storage of a persistent id
}

// load reads one pickle.
func (u *unpickler) load() (any, error) {
	u.stack, u.memo = nil, map[int64]any{}
	for {
		op, err := u.byte()
		if err != nil {
			return nil, err
		}
		if u.ops++; u.ops > maxOps {
			return nil, fmt.Errorf("the pickle has more than %d instructions", maxOps)
		}
		if op == '.' {
			return u.pop()
		}
		do := instructions[op]
		if do == nil {
			return nil, refused(op)
		}
		if err := do(u); err != nil {
			return nil, err
		}
	}
}

// codeInstructions are the instructions that call what the file chooses, and that files
// of tensors do not have.
var codeInstructions = map[byte]string{'i': "INST", 'o': "OBJ", 'P': "PERSID", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x92: "NEWOBJ_EX"}

// refused says why an instruction is not read.
func refused(op byte) error {
	if name := codeInstructions[op]; name != "" {
		return fmt.Errorf("the pickle has the instruction %s, which can run any code; incc never runs code from a file: %s", name, saveWeights)
	}
	return fmt.Errorf("the pickle has the byte %#02x, which is no instruction of a file of tensors", op)
}

var errShort = errors.New("the pickle is cut off")

func shortOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}

func (u *unpickler) byte() (byte, error) {
	b, err := u.r.ReadByte()
	if err != nil {
		return 0, shortOr(err)
	}
	u.at++
	return b, nil
}

// bytes reads n bytes, at most maxString.
func (u *unpickler) bytes(n uint64) ([]byte, error) {
	if n > maxString {
		return nil, fmt.Errorf("the pickle declares a text or number of %d bytes (want at most %d)", n, maxString)
	}
	if u.text += int64(n); u.text > maxText {
		return nil, fmt.Errorf("the pickle has more than %d bytes of texts", maxText)
	}
	b := make([]byte, n)
	m, err := io.ReadFull(u.r, b)
	u.at += int64(m)
	return b, shortOr(err)
}

// number reads a little-endian number of n bytes, at most 8.
func (u *unpickler) number(n int) (uint64, error) {
	var b [8]byte
	for i := range n {
		c, err := u.byte()
		if err != nil {
			return 0, err
		}
		b[i] = c
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// line reads a line of text without its end.
func (u *unpickler) line() (string, error) {
	var b []byte
	for {
		c, err := u.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(b), nil
		}
		if u.text++; len(b) >= maxString || u.text > maxText {
			return "", fmt.Errorf("the pickle has a line of more than %d bytes", len(b))
		}
		b = append(b, c)
	}
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

func (u *unpickler) top() (any, error) {
	if len(u.stack) == 0 {
		return nil, errors.New("the pickle takes a value that it has not made")
	}
	return u.stack[len(u.stack)-1], nil
}

func (u *unpickler) pop() (any, error) {
	v, err := u.top()
	if err == nil {
		u.stack = u.stack[:len(u.stack)-1]
	}
	return v, err
}

// popN takes the n values on top of the stack.
func (u *unpickler) popN(n int) ([]any, error) {
	if len(u.stack) < n {
		return nil, errors.New("the pickle takes values that it has not made")
	}
	at := len(u.stack) - n
	l := append([]any(nil), u.stack[at:]...)
	u.stack = u.stack[:at]
	return l, nil
}

// popMark takes the values above the last mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, ok := u.stack[i].(mark); ok {
			l, err := u.popN(len(u.stack) - i - 1)
			u.stack = u.stack[:i]
			return l, err
		}
	}
	return nil, errors.New("the pickle takes values above a mark that it has not made")
}

func newDict() *dict { return &dict{values: map[string]any{}} }

func (d *dict) set(key, v any) {
	k, ok := key.(string)
	if !ok {
		return
	}
	if _, ok := d.values[k]; !ok {
		d.keys = append(d.keys, k)
	}
	d.values[k] = v
}

func (d *dict) setAll(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("the pickle has a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	return nil
}

// add adds items to the list, or pairs of keys and values to the dictionary, on top of the
// stack.
func (u *unpickler) add(items []any, pairs bool) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	switch x := v.(type) {
	case *list:
		if !pairs {
			x.items = append(x.items, items...)
			return nil
		}
	case *dict:
		if pairs {
			return x.setAll(items)
		}
	case other:
		return nil
	}
	return fmt.Errorf("the pickle adds items to %s", describe(v))
}

// build sets the attributes of an object. Only dictionaries and tensors may have some,
// which do not matter: torch keeps the versions of modules there.
func (u *unpickler) build() error {
	if _, err := u.pop(); err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	switch v.(type) {
	case *dict, *tensor, other:
		return nil
	}
	return fmt.Errorf("the pickle sets attributes of %s", describe(v))
}

// call calls a function with a tuple of arguments, or makes an object of a class.
func (u *unpickler) call() error {
	l, err := u.popN(2)
	if err != nil {
		return err
	}
	name, ok1 := l[0].(global)
	args, ok2 := l[1].(tuple)
	if !ok1 || !ok2 {
		return fmt.Errorf("the pickle calls %s", describe(l[0]))
	}
	x, err := apply(name, args)
	if err != nil {
		return err
	}
	return u.push(x)
}

func describe(v any) string {
	switch v := v.(type) {
	case global:
		return string(v)
	case nil:
		return "None"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case *tensor:
		return "a tensor"
	case *storage:
		return "the storage of a tensor"
	case string:
		return "a text"
	case int64, float64, bool, bigNumber:
		return "a number"
	}
	return "another value"
}

type instruction func(u *unpickler) error

// value is an instruction that pushes what f returns.
func value(f func(u *unpickler) (any, error)) instruction {
	return func(u *unpickler) error {
		v, err := f(u)
		if err != nil {
			return err
		}
		return u.push(v)
	}
}

func constant(v any) instruction { return func(u *unpickler) error { return u.push(v) } }

// integer is an instruction that pushes a number of n bytes.
func integer(n int) instruction {
	return value(func(u *unpickler) (any, error) {
		x, err := u.number(n)
		if n == 4 {
			x = uint64(int64(int32(x)))
		}
		return int64(x), err
	})
}

// counted is an instruction that pushes what f makes of bytes, whose number is a number of
// n bytes.
func counted(n int, f func(b []byte) any) instruction {
	return value(func(u *unpickler) (any, error) {
		k, err := u.number(n)
		if err != nil {
			return nil, err
		}
		b, err := u.bytes(k)
		return f(b), err
	})
}

func asText(b []byte) any  { return string(b) }
func asBytes(b []byte) any { return b }

// asInteger decodes an integer in two's complement.
func asInteger(b []byte) any {
	if len(b) > 8 {
		return bigNumber(b)
	}
	var x uint64
	for i, c := range b {
		x |= uint64(c) << (8 * i)
	}
	if len(b) > 0 && len(b) < 8 && b[len(b)-1]&0x80 != 0 {
		x |= ^uint64(0) << (8 * len(b))
	}
	return int64(x)
}

// textLine is an instruction that pushes what f makes of a line.
func textLine(f func(s string) (any, error)) instruction {
	return value(func(u *unpickler) (any, error) {
		s, err := u.line()
		if err != nil {
			return nil, err
		}
		return f(s)
	})
}

func parseInt(s string) (any, error) {
	switch s = strings.TrimSuffix(s, "L"); s {
	case "00", "01":
		return s == "01", nil
	}
	return strconv.ParseInt(s, 10, 64)
}

func parseQuoted(s string) (any, error) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return nil, errors.New("the pickle has a text without quotes")
	}
	return s[1 : len(s)-1], nil
}

// marked is an instruction that pushes what f makes of the values above the last mark.
func marked(f func(l []any) (any, error)) instruction {
	return value(func(u *unpickler) (any, error) {
		l, err := u.popMark()
		if err != nil {
			return nil, err
		}
		return f(l)
	})
}

func makeTuple(l []any) (any, error) { return tuple(l), nil }
func makeList(l []any) (any, error)  { return &list{l}, nil }
func makeOther([]any) (any, error)   { return other{}, nil }

func makeDict(l []any) (any, error) {
	d := newDict()
	return d, d.setAll(l)
}

// firsts is an instruction that makes a tuple of the n values on top of the stack.
func firsts(n int) instruction {
	return value(func(u *unpickler) (any, error) { l, err := u.popN(n); return tuple(l), err })
}

// items is an instruction that adds values above the last mark; item adds n values.
func items(pairs bool) instruction {
	return func(u *unpickler) error {
		l, err := u.popMark()
		if err != nil {
			return err
		}
		return u.add(l, pairs)
	}
}

func item(n int) instruction {
	return func(u *unpickler) error {
		l, err := u.popN(n)
		if err != nil {
			return err
		}
		return u.add(l, n == 2)
	}
}

type memoKey func(u *unpickler) (int64, error)

func lineKey(u *unpickler) (int64, error) {
	s, err := u.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 32)
}

func byteKey(n int) memoKey {
	return func(u *unpickler) (int64, error) { k, err := u.number(n); return int64(k), err }
}

func nextKey(u *unpickler) (int64, error) { return int64(len(u.memo)), nil }

func put(key memoKey) instruction {
	return func(u *unpickler) error {
		k, err := key(u)
		if err != nil {
			return err
		}
		v, err := u.top()
		if err == nil {
			u.memo[k] = v
		}
		return err
	}
}

func get(key memoKey) instruction {
	return value(func(u *unpickler) (any, error) {
		k, err := key(u)
		if err != nil {
			return nil, err
		}
		v, ok := u.memo[k]
		if !ok {
			return nil, fmt.Errorf("the pickle recalls value %d, which it has not stored", k)
		}
		return v, nil
	})
}

// globalLines reads the name of a class or function from two lines.
func globalLines(u *unpickler) (any, error) {
	module, err := u.line()
	if err != nil {
		return nil, err
	}
	name, err := u.line()
	if err != nil {
		return nil, err
	}
	return known(module, name)
}

// globalStack takes the name of a class or function from the stack.
func globalStack(u *unpickler) (any, error) {
	l, err := u.popN(2)
	if err != nil {
		return nil, err
	}
	module, ok1 := l[0].(string)
	name, ok2 := l[1].(string)
	if !ok1 || !ok2 {
		return nil, errors.New("the pickle names a class by something that is no text")
	}
	return known(module, name)
}

func persistent(u *unpickler) (any, error) {
	v, err := u.pop()
	if err != nil {
		return nil, err
	}
	id, ok := v.(tuple)
	if !ok || u.storage == nil {
		return nil, errors.New("the pickle refers to data in a way that torch.save does not")
	}
	return u.storage(id)
}

func skip(n int) instruction {
	return func(u *unpickler) error { _, err := u.number(n); return err }
}

// instructions are those that are read, by their byte. Python's Lib/pickle.py and
// pickletools.py define them.
var instructions = [256]instruction{
	0x80: skip(1), // PROTO
	0x95: skip(8), // FRAME
	'(':  constant(mark{}),
	'0':  func(u *unpickler) error { _, err := u.pop(); return err },
	'1':  func(u *unpickler) error { _, err := u.popMark(); return err },
	'2':  value((*unpickler).top),
	'N':  constant(nil),
	0x88: constant(true),
	0x89: constant(false),
	'J':  integer(4),
	'K':  integer(1),
	'M':  integer(2),
	'I':  textLine(parseInt),
	'L':  textLine(parseInt),
	0x8a: counted(1, asInteger),
	0x8b: counted(4, asInteger),
	'F':  textLine(func(s string) (any, error) { return strconv.ParseFloat(s, 64) }),
	'G': value(func(u *unpickler) (any, error) {
		b, err := u.bytes(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	}),
	'U': counted(1, asText), 'T': counted(4, asText), 'X': counted(4, asText), 0x8c: counted(1, asText), 0x8d: counted(8, asText),
	'C': counted(1, asBytes), 'B': counted(4, asBytes), 0x8e: counted(8, asBytes), 0x96: counted(8, asBytes),
	'S': textLine(parseQuoted),
	'V': textLine(func(s string) (any, error) { return s, nil }),
	')': constant(tuple(nil)), 0x85: firsts(1), 0x86: firsts(2), 0x87: firsts(3), 't': marked(makeTuple),
	']': value(func(*unpickler) (any, error) { return &list{}, nil }), 'l': marked(makeList),
	'}': value(func(*unpickler) (any, error) { return newDict(), nil }), 'd': marked(makeDict),
	0x8f: constant(other{}), 0x90: func(u *unpickler) error { _, err := u.popMark(); return err }, 0x91: marked(makeOther), // sets
	'a': item(1), 'e': items(false), 's': item(2), 'u': items(true),
	'p': put(lineKey), 'q': put(byteKey(1)), 'r': put(byteKey(4)), 0x94: put(nextKey),
	'g': get(lineKey), 'h': get(byteKey(1)), 'j': get(byteKey(4)),
	'c': value(globalLines), 0x93: value(globalStack),
	'R': (*unpickler).call, 0x81: (*unpickler).call, 'b': (*unpickler).build,
	'Q': value(persistent),
}
