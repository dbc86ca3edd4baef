package safetensors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// headerParser reads the part of JSON that a header is made of.
type headerParser struct {
	in []byte
	at int
}

func (p *headerParser) space() {
	for p.at < len(p.in) && (p.in[p.at] == ' ' || p.in[p.at] == '\t' || p.in[p.at] == '\n' || p.in[p.at] == '\r') {
		p.at++
	}
}

// next skips space and returns the byte that follows, 0 at the end.
func (p *headerParser) next() byte {
	p.space()
	if p.at == len(p.in) {
		return 0
	}
	return p.in[p.at]
}

func (p *headerParser) expect(c byte) error {
	switch got := p.next(); got {
	case c:
		p.at++
		return nil
	case 0:
		return fmt.Errorf("the header ends where %q should stand", c)
	default:
		return fmt.Errorf("%q should stand here, not %q", c, got)
	}
}

// list reads elements between brackets, separated by commas.
func (p *headerParser) list(open, end byte, element func() error) error {
	if err := p.expect(open); err != nil {
		return err
	}
	if p.next() == end {
		p.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.next() != ',' {
			return p.expect(end)
		}
		p.at++
	}
}

// object reads an object; value reads what belongs to a key.
func (p *headerParser) object(value func(key string) error) error {
	return p.list('{', '}', func() error {
		key, err := p.str()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		return value(key)
	})
}

func (p *headerParser) str() (string, error) {
	if err := p.expect('"'); err != nil {
		return "", err
	}
	begin := p.at
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			s := string(p.in[begin:p.at])
			p.at++
			return s, nil
		case c < ' ':
			return "", fmt.Errorf("control character %#02x in a string", c)
		case c == '\\':
			return p.escaped(begin)
		}
		p.at++
	}
	return "", errors.New("a string does not end")
}

// escaped reads on from a string's first backslash.
func (p *headerParser) escaped(begin int) (string, error) {
	s := append([]byte(nil), p.in[begin:p.at]...)
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return string(s), nil
		case c < ' ':
			return "", fmt.Errorf("control character %#02x in a string", c)
		case c != '\\':
			s = append(s, c)
			continue
		}
		if p.at == len(p.in) {
			break
		}
		e := p.in[p.at]
		p.at++
		switch e {
		case '"', '\\', '/':
			s = append(s, e)
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		case 'u':
			r, err := p.hex4()
			if err != nil {
				return "", err
			}
			if r >= 0xd800 && r < 0xe000 { // half of a pair
				if r >= 0xdc00 || p.at+2 > len(p.in) || p.in[p.at] != '\\' || p.in[p.at+1] != 'u' {
					return "", errors.New("half of a surrogate pair in a string")
				}
				p.at += 2
				low, err := p.hex4()
				if err != nil {
					return "", err
				}
				if low < 0xdc00 || low >= 0xe000 {
					return "", errors.New("half of a surrogate pair in a string")
				}
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			}
			s = utf8.AppendRune(s, r)
		default:
			return "", fmt.Errorf("unknown escape \\%c in a string", e)
		}
	}
	return "", errors.New("a string does not end")
}

func (p *headerParser) hex4() (rune, error) {
	if p.at+4 > len(p.in) {
		return 0, errors.New("a string does not end")
	}
	n := rune(0)
	for _, c := range p.in[p.at : p.at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, fmt.Errorf("%q in a \\u escape", c)
		}
		n = n<<4 | rune(c)
	}
	p.at += 4
	return n, nil
}

// integer reads a number of 0 to 2^62 without sign, fraction or exponent.
func (p *headerParser) integer() (int64, error) {
	c := p.next()
	if c < '0' || c > '9' {
		return 0, fmt.Errorf("a number should stand here, not %q", c)
	}
	begin, n := p.at, int64(0)
	for p.at < len(p.in) && p.in[p.at] >= '0' && p.in[p.at] <= '9' {
		if n > (1<<62)/10 {
			return 0, errors.New("a number is too large")
		}
		n = 10*n + int64(p.in[p.at]-'0')
		p.at++
	}
	if p.in[begin] == '0' && p.at > begin+1 {
		return 0, errors.New("a number begins with 0")
	}
	return n, nil
}

func (p *headerParser) integers(most int) ([]int64, error) {
	var l []int64
	err := p.list('[', ']', func() error {
		if len(l) == most {
			return fmt.Errorf("more than %d numbers", most)
		}
		n, err := p.integer()
		l = append(l, n)
		return err
	})
	return l, err
}

// info reads a tensor's object and checks that its numbers agree.
func (p *headerParser) info(name string) (TensorInfo, error) {
	t := TensorInfo{Name: name}
	if len(name) > maxName {
		return t, fmt.Errorf("the name has %d bytes, %d are allowed", len(name), maxName)
	}
	var seen []string
	var shape, offsets []int64
	err := p.object(func(key string) (err error) {
		if slices.Contains(seen, key) {
			return fmt.Errorf("%.200q occurs twice", key)
		}
		seen = append(seen, key)
		switch key {
		case "dtype":
			var s string
			s, err = p.str()
			t.DType = DType(s)
		case "shape":
			shape, err = p.integers(maxRank)
		case "data_offsets":
			offsets, err = p.integers(2)
		default:
			err = fmt.Errorf("unknown key %.200q", key)
		}
		return err
	})
	if err != nil {
		return t, err
	}
	if len(seen) != 3 {
		return t, errors.New("dtype, shape and data_offsets are needed")
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return t, fmt.Errorf("data_offsets %v are not a begin and an end", offsets)
	}
	size := int64(t.DType.Size())
	if size == 0 {
		return t, fmt.Errorf("unknown dtype %.200q", t.DType)
	}
	t.begin, t.end = offsets[0], offsets[1]
	t.Shape = make([]int, len(shape))
	bytes := size
	for i, d := range shape {
		t.Shape[i] = int(d)
		if int64(int(d)) != d || d > 0 && bytes > math.MaxInt64/d {
			return t, fmt.Errorf("shape %v is too large", shape)
		}
		bytes *= d
	}
	if bytes == 0 { // the other extents may be anything up to here
		for _, d := range shape {
			if d > math.MaxInt32 {
				return t, fmt.Errorf("shape %v is too large", shape)
			}
		}
	}
	if bytes != t.end-t.begin {
		return t, fmt.Errorf("%s%v takes %d bytes, data_offsets say %d", t.DType, shape, bytes, t.end-t.begin)
	}
	return t, nil
}
